"""The shape of a quadratic relation as posterior probabilities."""
