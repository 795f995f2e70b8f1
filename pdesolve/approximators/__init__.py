"""Maps from parameters to jets."""
