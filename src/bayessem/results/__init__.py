"""Draws to estimates, standardised solutions, latent scores, simulated data."""
