"""Unknown parameters and coefficient fields from observations."""
