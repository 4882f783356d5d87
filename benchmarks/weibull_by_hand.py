"""Coverage of a path to a censored Weibull duration by a likelihood written for it alone.

python -m benchmarks.weibull_by_hand RESPONDENTS FIRST_SEED DATA_SETS

The data sets of `benchmarks.families`, with the construct's measurement known: given its items it
is normal, and a Gauss-Hermite rule of 21 points integrates it out of the duration's density.
Newton's method by Louis's (1982) observed information. What the package finds on the same data sets
is by chance where this finds it, too, and not on others.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

from bayessem.likelihood.family_weibull import VARIANCE
from benchmarks.families import TRUE, drawn

POINTS, WEIGHTS = np.polynomial.hermite_e.hermegauss(21)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
LOADING, RESIDUAL, SCALE = 0.8, 0.36, 0.6
LEFT = 1.0 / (1.0 + 3.0 * LOADING**2 / RESIDUAL)  # variance of the construct given its items


def slopes(b: np.ndarray, data: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (3,) and Hessian (3, 3) by intercept, path and log scale of log time."""
    items = data[["a1", "a2", "a3"]].to_numpy().sum(axis=1)
    f = (LEFT * LOADING / RESIDUAL * items)[:, None] + np.sqrt(LEFT) * POINTS
    time = np.log(data["time"].to_numpy())[:, None]
    event = 1.0 - data["flag"].to_numpy()[:, None]
    s = np.exp(b[2])
    z = (time - b[0] - b[1] * f) / s
    rate = np.exp(z)
    log = event * (z - b[2]) - rate
    share = WEIGHTS * np.exp(log - log.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    rest = rate - event
    score = np.stack([rest / s, rest * f / s, rest * z - event], axis=-1)
    own = np.einsum("nq,nqi->ni", share, score)
    design = np.stack([np.ones_like(f), f], axis=-1)
    bend = np.empty((*f.shape, 3, 3))
    bend[..., :2, :2] = (
        -(rate / s**2)[..., None, None] * design[..., :, None] * design[..., None, :]
    )
    bend[..., :2, 2] = bend[..., 2, :2] = (-(rate * z + rest) / s)[..., None] * design
    bend[..., 2, 2] = -(rate * z * z + rest * z)
    bend += score[..., :, None] * score[..., None, :]
    return own.sum(axis=0), np.einsum("nq,nqij->ij", share, bend) - own.T @ own


def estimates(data: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Estimates (3,) and standard errors."""
    b = np.array([1.0, TRUE["time~F"], np.log(SCALE)])
    for _ in range(30):
        gradient, hessian = slopes(b, data)
        step = np.linalg.solve(hessian, gradient)
        b = b - step
        if np.abs(step).max() < 1e-9:
            break
    return b, np.sqrt(np.diag(np.linalg.inv(-slopes(b, data)[1])))


def main(n: int, first: int, count: int) -> None:
    """Print coverage of 95 % intervals, and on which side they miss."""
    found = [estimates(drawn(n, seed)) for seed in range(first, first + count)]
    b, se = (np.array(part) for part in zip(*found, strict=True))
    variance, truth = VARIANCE * np.exp(2.0 * b[:, 2]), VARIANCE * SCALE**2
    for name, z in {
        "time ~ F": (b[:, 1] - TRUE["time~F"]) / se[:, 1],
        "residual variance": (variance - truth) / (2.0 * variance * se[:, 2]),
        "its logarithm": (b[:, 2] - np.log(SCALE)) / se[:, 2],
    }.items():
        print(
            f"{name:18} {(np.abs(z) < 1.96).mean():.3f}, too low {(z < -1.96).mean():.3f}, "
            f"too high {(z > 1.96).mean():.3f}; sd of z {z.std(ddof=1):.3f}"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
