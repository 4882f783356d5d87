"""The likelihood with the latent variables integrated out: one Numba program for all models."""
