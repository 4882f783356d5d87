"""Studies of design: what a sample of a size would find, by simulation."""
