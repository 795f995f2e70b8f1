"""Quadrature rules and samplers of domains and boundaries."""
