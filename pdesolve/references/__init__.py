"""Independently computed solutions: Fourier series and the method of lines, cached."""
