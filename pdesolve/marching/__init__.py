"""Evolution problems, advanced in time."""
