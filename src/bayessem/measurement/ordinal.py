"""Reliability of the sum of ordered answers.

Omega of latent responses (ordinal omega: Zumbo, Gadermann & Zeisser 2007,
doi:10.22237/jmasm/1177992180) is about scores that nobody has: a sum of latent responses. What is
added up are the answers. Their reliability is the share of the construct in the variance of that
sum, with the covariance of two answers that correlated latent responses imply through thresholds:

Green, S. B., & Yang, Y. (2009). Reliability of summed item scores using structural equation
modeling: An alternative to coefficient alpha. Psychometrika, 74, 155-167,
doi:10.1007/s11336-008-9099-3. In R: MBESS and semTools::compRelSEM.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

# Gauss-Legendre nodes on the angle; correlations of .99 are exact to 1e-9.
NODES = 40
# Draws at once, which bounds the memory.
BLOCK = 500


def answer_covariance(first: np.ndarray, second: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    """Covariance of two answers, coded 0, 1, ..., with normal latent responses.

    The sum over all pairs of thresholds of P(both above) - P(above) P(above), which is the integral
    of the bivariate normal density there over the correlation from 0 on (Plackett 1954,
    doi:10.1093/biomet/41.3-4.351).

    Parameters
    ----------
    first, second : ndarray (draw, threshold)
        Standardised thresholds.
    correlation : ndarray (draw,)
        Of the latent responses, between -1 and 1.

    Returns
    -------
    ndarray (draw,)
    """
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    half = 0.5 * np.arcsin(np.clip(correlation, -1.0, 1.0))
    out = np.zeros(len(correlation))
    for node, weight in zip(nodes, weights, strict=True):
        angle = half * (1.0 + node)
        sine, cosine = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
        a, b = first[:, :, None], second[:, None, :]
        density = np.exp(-(a * a + b * b - 2.0 * sine * a * b) / (2.0 * cosine * cosine))
        out += weight * half * density.sum(axis=(1, 2)) / (2.0 * np.pi)
    return out


def answer_variance(thresholds: np.ndarray) -> np.ndarray:
    """Variance (draw,) of an answer, coded 0, 1, ..., with standardised thresholds (draw, c)."""
    above = ndtr(-thresholds)
    steps = 2.0 * np.arange(thresholds.shape[1]) + 1.0  # k^2 - (k - 1)^2
    return above @ steps - above.sum(axis=1) ** 2


def omega_of_answers(
    thresholds: Sequence[np.ndarray], loadings: np.ndarray, correlations: np.ndarray
) -> np.ndarray:
    """Reliability of the sum of a construct's answers; Green and Yang (2009), equation 21.

    Parameters
    ----------
    thresholds : sequence of ndarray (draw, c)
        Of each of the k items, over the standard deviation of its latent response.
    loadings : ndarray (draw, k)
        Standardised.
    correlations : ndarray (draw, k, k)
        Of the latent responses, with all that the model says about them.

    Returns
    -------
    ndarray (draw,)
    """
    out = []
    for start in range(0, len(loadings), BLOCK):
        some = slice(start, start + BLOCK)
        own = [t[some] for t in thresholds]
        true, whole = np.zeros(len(own[0])), np.zeros(len(own[0]))
        for i in range(len(own)):
            for j in range(i + 1):
                times = 1.0 if i == j else 2.0
                common = loadings[some, i] * loadings[some, j]
                true += times * answer_covariance(own[i], own[j], common)
                if i == j:
                    whole += answer_variance(own[i])
                else:
                    both = correlations[some, i, j]
                    whole += times * answer_covariance(own[i], own[j], both)
        out.append(true / whole)
    return np.concatenate(out)
