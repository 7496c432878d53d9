"""One execution under way in a worker: what its body calls, what its records answer, where it stops. Does no I/O."""
