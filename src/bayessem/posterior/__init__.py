"""The posterior density, its maximum, and draws from it."""
