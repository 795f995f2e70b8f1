"""Work and precision of pdesolve beside finite elements: scikit-fem and NGSolve on the same problems."""
