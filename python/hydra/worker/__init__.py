"""The process that runs user code: the hub and its threads, the event loop, the zygote that forks it."""
