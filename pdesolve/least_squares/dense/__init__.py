"""Least squares with dense Jacobians."""
