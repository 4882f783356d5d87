"""Lind and Mehlum's test of a (inverted) U shape for an observed predictor.

The companion, in frequentist terms, of the posterior probability of a shape: a U or inverted U
within an interval needs slopes of opposite signs at its two ends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student_t


@dataclass(frozen=True)
class UTest:
    """The test of a quadratic b1 x + b2 x^2 on an interval.

    Attributes
    ----------
    shape : str
        "inverse U" where b2 < 0, else "U".
    interval : tuple of float
        The ends.
    slopes, t, p : tuple of float
        Slope at each end, its t and one-sided p (of the sign that the shape needs).
    overall_p : float
        The larger of the two.
    turning_point, turning_point_se : float
        -b1 / (2 b2) and its standard error by the delta method.
    """

    shape: str
    interval: tuple[float, float]
    slopes: tuple[float, float]
    t: tuple[float, float]
    p: tuple[float, float]
    overall_p: float
    turning_point: float
    turning_point_se: float


def lind_mehlum(
    coefficients: tuple[float, float],
    covariance: np.ndarray,
    *,
    interval: tuple[float, float],
    df: float,
) -> UTest:
    """Test for a U or inverted U: Lind & Mehlum (2010), doi:10.1111/j.1468-0084.2009.00569.x.

    Parameters
    ----------
    coefficients : (float, float)
        b1 and b2 of b1 x + b2 x^2.
    covariance : ndarray (2, 2)
        Of the two coefficients.
    interval : (float, float)
        Where the shape is claimed, usually the range of x.
    df : float
        Degrees of freedom of the t distribution.
    """
    b1, b2 = coefficients
    inverse = b2 < 0
    slopes, ts, ps = [], [], []
    for end, x in enumerate(interval):
        weights = np.array([1.0, 2.0 * x])
        slope = b1 + 2.0 * b2 * x
        value = slope / math.sqrt(float(weights @ covariance @ weights))
        rises = (end == 0) == inverse  # the sign that the shape needs at this end
        slopes.append(slope)
        ts.append(value)
        ps.append(float(student_t.sf(value, df) if rises else student_t.cdf(value, df)))
    gradient = np.array([-1.0 / (2.0 * b2), b1 / (2.0 * b2**2)])
    return UTest(
        "inverse U" if inverse else "U",
        interval,
        (slopes[0], slopes[1]),
        (ts[0], ts[1]),
        (ps[0], ps[1]),
        max(ps),
        -b1 / (2.0 * b2),
        math.sqrt(float(gradient @ covariance @ gradient)),
    )


def fieller_interval(
    coefficients: tuple[float, float], covariance: np.ndarray, *, df: float, level: float = 0.95
) -> tuple[float, float]:
    """Confidence interval of the turning point -b1 / (2 b2): Fieller (1954).

    Doi:10.1111/j.2517-6161.1954.tb00159.x. The points x whose slope b1 + 2 b2 x does not
    differ from 0 at this level; (-inf, inf) where b2 itself does not.
    """
    b1, b2 = coefficients
    limit = float(student_t.ppf(0.5 + level / 2.0, df)) ** 2
    # (b1 + 2 b2 x)^2 <= limit Var(b1 + 2 b2 x), a quadratic inequality in x
    a = 4.0 * (b2**2 - limit * covariance[1, 1])
    b = 4.0 * (b1 * b2 - limit * covariance[0, 1])
    c = b1**2 - limit * covariance[0, 0]
    discriminant = b * b - 4.0 * a * c
    if a <= 0 or discriminant < 0:
        return -math.inf, math.inf
    root = math.sqrt(discriminant)
    return (-b - root) / (2.0 * a), (-b + root) / (2.0 * a)
