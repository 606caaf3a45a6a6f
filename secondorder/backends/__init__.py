"""Who runs a solver, and on which arrays: one thread, so far."""
