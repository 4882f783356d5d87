"""Simulate the export collaboration study (491 professionals); run as a script, rewrite its CSV.

The study's abstract reports who was asked (491 professionals of small and medium-sized firms), that
collaboration between firms matters, and that firm export performance significantly mediates. It
reports no coefficient, so **every number here but n is ours**.

Metric: latent variables have variance 1. Nothing but NumPy and pandas is needed.
``python data/simulate_export.py`` writes ``export_collaboration.csv`` again, equal bit for bit.
"""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]

CSV: Final = Path(__file__).with_name("export_collaboration.csv")

# The first seed, and no other was looked at.
SEED: Final = 1

# Ours: constructs, number of items, loadings, means and standard deviations on a 5-point metric.
# item: (construct, loading, mean, standard deviation)
ITEMS: Final[dict[str, tuple[str, float, float, float]]] = {
    "ic1": ("COLLAB", 0.82, 3.5, 0.95),
    "ic2": ("COLLAB", 0.78, 3.4, 0.90),
    "ic3": ("COLLAB", 0.75, 3.6, 0.85),
    "ic4": ("COLLAB", 0.73, 3.3, 1.00),
    "ic5": ("COLLAB", 0.70, 3.5, 0.95),
    "fe1": ("FIRM", 0.84, 3.2, 0.95),
    "fe2": ("FIRM", 0.80, 3.1, 1.00),
    "fe3": ("FIRM", 0.77, 3.3, 0.90),
    "fe4": ("FIRM", 0.74, 3.2, 0.95),
    "ie1": ("INDUSTRY", 0.81, 3.4, 0.90),
    "ie2": ("INDUSTRY", 0.78, 3.3, 0.95),
    "ie3": ("INDUSTRY", 0.76, 3.2, 0.90),
    "ie4": ("INDUSTRY", 0.72, 3.5, 0.85),
}
CONSTRUCTS: Final = tuple(dict.fromkeys(construct for construct, *_ in ITEMS.values()))

# Ours: a mediation that is partial, with the larger part of the effect indirect.
_FIRM_COLLAB, _INDUSTRY_FIRM, _INDUSTRY_COLLAB = 0.55, 0.45, 0.20

TRUE: Final[dict[str, float]] = {
    "FIRM~COLLAB": _FIRM_COLLAB,
    "INDUSTRY~FIRM": _INDUSTRY_FIRM,
    "INDUSTRY~COLLAB": _INDUSTRY_COLLAB,
    "FIRM~~FIRM": 1 - _FIRM_COLLAB**2,
    "INDUSTRY~~INDUSTRY": 1
    - _INDUSTRY_FIRM**2
    - _INDUSTRY_COLLAB**2
    - 2 * _INDUSTRY_FIRM * _INDUSTRY_COLLAB * _FIRM_COLLAB,
    "indirect": _FIRM_COLLAB * _INDUSTRY_FIRM,
    "total": _INDUSTRY_COLLAB + _FIRM_COLLAB * _INDUSTRY_FIRM,
}


def draw_constructs(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Latent scores of n respondents, variance 1 each.

    Parameters
    ----------
    n : int
        Number of respondents.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    DataFrame, n rows
        Columns ``COLLAB``, ``FIRM``, ``INDUSTRY``.
    """
    noise = rng.standard_normal((n, len(CONSTRUCTS)))
    collab = noise[:, 0]
    firm = TRUE["FIRM~COLLAB"] * collab + np.sqrt(TRUE["FIRM~~FIRM"]) * noise[:, 1]
    industry = (
        TRUE["INDUSTRY~FIRM"] * firm
        + TRUE["INDUSTRY~COLLAB"] * collab
        + np.sqrt(TRUE["INDUSTRY~~INDUSTRY"]) * noise[:, 2]
    )
    return pd.DataFrame({"COLLAB": collab, "FIRM": firm, "INDUSTRY": industry})


def draw_items(constructs: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Answers to the items, continuous and unbounded around the middle of a 5-point scale.

    Parameters
    ----------
    constructs : DataFrame
        Latent scores, as from ``draw_constructs``.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    DataFrame
        Columns in the order of ``ITEMS``, three decimals.
    """
    noise = rng.standard_normal((len(constructs), len(ITEMS)))
    answers = {}
    for k, (item, (construct, loading, mean, sd)) in enumerate(ITEMS.items()):
        standardised = loading * constructs[construct] + np.sqrt(1 - loading**2) * noise[:, k]
        answers[item] = np.round(mean + sd * standardised, 3)
    return pd.DataFrame(answers)


def simulate(n: int = 491, *, seed: int) -> pd.DataFrame:
    """Draw a sample of professionals.

    Parameters
    ----------
    n : int
        Number of respondents, at least 1.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    DataFrame, n rows
        The 13 items; no values are missing.

    Raises
    ------
    ValueError
        If ``n`` is below 1.
    """
    if n < 1:
        raise ValueError(f"n = {n}: a sample has at least one respondent")
    rng = np.random.default_rng(seed)
    return draw_items(draw_constructs(n, rng), rng)


def csv_text(frame: pd.DataFrame) -> str:
    r"""Text of the CSV file: one line a respondent, ``\n`` line ends on every system."""
    return frame.to_csv(index=False, lineterminator="\n")


if __name__ == "__main__":
    CSV.write_bytes(csv_text(simulate(seed=SEED)).encode())
    print(f"{CSV.name}: written")
