"""The model as a path diagram: what is in it, where it stands, and how it is drawn."""
