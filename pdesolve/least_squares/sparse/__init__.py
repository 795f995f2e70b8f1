"""Least squares in blocks that touch a few groups of unknowns each."""
