"""What a node decides, pure: events in, actions out, time passed in. No I/O, no clock, no threads."""
