"""Shapes: intervals, boxes, balls, polygons, regions with curved boundary, solids and meshes."""
