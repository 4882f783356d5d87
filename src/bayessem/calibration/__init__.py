"""Does the program recover what it draws? Simulation-based calibration of models."""
