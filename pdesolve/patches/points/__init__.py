"""Collocation points of patches."""
