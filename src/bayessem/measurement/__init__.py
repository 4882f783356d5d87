"""Quality of the measurement as draws."""
