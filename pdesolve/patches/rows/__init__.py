"""Rows of the least-squares problem."""
