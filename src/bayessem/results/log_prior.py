"""The log prior density of draws, up to a constant: what power-scaling scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from bayessem.model.space import Block, Coordinate, Space
from bayessem.posterior.density import Density
from bayessem.posterior.prior_draws import DISTRIBUTIONS, threshold_priors


@dataclass(frozen=True)
class PriorTerm:
    """One prior and its log density at draws.

    Attributes
    ----------
    kind : str
        Of the parameters, one of `priors.KINDS`.
    name : str
        The parameter; of a joint prior its first and its last.
    joint : bool
        Whether it is a prior of several parameters together.
    values : ndarray (...)
        Log density, up to a constant.
    """

    kind: str
    name: str
    joint: bool
    values: np.ndarray


def prior_terms(
    space: Space, values: np.ndarray, density: Density | None = None
) -> list[PriorTerm]:
    """Log density of each prior as it is written, up to constants.

    They are about the sampled numbers: standard deviations where `priors=` is about those. LKJ
    priors are about the correlations themselves. The standard normal deviations of pooled
    parameters are left out: they are part of the model (what is scaled is the prior of mu, delta
    and tau; Kallioinen et al. 2024, section 2.3, doi:10.1007/s11222-023-10366-5).

    Parameters
    ----------
    space : Space
        The sampled numbers.
    values : ndarray (..., D)
        On the natural scale, as `Fit.values`.
    density : Density, optional
        Of the same numbers: it knows which thresholds have a joint prior. Without ordered variables
        it is not needed.
    """
    at = {name: i for i, name in enumerate(space.names)}
    joint = {name for row in space.rows for name in row.names}
    answers = [] if density is None else _thresholds(space, values, density)
    joint |= {name for names, _ in answers for name in names}
    terms = [
        PriorTerm(c.kind, c.name, False, _alone(c, values[..., i]))
        for i, c in enumerate(space.coordinates)
        if c.kind != "pool_z" and c.block < 0 and c.name not in joint
    ]
    for block in space.blocks:
        log_density = _block(block, values[..., [at[name] for name in block.names]])
        terms.append(PriorTerm("correlation", _range(block.names), True, log_density))
    for row in space.rows:
        square = np.sum(values[..., [at[name] for name in row.names]] ** 2, axis=-1)
        log_density = -0.5 * (row.nu + len(row.names)) * np.log1p(square)
        kind = space.coordinates[at[row.names[0]]].kind
        terms.append(PriorTerm(kind, _range(row.names), True, log_density))
    terms += [PriorTerm("threshold", _range(names), True, found) for names, found in answers]
    return terms


def log_prior(space: Space, values: np.ndarray, density: Density | None = None) -> np.ndarray:
    """Log density of all priors together, (...), up to a constant; arguments as `prior_terms`."""
    terms = prior_terms(space, values, density)
    return sum((t.values for t in terms), np.zeros(values.shape[:-1]))


def _range(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"


def _alone(c: Coordinate, x: np.ndarray) -> np.ndarray:
    """Log density of a prior of one parameter; 0 for a flat one."""
    a = c.prior.named
    if c.prior.family == "flat":
        return np.zeros(x.shape)
    if c.prior.family == "lkj":
        return (a["eta"] - 1.0) * np.log1p(-x * x)
    stretched = c.prior.family == "beta" and c.kind == "correlation"
    return DISTRIBUTIONS[c.prior.family](a).logpdf((x + 1.0) / 2.0 if stretched else x)


def _thresholds(
    space: Space, values: np.ndarray, density: Density
) -> list[tuple[tuple[str, ...], np.ndarray]]:
    """Names and log density (...) of thresholds with an induced Dirichlet prior (thresholds.py)."""
    out = []
    for own, alpha, scale in threshold_priors(density, values):
        kappa = values[..., own] / scale
        found = -0.5 * np.sum(kappa**2, axis=-1) - kappa.shape[-1] * np.log(scale[..., 0])
        if alpha != 1.0:
            edge = np.full((*kappa.shape[:-1], 1), np.inf)
            low, high = (np.concatenate(p, axis=-1) for p in ((-edge, kappa), (kappa, edge)))
            # from the nearer tail, where small probabilities are known
            share = np.where(low > 0, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low))
            found += (alpha - 1.0) * np.sum(np.log(share), axis=-1)
        out.append((tuple(space.names[own]), found))
    return out


def _block(block: Block, correlations: np.ndarray) -> np.ndarray:
    """Log density of the LKJ prior of a block of correlations (..., pair)."""
    if block.eta == 1.0:
        return np.zeros(correlations.shape[:-1])
    rows, columns = np.tril_indices(block.size, -1)
    matrix = np.zeros((*correlations.shape[:-1], block.size, block.size)) + np.eye(block.size)
    matrix[..., rows, columns] = matrix[..., columns, rows] = correlations
    return (block.eta - 1.0) * np.linalg.slogdet(matrix)[1]
