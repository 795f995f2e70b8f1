"""Files for other programs: meshes, VTK, tables."""
