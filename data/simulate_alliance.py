"""Simulate the alliance capability study (278 firms); run as a script, rewrite its CSV.

The raw data of the study are not public. This draws data from its reported numbers, so that a model
fitted to them can be compared with values that are known. What is reported and what had to be
chosen is listed in README.md beside this file and marked below.

Metric of every number here: the latent variables have variance 1 (without moderation), ``speed`` is
divided by its standard deviation ``YEARS_SD``, and a square enters as ``AMC**2 - 1``. The study
reports coefficients of the *standardised* square, ``(AMC**2 - 1) / sqrt(2)``.

Nothing but NumPy and pandas is needed. ``python data/simulate_alliance.py`` writes
``alliance_capability.csv`` again, equal bit for bit.
"""

import math
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]

CSV: Final = Path(__file__).with_name("alliance_capability.csv")

# The first seed, counting from 1, whose sample is like the reported one in its measurement model
# and not remote from the truth in its structural coefficients taken together; README.md states the
# rule and what it passed over.
SEED: Final = 27

# Reported: five dimensions of the capability and three outcomes, loadings .70 to .91, composite
# reliability .75 to .90, average variance extracted .51 to .67. Ours: which loading belongs to
# which item, and the means and standard deviations on a 7-point metric.
# item: (construct, loading, mean, standard deviation)
ITEMS: Final[dict[str, tuple[str, float, float, float]]] = {
    "co1": ("COORD", 0.91, 4.7, 1.25),
    "co2": ("COORD", 0.78, 4.5, 1.30),
    "co3": ("COORD", 0.74, 4.6, 1.20),
    "po1": ("PORTF", 0.75, 4.3, 1.35),
    "po2": ("PORTF", 0.73, 4.2, 1.25),
    "po3": ("PORTF", 0.70, 4.4, 1.30),
    "le1": ("LEARN", 0.80, 4.8, 1.15),
    "le2": ("LEARN", 0.76, 4.7, 1.20),
    "le3": ("LEARN", 0.73, 4.9, 1.10),
    "pr1": ("PROACT", 0.82, 4.4, 1.35),
    "pr2": ("PROACT", 0.79, 4.5, 1.30),
    "pr3": ("PROACT", 0.72, 4.3, 1.40),
    "tr1": ("TRANSF", 0.86, 4.6, 1.20),
    "tr2": ("TRANSF", 0.83, 4.5, 1.25),
    "tr3": ("TRANSF", 0.80, 4.7, 1.15),
    "tr4": ("TRANSF", 0.76, 4.4, 1.30),
    "ra1": ("RAD", 0.84, 4.1, 1.40),
    "ra2": ("RAD", 0.80, 4.0, 1.35),
    "ra3": ("RAD", 0.77, 4.2, 1.30),
    "in1": ("INC", 0.79, 4.8, 1.20),
    "in2": ("INC", 0.76, 4.9, 1.15),
    "in3": ("INC", 0.73, 4.7, 1.25),
    "su1": ("SUCC", 0.85, 4.6, 1.30),
    "su2": ("SUCC", 0.81, 4.5, 1.25),
    "su3": ("SUCC", 0.78, 4.4, 1.35),
    "su4": ("SUCC", 0.72, 4.7, 1.20),
}
CONSTRUCTS: Final = tuple(dict.fromkeys(construct for construct, *_ in ITEMS.values()))

# Ours: the study reports no second-order loadings.
SECOND_ORDER: Final = {"COORD": 0.88, "PORTF": 0.78, "LEARN": 0.84, "PROACT": 0.80, "TRANSF": 0.86}

# Reported, except the direct effect SUCC~AMC: "partial mediation" fixes its sign, not its size.
# SPEED~AMC is 0 because the mediation is reported as full. Disturbances are uncorrelated.
_STANDARDISED_SQUARE: Final = {"RAD": 0.65, "INC": 0.55}
_RAD, _INC, _SUCC_INC, _SUCC_AMC, _SPEED_RAD = 0.75, 0.73, 0.61, 0.25, 0.15

TRUE: Final[dict[str, float]] = {
    **{f"AMC=~{dimension}": loading for dimension, loading in SECOND_ORDER.items()},
    "RAD~AMC": _RAD,
    "RAD~AMC:AMC": _STANDARDISED_SQUARE["RAD"] / math.sqrt(2),
    "INC~AMC": _INC,
    "INC~AMC:AMC": _STANDARDISED_SQUARE["INC"] / math.sqrt(2),
    "speed~RAD": _SPEED_RAD,
    "speed~AMC": 0.0,
    "SUCC~INC": _SUCC_INC,
    "SUCC~AMC": _SUCC_AMC,
    "RAD~~RAD": 1 - _RAD**2 - _STANDARDISED_SQUARE["RAD"] ** 2,
    "INC~~INC": 1 - _INC**2 - _STANDARDISED_SQUARE["INC"] ** 2,
    "speed~~speed": 1 - _SPEED_RAD**2,
    # cov(INC, AMC) is the linear path alone: AMC and its square are uncorrelated.
    "SUCC~~SUCC": 1 - _SUCC_INC**2 - _SUCC_AMC**2 - 2 * _SUCC_INC * _SUCC_AMC * _INC,
}

# Reported: the linear paths by alliance portfolio diversity. With moderation they replace RAD~AMC
# and INC~AMC of TRUE; everything else, AMC's variance included, is the same in both groups.
TRUE_BY_DIVERSITY: Final[dict[str, dict[str, float]]] = {
    "low": {"RAD~AMC": 0.72, "INC~AMC": 0.80},
    "high": {"RAD~AMC": 0.76, "INC~AMC": 0.46},
}

# Ours: how many firms use 1, 2, ... 8 types of partner, and how common each type is. The shares put
# the median at 3 types, so that ties at the median (scored low) leave 42 % of the firms high.
PARTNER_COUNT_SHARE: Final = (0.12, 0.20, 0.26, 0.17, 0.11, 0.07, 0.04, 0.03)
PARTNER_POPULARITY: Final = {
    "buyers": 5.0,
    "suppliers": 4.5,
    "competitors": 1.2,
    "consultants": 2.0,
    "research_institutes": 1.2,
    "universities": 1.6,
    "business_group": 2.2,
    "other": 0.8,
}

# Ours: years from founding to the first foreign venture.
YEARS_MEAN: Final = 10.0
YEARS_SD: Final = 2.4
YEARS_LEAST: Final = 0.1  # a bound that the shipped sample does not meet

# Reported: .046 in the sample, where chi-square is a little above its large-sample expectation.
MEASUREMENT_RMSEA: Final = 0.045
MEASUREMENT_DF: Final = 271
_MINOR_FACTORS: Final = 50
_MINOR_FACTOR_SEED: Final = 1992


def loading_matrix() -> FloatArray:
    """Loadings of the 26 standardised items on the eight constructs, zeros elsewhere.

    Returns
    -------
    ndarray, shape (26, 8)
        Rows in the order of ``ITEMS``, columns in the order of ``CONSTRUCTS``.
    """
    return np.array(
        [
            [loading if construct == column else 0.0 for column in CONSTRUCTS]
            for construct, loading, *_ in ITEMS.values()
        ]
    )


def construct_correlation() -> FloatArray:
    """Correlations of the eight constructs implied by ``TRUE``, without moderation.

    Each construct is a weighted sum of uncorrelated unit-variance sources: AMC, its standardised
    square and one disturbance each; the correlations are the inner products of the weights.

    Returns
    -------
    ndarray, shape (8, 8)
        In the order of ``CONSTRUCTS``, ones on the diagonal.
    """
    weights = {}
    disturbances = dict(zip(CONSTRUCTS, np.eye(len(CONSTRUCTS)), strict=True))

    def source(amc: float, square: float, variance: float, construct: str) -> FloatArray:
        return np.r_[amc, square, np.sqrt(variance) * disturbances[construct]]

    for dimension, loading in SECOND_ORDER.items():
        weights[dimension] = source(loading, 0.0, 1 - loading**2, dimension)
    for outcome, square in _STANDARDISED_SQUARE.items():
        variance = TRUE[f"{outcome}~~{outcome}"]
        weights[outcome] = source(TRUE[f"{outcome}~AMC"], square, variance, outcome)
    weights["SUCC"] = _SUCC_INC * weights["INC"] + source(
        _SUCC_AMC, 0.0, TRUE["SUCC~~SUCC"], "SUCC"
    )
    matrix = np.array([weights[construct] for construct in CONSTRUCTS])
    return matrix @ matrix.T


def minor_factor_covariance(*, rmsea: float = MEASUREMENT_RMSEA) -> FloatArray:
    """Small covariances among the items' residuals, as left by many minor factors.

    An exactly true model would fit better than any model of real data does. The covariances come
    from 50 minor factors of decreasing weight [1]_. The part of them that the measurement model
    could take up is then projected out [2]_: in the population its maximum likelihood estimates
    stay at the true values, and it misses by exactly the RMSEA asked for.

    Parameters
    ----------
    rmsea : float
        Population RMSEA of the eight-factor model, positive.

    Returns
    -------
    ndarray, shape (26, 26)
        Symmetric, in the metric of standardised items; to be added to the residual variances.

    References
    ----------
    .. [1] Tucker, Koopman & Linn (1969), Psychometrika 34, 421-459. doi:10.1007/BF02290601
    .. [2] Cudeck & Browne (1992), Psychometrika 57, 357-369. doi:10.1007/BF02295424
    """
    loadings, correlation = loading_matrix(), construct_correlation()
    residual = 1 - np.square(loadings).sum(axis=1)
    sigma = loadings @ correlation @ loadings.T + np.diag(residual)
    whiten = np.linalg.inv(np.linalg.cholesky(sigma))

    size = (len(ITEMS), _MINOR_FACTORS)
    minor = np.random.default_rng(_MINOR_FACTOR_SEED).standard_normal(size)
    minor *= 0.9 ** np.arange(_MINOR_FACTORS)
    minor *= np.sqrt(residual / np.square(minor).sum(axis=1))[:, None]
    misfit = minor @ minor.T - np.diag(residual)

    white = whiten @ misfit @ whiten.T
    tangent = np.array(
        [(whiten @ d @ whiten.T).ravel() for d in _measurement_derivatives(loadings, correlation)]
    ).T
    inside, *_ = np.linalg.lstsq(tangent, white.ravel(), rcond=None)
    white -= (tangent @ inside).reshape(white.shape)
    scale = _scale_to_discrepancy(np.linalg.eigvalsh(white), MEASUREMENT_DF * rmsea**2)
    unwhiten = np.linalg.inv(whiten)
    return scale * (unwhiten @ white @ unwhiten.T)


def _measurement_derivatives(loadings: FloatArray, correlation: FloatArray) -> list[FloatArray]:
    """Derivatives of the items' covariance by every parameter of the measurement model."""
    items, constructs = loadings.shape
    unit_items, unit_constructs = np.eye(items), np.eye(constructs)

    def symmetric(left: FloatArray, right: FloatArray) -> FloatArray:
        return np.outer(left, right) + np.outer(right, left)

    by_residual = [np.outer(unit, unit) for unit in unit_items]
    by_loading = [
        symmetric(unit_items[i], loadings @ correlation @ unit_constructs[j])
        for i, j in np.argwhere(loadings)
    ]
    by_correlation = [
        symmetric(loadings[:, i], loadings[:, j])
        for i, j in zip(*np.triu_indices(constructs, 1), strict=True)
    ]
    return by_residual + by_loading + by_correlation


def _scale_to_discrepancy(eigenvalues: FloatArray, discrepancy: float) -> float:
    """Multiple of the whitened misfit at which the maximum likelihood discrepancy is as asked."""
    low, high = 0.0, 0.999 / -eigenvalues.min()  # above it the covariance is not positive definite

    def reached(scale: float) -> float:
        return float(np.sum(scale * eigenvalues - np.log1p(scale * eigenvalues)))

    if reached(high) < discrepancy:
        raise ValueError(
            f"a discrepancy of {discrepancy:.3f} leaves no positive definite covariance; "
            f"the largest possible here is {reached(high):.3f}: ask for a smaller rmsea"
        )
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if reached(middle) < discrepancy else (low, middle)
    return low


def partner_counts(n: int) -> npt.NDArray[np.int64]:
    """Number of partner types of each firm, ordered; the shares are met as closely as n allows.

    Parameters
    ----------
    n : int
        Number of firms.

    Returns
    -------
    ndarray of int, shape (n,)
        Values 1 to 8, ascending.
    """
    bounds = np.rint(np.cumsum(PARTNER_COUNT_SHARE) * n).astype(np.int64)
    return np.repeat(np.arange(1, 9), np.diff(bounds, prepend=0))


def paths_at(apd: FloatArray) -> dict[str, FloatArray]:
    """True linear paths of firms with a given alliance portfolio diversity, under moderation.

    The paths are linear in diversity; averaged over the low and over the high firms they equal
    ``TRUE_BY_DIVERSITY``.

    Parameters
    ----------
    apd : ndarray, shape (n,)
        Alliance portfolio diversity, ``(k / 8)**2``.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        ``"RAD~AMC"`` and ``"INC~AMC"``.
    """
    levels, share = (np.arange(1, 9) / 8) ** 2, np.array(PARTNER_COUNT_SHARE)
    is_low = np.cumsum(share) < 0.6
    mean_low = np.average(levels[is_low], weights=share[is_low])
    mean_high = np.average(levels[~is_low], weights=share[~is_low])
    position = (apd - mean_low) / (mean_high - mean_low)
    low, high = TRUE_BY_DIVERSITY["low"], TRUE_BY_DIVERSITY["high"]
    return {path: low[path] + (high[path] - low[path]) * position for path in low}


def draw_partners(counts: npt.NDArray[np.int64], rng: np.random.Generator) -> pd.DataFrame:
    """Which partner types each firm uses: as many as counted, the popular ones more often.

    Parameters
    ----------
    counts : ndarray of int, shape (n,)
        Number of partner types of each firm, 1 to 8.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    DataFrame, n rows
        One 0/1 column for each partner type.
    """
    appeal = np.log(list(PARTNER_POPULARITY.values()))
    appeal = appeal + rng.gumbel(size=(len(counts), len(appeal)))
    rank = np.argsort(np.argsort(-appeal, axis=1), axis=1)
    used = (rank < counts[:, None]).astype(np.int64)
    return pd.DataFrame(used, columns=list(PARTNER_POPULARITY))


def draw_constructs(
    apd: FloatArray, rng: np.random.Generator, *, moderation: bool = True
) -> pd.DataFrame:
    """Latent scores of the firms: AMC, the eight constructs and standardised speed.

    Parameters
    ----------
    apd : ndarray, shape (n,)
        Alliance portfolio diversity; used under moderation only.
    rng : numpy.random.Generator
        Source of randomness.
    moderation : bool
        Whether the paths from AMC depend on diversity (``paths_at``) or are those of ``TRUE``.

    Returns
    -------
    DataFrame, n rows
        Columns ``AMC``, those of ``CONSTRUCTS``, ``speed`` (standard deviation 1).
    """
    noise = pd.DataFrame(
        rng.standard_normal((len(apd), 2 + len(CONSTRUCTS))), columns=["AMC", *CONSTRUCTS, "speed"]
    )
    amc = noise["AMC"]
    same_for_all = {name: np.full(len(apd), TRUE[name]) for name in TRUE_BY_DIVERSITY["low"]}
    path = paths_at(apd) if moderation else same_for_all

    scores = {"AMC": amc}
    for dimension, loading in SECOND_ORDER.items():
        scores[dimension] = loading * amc + np.sqrt(1 - loading**2) * noise[dimension]
    disturbance = {
        outcome: np.sqrt(TRUE[f"{outcome}~~{outcome}"]) * noise[outcome]
        for outcome in ("RAD", "INC", "SUCC", "speed")
    }
    for outcome in ("RAD", "INC"):
        square = TRUE[f"{outcome}~AMC:AMC"] * (amc**2 - 1)
        scores[outcome] = path[f"{outcome}~AMC"] * amc + square + disturbance[outcome]
    scores["SUCC"] = TRUE["SUCC~INC"] * scores["INC"] + TRUE["SUCC~AMC"] * amc + disturbance["SUCC"]
    scores["speed"] = (
        TRUE["speed~RAD"] * scores["RAD"] + TRUE["speed~AMC"] * amc + disturbance["speed"]
    )
    return pd.DataFrame(scores)


def draw_items(
    constructs: pd.DataFrame, rng: np.random.Generator, *, misfit: bool = True
) -> pd.DataFrame:
    """Answers to the 26 items, continuous and unbounded around the middle of a 7-point scale.

    Parameters
    ----------
    constructs : DataFrame
        Latent scores, with the columns of ``CONSTRUCTS``.
    rng : numpy.random.Generator
        Source of randomness.
    misfit : bool
        Whether the residuals share minor factors (``minor_factor_covariance``).

    Returns
    -------
    DataFrame, n rows
        Columns in the order of ``ITEMS``, three decimals.
    """
    loadings = loading_matrix()
    covariance = np.diag(1 - np.square(loadings).sum(axis=1))
    if misfit:
        covariance = covariance + minor_factor_covariance()
    noise = rng.standard_normal((len(constructs), len(ITEMS)))
    standardised = (
        constructs[list(CONSTRUCTS)].to_numpy() @ loadings.T
        + noise @ np.linalg.cholesky(covariance).T
    )
    mean = np.array([mean for _, _, mean, _ in ITEMS.values()])
    sd = np.array([sd for *_, sd in ITEMS.values()])
    return pd.DataFrame(np.round(mean + sd * standardised, 3), columns=list(ITEMS))


def simulate(
    n: int = 278, *, seed: int, moderation: bool = True, misfit: bool = True
) -> pd.DataFrame:
    """Draw a sample of firms.

    The switches change nothing but what they name: the random numbers stay the same.

    Parameters
    ----------
    n : int
        Number of firms, at least 40 (so that every number of partner types occurs).
    seed : int
        Seed of the random numbers.
    moderation : bool
        Whether the paths from AMC depend on diversity, as ``TRUE_BY_DIVERSITY`` and ``paths_at``
        say; otherwise they are those of ``TRUE`` for every firm.
    misfit : bool
        Whether the residuals of the items share many small minor factors.

    Returns
    -------
    DataFrame, n rows
        The 26 items; ``years`` to the first foreign venture and ``speed = -years``; the eight
        partner types (0/1), their number ``k``, ``apd = (k / 8)**2`` and ``diversity``: ``high``
        above the median of ``apd``, ``low`` at or below it.

    Raises
    ------
    ValueError
        If ``n`` is below 40.
    """
    if n < 40:
        raise ValueError(f"n = {n} leaves some numbers of partner types without a firm; n >= 40")
    rng = np.random.default_rng(seed)
    counts = rng.permutation(partner_counts(n))
    apd = (counts / 8) ** 2
    partners = draw_partners(counts, rng)
    constructs = draw_constructs(apd, rng, moderation=moderation)
    years = np.maximum(YEARS_MEAN - YEARS_SD * constructs["speed"].to_numpy(), YEARS_LEAST)
    years = np.round(years, 2)
    return draw_items(constructs, rng, misfit=misfit).assign(
        years=years,
        speed=-years,
        **partners,
        k=counts,
        apd=apd,
        diversity=np.where(apd > np.median(apd), "high", "low"),
    )


def csv_text(frame: pd.DataFrame) -> str:
    r"""Text of the CSV file: one line a firm, ``\n`` line ends on every system."""
    return frame.to_csv(index=False, lineterminator="\n")


if __name__ == "__main__":
    CSV.write_bytes(csv_text(simulate(seed=SEED)).encode())
    print(f"{CSV.name}: written")
