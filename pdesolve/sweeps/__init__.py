"""Sweeps: the same problem at many values of its constants."""
