"""Score tests of fixed parameters of models with ordered answers, from the moments of the answers.

As in score_tests.py the score of a fixed parameter is freed of the distance of a draw from the
maximum. With e the observed less the expected moments at a draw, W the inverse of their covariance
matrix and D their derivatives by the free parameters, both at the posterior mean,

    C = W - W D (D' W D)^-1 D' W,   v = d' C d,   MI = (d' C e)^2 / v,   EPC = d' C e / v,

d the derivatives by the fixed parameter (Sorbom 1989, doi:10.1007/BF02294623, for the moments of
answer_indices.py). Derivatives by a covariance of two residuals exist where latent responses are
normal together, whether or not the model could be fitted with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bayessem.criticism.score_tests import DETERMINED
from bayessem.results.answer_margins import Margins, margins_of
from bayessem.results.answer_moments import group_moments, inverse_root
from bayessem.results.fitted import Fitted
from bayessem.syntax.parameters import Parameter

# Difference steps, in posterior standard deviations and in standardised units.
STEP, SMALL = 0.05, 1e-3
# Share of the largest singular value that a direction of the free parameters has.
FLAT = 1e-6


def answer_modifications(
    fit: Fitted, elements: np.ndarray, rows: Sequence[Parameter]
) -> np.ndarray:
    """Mi, epc and sd of epc, (draw, row, 3), at flat model matrices (draw, elements).

    nan of what could not be estimated besides the free parameters, and of residual covariances
    where latent responses are not normal together.

    Raises
    ------
    NotSupported
        For what `margins_of` refuses.
    """
    prepared = fit.prepared
    margins = margins_of(prepared, "a modification index")
    centre = fit.elements.mean(axis=(0, 1))
    moments = group_moments(margins, prepared, centre)
    roots = [inverse_root(one.covariance()) for one in moments]

    def whitened(flat: np.ndarray) -> np.ndarray:
        """Expected moments (point, ...) of all groups, in units of their sampling error."""
        parts = [one.expected(flat) @ root for one, root in zip(moments, roots, strict=True)]
        return np.concatenate(parts, axis=1)

    basis = _free_directions(fit, whitened)
    error = np.concatenate([o.observed @ r for o, r in zip(moments, roots, strict=True)])
    error = error - whitened(elements)
    error = error - error @ basis @ basis.T
    out = np.full((len(elements), len(rows), 3), np.nan)
    for k, row in enumerate(rows):
        if row.op == "~~" and not margins.normal:
            continue
        moved, size = _moved(margins, centre, row)
        up, down = whitened(np.stack([centre + moved, centre - moved]))
        by = (up - down) / (2.0 * size)
        left = by - basis @ (basis.T @ by)
        v = float(left @ left)
        if v > DETERMINED * float(by @ by):
            score = error @ left
            out[:, k] = np.stack([score**2 / v, score / v, np.full(len(score), v**-0.5)], axis=-1)
    return out


def _free_directions(fit: Fitted, whitened: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Orthonormal directions (moment, k) in which free parameters move the moments."""
    values = fit.values.reshape(-1, fit.values.shape[-1])
    mean, step = values.mean(axis=0), STEP * values.std(axis=0)
    moving = step > 0
    moves = np.diag(step)[moving]
    flat = fit.density.elements(np.concatenate([mean + moves, mean - moves]))
    up, down = np.split(whitened(flat), 2)
    change = (up - down).T
    change = change / np.maximum(np.linalg.norm(change, axis=0), 1e-300)
    left, sizes, _ = np.linalg.svd(change, full_matrices=False)
    return left[:, sizes > FLAT * sizes[0]]


def _moved(margins: Margins, centre: np.ndarray, row: Parameter) -> tuple[np.ndarray, float]:
    """What is added to flat matrices to free a parameter a little, and how much of it."""
    structure = margins.structure
    observed, variables = structure.observed, structure.variables
    if row.op == "=~":
        at = ("loadings", observed.index(row.rhs), variables.index(row.lhs))
    elif row.op == "~~":
        at = ("residuals", observed.index(row.lhs), observed.index(row.rhs))
    elif row.lhs in variables:
        at = ("paths", variables.index(row.lhs), variables.index(row.rhs))
    else:  # as a loading on the covariate
        at = ("loadings", observed.index(row.lhs), variables.index(row.rhs))
    out = np.zeros_like(centre)
    size = SMALL / _sd_of(margins, centre, row)
    out[list(structure.element_of(*at, row.group))] = size
    return out, size


def _sd_of(margins: Margins, centre: np.ndarray, row: Parameter) -> float:
    """The sd of a covariate whose effect is freed, the unit in which steps are small."""
    if row.op != "~":
        return 1.0
    structure = margins.structure
    i = structure.variables.index(row.rhs)
    sd = float(np.sqrt(structure.matrices(centre, row.group)["disturbances"][i, i]))
    return sd if sd > 0 else 1.0
