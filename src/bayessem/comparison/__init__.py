"""Comparison of models by how well they predict: LOO, K-fold, groups left out, LOO-PIT."""
