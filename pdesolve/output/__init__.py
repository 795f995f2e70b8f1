"""Files for other programs: meshes, VTK, tables."""

from pdesolve.output.registry import export

__all__ = ["export"]
