"""The shells of a node: processes, sockets, the store thread, schedules, metrics. They do I/O and decide nothing."""
