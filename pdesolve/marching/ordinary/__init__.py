"""Unknowns that depend on time alone: ordinary differential and algebraic equations."""
