"""What hands a solution on to other programs: torch, xarray, pandas and pyvista."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pdesolve.solution.gridded import as_dataset, as_frame

# name ↦ function of a solution; set by what draws and meshes, which knows solutions, as they know nothing of it.
viewers: dict[str, Callable[..., Any]] = {}


class HandedOn:
    """The part of a `Solution` that other programs go on with."""

    def differentiable(self) -> Any:
        """A `torch.nn.Module`, points (…, d) ↦ values (…, u), whose gradients by the points torch can take.

        They are the derivatives of the solution, of every order (`create_graph=True`), and NaN outside the domain. The
        module has no trainable parameters.
        """
        from pdesolve.solution.differentiable import Differentiable

        return Differentiable(self)

    def to_xarray(self, points: int | None = None, times: Sequence[float] | None = None) -> Any:
        """An `xarray.Dataset` of the unknowns and outputs on a grid over the bounding box, NaN outside the domain.

        Args:
            points: how many in space, about (default 500, 20,000 and 50,000 in one, two and three dimensions).
            times: of an evolution; by default those of `solve(times=)`, else 41 equally spaced ones.

        Raises:
            UsageError: xarray is not installed, or the domain has more than three space dimensions.
        """
        return as_dataset(self, points, times)

    def to_pandas(self, points: int | None = None, times: Sequence[float] | None = None) -> Any:
        """A `pandas.DataFrame` of the same values: a row for each point of the grid in the domain.

        Histories, lines and quantities over time are columns already: `pandas.DataFrame(solution.history)`.

        Raises:
            UsageError: pandas is not installed, or the domain has more than three space dimensions.
        """
        return as_frame(self, points, times)

    def to_pyvista(self, points: int | None = None, time: float | None = None) -> Any:
        """A `pyvista.UnstructuredGrid` with the arrays of `solution.vtu`, at one time of an evolution (the last).

        Raises:
            UsageError: pyvista is not installed, or the problem has not this time.
        """
        return _viewer("to_pyvista")(self, points, time)

    def show(self, name: str | None = None, time: float | None = None, **options: Any) -> Any:
        """Show the solution to turn and zoom, by pyvista, coloured by an array (the first unknown).

        Args:
            name: of an unknown, an output or any other array of `solution.vtu`.
            time: of an evolution; left out, the last.
            **options: of `pyvista.DataSet.plot`, such as `off_screen=True, screenshot="u.png"`.

        Raises:
            UsageError: pyvista is not installed, or there is no such array or time.
        """
        return _viewer("show")(self, name, time, **options)


def _viewer(name: str) -> Callable[..., Any]:
    if name not in viewers:
        from importlib import import_module

        # It enters itself above when it is imported.
        import_module("pdesolve.output.interactive")
    return viewers[name]
