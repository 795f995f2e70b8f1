"""Files for other programs: meshes, VTK, tables."""

from pdesolve.output.quantity_table import write_quantities
from pdesolve.output.registry import export

__all__ = ["export", "write_quantities"]
