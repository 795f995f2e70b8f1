"""Work and precision of pdesolve beside the method of lines, in one space dimension."""
