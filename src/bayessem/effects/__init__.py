"""Direct, indirect, conditional and what-if effects as draws."""
