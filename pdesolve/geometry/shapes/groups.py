"""What domains given by meshes have in common: parts by the names of groups."""

from __future__ import annotations

from pathlib import Path

from pdesolve.errors import ProblemError
from pdesolve.geometry.domain import Domain
from pdesolve.geometry.place import Boundary
from pdesolve.geometry.shapes.mesh_data import MeshData


class Groups(Domain):
    """Parts by the names of groups, each of one or more surfaces."""

    data: MeshData

    @property
    def part_names(self) -> tuple[str, ...]:
        """Names of the groups."""
        return self.data.names

    def part(self, *names: str) -> Boundary:
        """Return the parts of the boundary with these group names.

        Raises:
            ProblemError: there is no group of such a name.
        """
        for name in names or ("",):
            if name not in self.part_names:
                message = (
                    f"{self} has no part {name!r}; its parts are {', '.join(map(repr, self.part_names))}."
                )
                raise ProblemError(message)
        chosen = tuple(s.name for s in self.surfaces if s.name.rpartition(" ")[0] in names)
        return Boundary(self, chosen, " and ".join(names))

    @property
    def files(self) -> tuple[Path, ...]:
        """The file it was read from."""
        if self.data.source is None:
            return ()
        return (self.data.source,)
