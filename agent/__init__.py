"""The running process: the only place that knows settings, sockets, clocks and metrics."""
