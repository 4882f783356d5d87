"""Joint maximum over a composite model and the covariances of its items, for test_composites.py.

    python tests/references/composites_missing.py

Normal density by missingness pattern, written out; scipy's L-BFGS-B; standard errors from the
Hessian by differences. Nothing of bayessem is used.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize

DATA = Path(__file__).resolve().parents[2] / "data" / "holzinger_swineford_1939.csv"
ITEMS = [f"x{i}" for i in range(1, 7)]


def moments(point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of x1 to x6: C <~ x1 + x2 + x3, textual =~ x4 + x5 + x6, textual ~ C."""
    root = np.zeros((3, 3))
    root[np.tril_indices(3)] = point[:6]
    own, w, b = root @ root.T, np.array([1.0, *point[6:8]]), point[8]
    loadings, psi = np.array([1.0, *point[9:11]]), np.exp(point[11])
    out = np.zeros((6, 6))
    out[:3, :3] = own
    out[:3, 3:] = np.outer(own @ w * b, loadings)
    out[3:, :3] = out[:3, 3:].T
    total = b * b * (w @ own @ w) + psi
    out[3:, 3:] = total * np.outer(loadings, loadings) + np.diag(np.exp(point[12:15]))
    return out, point[15:]


def lost(point: np.ndarray, values: np.ndarray) -> float:
    """-log-likelihood."""
    covariance, mean = moments(point)
    known = ~np.isnan(values)
    value = 0.0
    for pattern in np.unique(known, axis=0):
        o = np.flatnonzero(pattern)
        rows = values[(known == pattern).all(axis=1)][:, o] - mean[o]
        sign, logdet = np.linalg.slogdet(covariance[np.ix_(o, o)])
        if sign <= 0:
            return 1e9
        solved = np.linalg.solve(covariance[np.ix_(o, o)], rows.T)
        constant = logdet + len(o) * np.log(2 * np.pi)
        value += 0.5 * float((rows.T * solved).sum() + len(rows) * constant)
    return value


def main() -> None:
    """Print log-likelihood, estimates and standard errors."""
    whole = pd.read_csv(DATA)[ITEMS].to_numpy()
    for share in (0.2, 0.3):
        values = whole.copy()
        values[:, :3][np.random.default_rng(1).random((len(values), 3)) < share] = np.nan
        root = np.linalg.cholesky(np.cov(whole[:, :3].T))[np.tril_indices(3)]
        start = np.r_[root, 0.3, 0.1, 0.3, 1.1, 0.9, np.zeros(4) - 0.5, whole.mean(axis=0)]
        options = {"ftol": 1e-14, "gtol": 1e-6, "maxiter": 5000, "maxfun": 10**6}
        found = minimize(lost, start, args=(values,), method="L-BFGS-B", options=options)
        steps = 1e-3 * np.eye(len(found.x))

        def at(move, x=found.x, values=values):
            return lost(x + move, values)

        hessian = np.array(
            [[at(a + b) - at(a - b) - at(b - a) + at(-a - b) for a in steps] for b in steps]
        ) / (4 * 1e-6)
        se = np.sqrt(np.diag(np.linalg.inv(hessian)))
        print(f"{share:.0%} missing: log-likelihood {-found.fun:.5f}")
        for name, i in (("x2", 6), ("x3", 7), ("C", 8)):
            print(f"  {name}: {found.x[i]:.5f} ({se[i]:.4f})")


if __name__ == "__main__":
    main()
