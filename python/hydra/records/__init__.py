"""What both the client and the worker speak: children, callbacks, waits, maps, forks, ends. Pure: no I/O, no clock."""
