"""Steady problems to a tolerance: solve, estimate, mark, refine."""
