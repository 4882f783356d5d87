"""The likelihood once more, in plain NumPy and SciPy and by brute force: the oracle of the tests.

Same formulas (METHODS.md, sections 1 and 2), nothing shared with the kernel: SciPy's normal density
instead of sufficient statistics, and for product terms a dense grid over all the latent variables
in them instead of chosen nodes, with the products followed variable by variable instead of
collected into polynomials. Slow, and only as accurate as its grid.

`matrices` maps the names of structure.py's MATRICES to the arrays of one group: loadings (p, m),
paths (m, m), disturbances (m, m), residuals (p, p), intercepts (p,), means (m,), products (m, h).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

Matrices = Mapping[str, np.ndarray]


def linear_moments(matrices: Matrices) -> tuple[np.ndarray, np.ndarray]:
    """Model-implied mean (p,) and covariance (p, p) of the observed variables without products."""
    loadings = matrices["loadings"]
    total = np.linalg.inv(np.eye(loadings.shape[1]) - matrices["paths"])
    spread = total @ matrices["disturbances"] @ total.T
    mean = matrices["intercepts"] + loadings @ total @ matrices["means"]
    return mean, loadings @ spread @ loadings.T + matrices["residuals"]


def linear_log_likelihood(matrices: Matrices, rows: np.ndarray) -> np.ndarray:
    """Log p(y_i) without product terms; rows (respondent, p) with NaN where not observed.

    Raises
    ------
    numpy.linalg.LinAlgError
        Where the covariance is not positive definite.
    """
    mean, covariance = linear_moments(matrices)
    out = np.empty(len(rows))
    for i, row in enumerate(rows):
        seen = ~np.isnan(row)
        block = covariance[np.ix_(seen, seen)]
        np.linalg.cholesky(block)  # SciPy lets rounding pass as positive definite
        out[i] = multivariate_normal(mean[seen], block).logpdf(row[seen])
    return out


def product_order(pairs: Sequence[tuple[int, int]], effects: np.ndarray) -> list[int]:
    """Products in an order in which each comes after those that its factors depend on.

    effects : (m, h) total effect of each product on each latent variable.
    """
    done: list[int] = []
    while len(done) < len(pairs):
        waiting = [t for t in range(len(pairs)) if t not in done]
        ready = [t for t in waiting if not any(effects[i, s] for i in pairs[t] for s in waiting)]
        if not ready:
            raise ValueError("a product term depends on itself")
        done.extend(ready)
    return done


def latent_values(
    linear: np.ndarray,
    matrices: Matrices,
    pairs: Sequence[tuple[int, int]],
    *,
    known: Mapping[int, float] | None = None,
) -> np.ndarray:
    """Latent variables (grid, m) from their linear parts, by following the products.

    known : value of a latent variable in products where the data say it, by its index; the effects
        of products on such a variable are then not followed further.
    """
    known = known or {}
    total = np.linalg.inv(np.eye(linear.shape[1]) - matrices["paths"])
    effects = total @ matrices["products"]
    follow = effects.copy()
    follow[list(known)] = 0.0
    values = linear.copy()
    for t in product_order(pairs, follow):
        first, second = (known.get(i, values[:, i]) for i in pairs[t])
        values += np.multiply.outer(first * second * np.ones(len(values)), effects[:, t])
    return values


def _over_grid(
    matrices: Matrices,
    rows: np.ndarray,
    values: np.ndarray,
    covariance: np.ndarray,
    log_weights: np.ndarray,
) -> np.ndarray:
    """Log of the sum over the grid of weight * density of each row (respondent, p), NaN missing.

    values : (grid, m) latent variables.  covariance : (p, p) given these.  log_weights : (grid,).
    """
    out = np.empty(len(rows))
    for seen in np.unique(~np.isnan(rows), axis=0):
        members = np.flatnonzero((~np.isnan(rows) == seen).all(axis=1))
        mean = values @ matrices["loadings"][seen].T + matrices["intercepts"][seen]
        root = np.linalg.cholesky(covariance[np.ix_(seen, seen)])
        scaled = solve_triangular(root, mean.T, lower=True)
        constant = seen.sum() * np.log(2.0 * np.pi) + 2.0 * np.log(np.diag(root)).sum()
        common = log_weights - 0.5 * ((scaled**2).sum(axis=0) + constant)
        for i in members:
            row = solve_triangular(root, rows[i, seen], lower=True)
            out[i] = logsumexp(common + row @ scaled) - 0.5 * row @ row
    return out


def product_log_likelihood(
    matrices: Matrices,
    rows: np.ndarray,
    *,
    pairs: Sequence[tuple[int, int]],
    observed: Mapping[int, int] | None = None,
    grid: np.ndarray | None = None,
) -> np.ndarray:
    """Log p(y_i) with product terms, by the trapezoid rule over all latent variables in products.

    Parameters
    ----------
    matrices
        Of the group, see the module.
    rows : (respondent, p)
        NaN where not observed.
    pairs : the two latent variables of each product term.
    observed : data column of each latent variable in a product that is an observed variable.
    grid : (points,) equally spaced, of each standardised latent variable; -8 to 8 in steps of .04.
        The number of points to the power of the number of latent variables in products must fit
        in memory, and the spacing be under half the narrowest conditional standard deviation.
    """
    observed = observed or {}
    grid = np.linspace(-8.0, 8.0, 401) if grid is None else grid
    loadings = matrices["loadings"]
    total = np.linalg.inv(np.eye(loadings.shape[1]) - matrices["paths"])
    spread = total @ matrices["disturbances"] @ total.T
    factors = sorted({i for pair in pairs for i in pair} - set(observed))
    root = np.linalg.cholesky(spread[np.ix_(factors, factors)])
    weights = np.linalg.solve(root, spread[factors]).T  # (m, factor)
    axes = np.meshgrid(*[grid] * len(factors), indexing="ij")
    points = np.stack([x.ravel() for x in axes], axis=1) if factors else np.zeros((1, 0))
    prior = -0.5 * (points**2).sum(axis=1) - 0.5 * len(factors) * np.log(2.0 * np.pi)
    prior += len(factors) * np.log(grid[1] - grid[0])
    linear = total @ matrices["means"] + points @ weights.T
    rest = loadings @ (spread - weights @ weights.T) @ loadings.T + matrices["residuals"]
    if not observed:
        values = latent_values(linear, matrices, pairs)
        return _over_grid(matrices, rows, values, rest, prior)
    out = np.empty(len(rows))
    for i, row in enumerate(rows):
        known = {j: row[column] for j, column in observed.items()}
        values = latent_values(linear, matrices, pairs, known=known)
        out[i] = _over_grid(matrices, row[None], values, rest, prior)[0]
    return out
