"""Intercepts in the coordinates in which they are sampled: those at the covariates' means.

The mean of an item of a construct that depends on a covariate x is nu + loading * path * E x. The
data know it well, while nu is the item's mean where x is 0, perhaps far outside the data: loading,
path and nu lie on a bent ridge that no linear change of coordinates straightens. The sampler's
coordinate of such an intercept is nu + the sum of these terms; the model and its priors stay what
they are, and the change has Jacobian 1.
"""

from dataclasses import dataclass

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.posterior.transforms import transform

FACTORS = 3


@dataclass(frozen=True)
class Shift:
    """One term of an intercept at the covariates' means.

    target : coordinate of the intercept;  factors : up to three coordinates whose natural values
    are multiplied;  by : and the number they are multiplied by.
    """

    target: int
    factors: tuple[int, ...]
    by: float

    @property
    def packed(self) -> tuple[int, ...]:
        """Target and factors, -1 for those that are not there."""
        return (self.target, *self.factors, *([-1] * (FACTORS - len(self.factors))))


@compiled
def _factors(layout, x, t, value, slope):
    """Natural values and their derivatives of the factors of term t (1 and 0 for none)."""
    for s in range(value.size):
        k = layout.shift_at[(value.size + 1) * t + 1 + s]
        value[s], slope[s] = 1.0, 0.0
        if k >= 0:
            value[s], slope[s], _, _ = transform(
                layout.transform[k], x[k], layout.lower[k], layout.upper[k]
            )


@compiled
def to_intercepts(layout, x):
    """Turn intercepts at the covariates' means into intercepts, in place."""
    value, slope = np.empty(3), np.empty(3)
    for t in range(layout.shift_by.size):
        _factors(layout, x, t, value, slope)
        x[layout.shift_at[4 * t]] -= layout.shift_by[t] * value[0] * value[1] * value[2]


@compiled
def pull_intercepts(layout, x, d_x):
    """Adjoint of `to_intercepts` at its result x (whose factors it leaves as they are)."""
    value, slope = np.empty(3), np.empty(3)
    for t in range(layout.shift_by.size):
        _factors(layout, x, t, value, slope)
        d = -layout.shift_by[t] * d_x[layout.shift_at[4 * t]]
        for s in range(3):
            k = layout.shift_at[4 * t + 1 + s]
            if k >= 0:
                d_x[k] += d * slope[s] * value[(s + 1) % 3] * value[(s + 2) % 3]
