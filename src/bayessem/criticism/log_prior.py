"""The log prior density of draws, up to a constant: what power-scaling scales."""

from __future__ import annotations

import numpy as np

from bayessem.model.space import Space
from bayessem.posterior.prior_draws import DISTRIBUTIONS
from bayessem.results.fitted import Fitted


def log_prior(space: Space, values: np.ndarray) -> np.ndarray:
    """Log density of the priors as they are written, (...), up to a constant.

    LKJ priors are about the correlations themselves. The standard normal deviations of pooled
    parameters are left out: they are part of the model (what is scaled is the prior of mu, delta
    and tau; Kallioinen et al. 2024, section 2.3).

    Parameters
    ----------
    space : Space
        The sampled numbers.
    values : ndarray (..., D)
        On the natural scale, as `Fit.values`.
    """
    total = np.zeros(values.shape[:-1])
    joint = {name for row in space.rows for name in row.names}
    for i, c in enumerate(space.coordinates):
        if c.kind == "pool_z" or c.block >= 0 or c.prior.family == "flat" or c.name in joint:
            continue
        x, a = values[..., i], c.prior.named
        if c.prior.family == "lkj":
            total += (a["eta"] - 1.0) * np.log1p(-x * x)
        else:
            stretched = c.prior.family == "beta" and c.kind == "correlation"
            total += DISTRIBUTIONS[c.prior.family](a).logpdf((x + 1.0) / 2.0 if stretched else x)
    position = {name: i for i, name in enumerate(space.names)}
    for block in space.blocks:
        if block.eta == 1.0:
            continue
        matrix = np.broadcast_to(np.eye(block.size), (*values.shape[:-1], block.size, block.size))
        matrix = matrix.copy()
        pairs = [(i, j) for i in range(block.size) for j in range(i)]
        for (i, j), name in zip(pairs, block.names, strict=True):
            matrix[..., i, j] = matrix[..., j, i] = values[..., position[name]]
        total += (block.eta - 1.0) * np.linalg.slogdet(matrix)[1]
    for row in space.rows:
        square = np.sum(values[..., [position[name] for name in row.names]] ** 2, axis=-1)
        total -= 0.5 * (row.nu + len(row.names)) * np.log1p(square)
    return total


def fit_log_prior(fit: Fitted) -> np.ndarray:
    """The same for the draws of a fit, (chain, draw)."""
    return log_prior(fit.prepared.space, fit.values)
