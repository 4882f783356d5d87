"""Parameters that differ between groups."""
