"""Named optimisers behind one interface; no PDE in it."""
