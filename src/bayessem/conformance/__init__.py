"""Reference cases with published numbers, run and compared."""
