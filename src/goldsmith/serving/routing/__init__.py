"""The routing brain: events in, decisions out; no input or output, no clock, no torch."""
