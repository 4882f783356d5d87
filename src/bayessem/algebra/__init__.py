"""Polynomials of normal variables and their moments."""
