"""Solutions that are formulas: everything about them is known, and nothing has to be solved."""

from types import SimpleNamespace

import numpy as np
import sympy
import torch


class AnalyticSolution:
    """Unknowns by name as sympy formulas in the coordinates; the "solver's" error is a formula, too.

    The residual is `error` itself for one unknown, and one multiple of it per unknown of a system.
    """

    def __init__(self, domain, formulas, error="0", exact=True, name="analytic"):
        self.symbols = sympy.symbols(domain.coordinates)
        known = {str(s): s for s in self.symbols}
        self.exact = [sympy.sympify(f, locals=known) for f in formulas.values()]
        self.error = sympy.sympify(error, locals=known)
        self.problem = SimpleNamespace(
            name=name,
            domain=domain,
            unknowns=tuple(formulas),
            exact=exact or None,
            reference=None,
            names=SimpleNamespace(vectors={}, complex={}),
            outputs={},
            quantities={},
        )
        self.output_expressions = {}
        self.method, self.status, self.converged = "gmnm", "converged: the estimate met the tolerance", True
        self.estimated_error, self.seconds, self.history = 2e-7, 0.4, history()

    @property
    def unknowns(self):
        return self.problem.unknowns

    @property
    def vectors(self):
        return self.problem.names.vectors

    @property
    def complex_names(self):
        return self.problem.names.complex

    def relative_l2_error(self):
        return 1e-7

    def _at(self, formula, points):
        values = sympy.lambdify(self.symbols, formula, "numpy")(*points.numpy().T)
        return torch.as_tensor(np.broadcast_to(values, len(points)).copy(), dtype=torch.float64)

    def jet(self, points, indices):
        unknowns = []
        for formula in self.exact:
            u = formula + self.error
            parts = [sympy.diff(u, *zip(self.symbols, index, strict=True)) for index in indices]
            unknowns.append(torch.stack([self._at(part, points) for part in parts], dim=1))
        return torch.stack(unknowns, dim=1)

    def evaluate(self, points):
        return self.jet(points, ((0,) * len(self.symbols),))[:, :, 0]

    def exact_values(self, points):
        if self.problem.exact is None:
            return None
        return torch.stack([self._at(formula, points) for formula in self.exact], dim=1)

    def jet_and_residual(self, points, indices):
        return self.jet(points, indices), self.residual(points)

    def residual(self, points):
        return torch.stack([(i + 1) * self._at(self.error, points) for i in range(len(self.exact))], dim=1)


def history(rows=8):
    """An adaptive solve: unknowns double, the estimate falls by ten."""
    return [
        {
            "seconds": 0.05 * 1.5**k,
            "level": k + 1,
            "unknowns": 100 * 2**k,
            "estimate": None if k == 0 else 10.0 ** (-k),
            "residual": 3.0 * 10.0 ** (-k),
        }
        for k in range(rows)
    ]
