"""A physics-informed PDE solver with an error you can trust."""
