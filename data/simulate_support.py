"""Simulate a published response surface (300 employees); run as a script, rewrite its CSV.

Shanock, Baran, Gentry, Pattison & Heggestad (2010, doi:10.1007/s10869-010-9183-4) explain response
surface analysis by how discrepancies in perceived supervisor support and perceived organizational
support relate to affective commitment. The five coefficients of their Table 2 are those that R's
package RSA quotes in the example of ``RSA.ST``. Only they and the three constructs are taken from
there; **every other number here is ours**, marked below.

Metric: points of the first item of each construct, from the middle of its scale. Nothing but NumPy
and pandas is needed. ``python data/simulate_support.py`` writes ``support_commitment.csv`` again,
equal bit for bit.
"""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]

CSV: Final = Path(__file__).with_name("support_commitment.csv")

# The first seed, and no other was looked at.
SEED: Final = 1

# Ours: the documentation that quotes the coefficients does not quote n.
N: Final = 300

# Published: b1 to b5 of commitment on x, z, x^2, xz, z^2. Ours: which kind of support is x
# (supervisor, PSS) and which z (organization, POS), as the quotation does not say; no intercept,
# so that commitment is 0 where both kinds of support are at the middle of the scale.
PUBLISHED: Final[dict[str, float]] = {
    "AC~PSS": -0.23,
    "AC~POS": 0.77,
    "AC~PSS:PSS": -0.07,
    "AC~PSS:POS": 0.27,
    "AC~POS:POS": -0.10,
}

# Ours: both kinds of support have a standard deviation of 1.2 points, mean 0 (the middle of the
# scale) and correlate by .5; the disturbance leaves commitment an R2 of .43.
_SUPPORT_SD, _CORRELATION, _DISTURBANCE = 1.2, 0.5, 1.0

# Ours: items on a 7-point metric. Both kinds of support have the same three loadings, so that a
# point means the same in both (a common metric).
# item: (construct, loading, answer where the construct is 0, residual standard deviation)
ITEMS: Final[dict[str, tuple[str, float, float, float]]] = {
    "pss1": ("PSS", 1.00, 4.0, 0.85),
    "pss2": ("PSS", 0.95, 4.2, 0.90),
    "pss3": ("PSS", 0.90, 3.9, 0.85),
    "pos1": ("POS", 1.00, 4.0, 0.80),
    "pos2": ("POS", 0.95, 3.8, 0.90),
    "pos3": ("POS", 0.90, 4.1, 0.95),
    "ac1": ("AC", 1.00, 4.3, 0.85),
    "ac2": ("AC", 0.95, 4.5, 0.90),
    "ac3": ("AC", 0.85, 4.1, 0.85),
}
CONSTRUCTS: Final = tuple(dict.fromkeys(construct for construct, *_ in ITEMS.values()))

TRUE: Final[dict[str, float]] = {
    **{f"{construct}=~{item}": loading for item, (construct, loading, *_) in ITEMS.items()},
    **PUBLISHED,
    "PSS~~PSS": _SUPPORT_SD**2,
    "POS~~POS": _SUPPORT_SD**2,
    "PSS~~POS": _CORRELATION * _SUPPORT_SD**2,
    "AC~~AC": _DISTURBANCE,
}


def draw_constructs(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Latent scores of n employees, in points from the middle of the scale.

    Parameters
    ----------
    n : int
        Number of employees.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    DataFrame, n rows
        Columns ``PSS``, ``POS``, ``AC``.
    """
    noise = rng.standard_normal((n, len(CONSTRUCTS)))
    x = _SUPPORT_SD * noise[:, 0]
    z = _CORRELATION * x + _SUPPORT_SD * np.sqrt(1 - _CORRELATION**2) * noise[:, 1]
    b1, b2, b3, b4, b5 = PUBLISHED.values()
    surface = b1 * x + b2 * z + b3 * x**2 + b4 * x * z + b5 * z**2
    return pd.DataFrame({"PSS": x, "POS": z, "AC": surface + np.sqrt(_DISTURBANCE) * noise[:, 2]})


def draw_items(constructs: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Answers to the items, continuous and unbounded around the middle of a 7-point scale.

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
    return pd.DataFrame(
        {
            item: np.round(level + loading * constructs[construct] + sd * noise[:, k], 3)
            for k, (item, (construct, loading, level, sd)) in enumerate(ITEMS.items())
        }
    )


def simulate(n: int = N, *, seed: int) -> pd.DataFrame:
    """Draw a sample of employees.

    Parameters
    ----------
    n : int
        Number of employees, at least 1.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    DataFrame, n rows
        The nine items; no values are missing.

    Raises
    ------
    ValueError
        If ``n`` is below 1.
    """
    if n < 1:
        raise ValueError(f"n = {n}: a sample has at least one employee")
    rng = np.random.default_rng(seed)
    return draw_items(draw_constructs(n, rng), rng)


def csv_text(frame: pd.DataFrame) -> str:
    r"""Text of the CSV file: one line an employee, ``\n`` line ends on every system."""
    return frame.to_csv(index=False, lineterminator="\n")


if __name__ == "__main__":
    CSV.write_bytes(csv_text(simulate(seed=SEED)).encode())
    print(f"{CSV.name}: written")
