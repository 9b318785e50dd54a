"""A reference model of the switch, and random programs that compare the engines with it."""
