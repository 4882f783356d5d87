"""Pareto-smoothed importance sampling: weights, Pareto k, and when k is too large.

Vehtari, Simpson, Gelman, Yao & Gabry (2024), Pareto smoothed importance sampling, Journal of
Machine Learning Research 25(72).
"""

from __future__ import annotations

import math

import numpy as np


def good_k(draws: int) -> float:
    """Largest Pareto k at which weights of so many draws can be trusted: min(1 - 1/log10 S, .7)."""
    return min(1.0 - 1.0 / math.log10(draws), 0.7) if draws > 10 else 0.0


def smoothed_weights(log_ratio: np.ndarray, r_eff: float) -> tuple[np.ndarray, np.ndarray]:
    """Normalised log weights and Pareto k from log importance ratios (..., draw).

    Returns
    -------
    log_weights : ndarray (..., draw)
    pareto_k : ndarray (...)
    """
    from arviz_stats.base import array_stats

    lowest = np.max(log_ratio, axis=-1, keepdims=True) - 700.0  # weights of 0, but finite
    log_weights, k = array_stats.psislw(-np.maximum(log_ratio, lowest), r_eff=r_eff, axis=-1)
    return log_weights, np.asarray(k)
