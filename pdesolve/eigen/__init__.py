"""Eigenvalue problems: Arnoldi around one least-squares solve, adapted to the modes, confirmed by the next degree."""
