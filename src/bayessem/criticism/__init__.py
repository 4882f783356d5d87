"""Criticism of a fitted model: global and local fit, predictive checks, priors, sensitivity."""
