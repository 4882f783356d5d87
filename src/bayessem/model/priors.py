"""Priors: how to write them, and the default for each kind of parameter, scaled to the data.

The families and their argument names are PyMC's. A prior is text, `"normal(0, 0.5)"`, or an object,
`Prior("normal", mu=0, sigma=0.5)`; a name or argument that does not exist is an error.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass

from bayessem.arguments import check_shared, real_number, shown
from bayessem.errors import PriorError

# family: (PyMC's class, its arguments in order, support)
REAL, POSITIVE, UNIT = (-math.inf, math.inf), (0.0, math.inf), (0.0, 1.0)
FAMILIES: dict[str, tuple[str, tuple[str, ...], tuple[float, float]]] = {
    "normal": ("Normal", ("mu", "sigma"), REAL),
    "half_normal": ("HalfNormal", ("sigma",), POSITIVE),
    "student_t": ("StudentT", ("nu", "mu", "sigma"), REAL),
    "half_student_t": ("HalfStudentT", ("nu", "sigma"), POSITIVE),
    "cauchy": ("Cauchy", ("alpha", "beta"), REAL),
    "half_cauchy": ("HalfCauchy", ("beta",), POSITIVE),
    "gamma": ("Gamma", ("alpha", "beta"), POSITIVE),
    "inverse_gamma": ("InverseGamma", ("alpha", "beta"), POSITIVE),
    "exponential": ("Exponential", ("lam",), POSITIVE),
    "log_normal": ("LogNormal", ("mu", "sigma"), POSITIVE),
    "beta": ("Beta", ("alpha", "beta"), UNIT),
    "uniform": ("Uniform", ("lower", "upper"), REAL),
    "lkj": ("LKJCorr", ("eta",), (-1.0, 1.0)),
    "induced_dirichlet": ("Dirichlet", ("alpha",), REAL),
    "direction": ("MvStudentT", (), REAL),
    "flat": ("Flat", (), REAL),
}
ALIASES = {
    "halfnormal": "half_normal",
    "studentt": "student_t",
    "halfstudentt": "half_student_t",
    "halfcauchy": "half_cauchy",
    "inversegamma": "inverse_gamma",
    "inv_gamma": "inverse_gamma",
    "lognormal": "log_normal",
    "lkj_corr": "lkj",
    "lkjcorr": "lkj",
}
SCALES = {"sigma", "beta", "nu", "alpha", "lam", "eta"}
LOCATIONS = {("cauchy", "alpha")}  # an `alpha` that may be negative
LEVEL_WIDTH = 2.5  # of the default priors of intercepts and means, in standard deviations

KINDS = (
    "loading",
    "weight",
    "path",
    "product",
    "intercept",
    "mean",
    "threshold",
    "residual_sd",
    "disturbance_sd",
    "covariance",
    "correlation",
    "tail",
    "inflation",
    "pool_mean",
    "pool_sd",
    "pool_slope",
    "pool_link",
    "pool_z",
)


@dataclass(frozen=True)
class Prior:
    """A prior distribution, by PyMC's name and arguments.

    Parameters
    ----------
    family : str
        One of `FAMILIES`: "normal", "half_normal", "student_t", "gamma", ...
    mu, sigma, nu, alpha, beta, lam, eta, lower, upper : float
        PyMC's arguments of that distribution: all of its own, and no others.

    Raises
    ------
    PriorError
        For an unknown family, an argument that it has not, or one that is absent or impossible.

    Examples
    --------
    >>> Prior("normal", mu=0, sigma=0.5)
    Prior('normal(mu=0, sigma=0.5)')
    """

    family: str
    arguments: tuple[float, ...]

    @check_shared
    def __init__(
        self,
        family: str,
        *,
        mu: float | None = None,
        sigma: float | None = None,
        nu: float | None = None,
        alpha: float | None = None,
        beta: float | None = None,
        lam: float | None = None,
        eta: float | None = None,
        lower: float | None = None,
        upper: float | None = None,
    ) -> None:
        family = _family(family)
        expected = FAMILIES[family][1]
        given = {"mu": mu, "sigma": sigma, "nu": nu, "alpha": alpha, "beta": beta}
        given |= {"lam": lam, "eta": eta, "lower": lower, "upper": upper}
        arguments = {name: value for name, value in given.items() if value is not None}
        _check_names(family, arguments)
        values = tuple(
            real_number(f"{family}: {name}", arguments[name], PriorError) for name in expected
        )
        for name, value in zip(expected, values, strict=True):
            if name in SCALES and (family, name) not in LOCATIONS and value <= 0:
                raise PriorError(f"{family}: {name} must be positive, not {value:g}")
        if family == "uniform" and values[0] >= values[1]:
            raise PriorError(f"uniform: lower {values[0]:g} is not below upper {values[1]:g}")
        object.__setattr__(self, "family", family)
        object.__setattr__(self, "arguments", values)

    @property
    def named(self) -> dict[str, float]:
        """Arguments by name."""
        return dict(zip(FAMILIES[self.family][1], self.arguments, strict=True))

    @property
    def support(self) -> tuple[float, float]:
        """Where the density is positive."""
        if self.family == "uniform":
            return self.arguments[0], self.arguments[1]
        return FAMILIES[self.family][2]

    @property
    def text(self) -> str:
        """What `parse_prior` reads back as the same prior, to the last digit."""
        inside = ", ".join(f"{k}={v!r}" for k, v in self.named.items())
        return f"{self.family}({inside})"

    def __str__(self) -> str:
        inside = ", ".join(f"{k}={v:.4g}" for k, v in self.named.items())
        return f"{self.family}({inside})"

    def __repr__(self) -> str:
        return f"Prior({str(self)!r})"


def _check_names(family: str, given: Collection[str]) -> None:
    """Refuse arguments that a family does not have, and a family without all of its own."""
    expected = FAMILIES[family][1]
    wrong = [name for name in given if name not in expected]
    absent = [name for name in expected if name not in given]
    if wrong or absent:
        trouble = f"has no argument {wrong[0]!r}" if wrong else f"needs {absent[0]!r}"
        raise PriorError(f"{family} {trouble}; its arguments: {', '.join(expected) or 'none'}")


def _family(name: str) -> str:
    if not isinstance(name, str):
        raise PriorError(f"the family of a prior is a text such as 'normal', not {shown(name)}")
    key = name.strip().lower()
    key = ALIASES.get(key, key)
    if key not in FAMILIES:
        raise PriorError(f"no prior family {name!r}; families: {', '.join(FAMILIES)}")
    return key


_CALL = re.compile(r"^\s*([A-Za-z_]\w*)\s*\(([^()]*)\)\s*(\[\s*(\w+)\s*\])?\s*$")


def parse_prior(text: str | Prior, *, where: str = "") -> Prior:
    """Read a prior such as "normal(0, 0.5)" or "gamma(alpha=1, beta=0.5)".

    A trailing "[sd]", as blavaan writes it for standard deviations, is allowed: sd is what
    bayessem's priors of variances are about.

    Raises
    ------
    PriorError
        With the text, what is wrong and what would work.
    """
    if isinstance(text, Prior):
        return text
    prefix = f"prior of {where}: " if where else ""
    if isinstance(text, str) and text.strip().lower() in (
        k for k, v in FAMILIES.items() if not v[1]
    ):
        return Prior(text.strip().lower())  # "flat" has no arguments to write
    match = _CALL.match(text) if isinstance(text, str) else None
    if match is None:
        raise PriorError(f"{prefix}cannot read {text!r}; write it like normal(0, 0.5)")
    if match[4] not in (None, "sd"):
        raise PriorError(
            f"{prefix}[{match[4]}] is not supported: priors of variances are about the standard "
            "deviation"
        )
    try:
        family = _family(match[1])
        names = FAMILIES[family][1]
        arguments: dict[str, float] = {}
        parts = [p.strip() for p in match[2].split(",")] if match[2].strip() else []
        for position, part in enumerate(parts):
            name, _, value = part.rpartition("=")
            name = name.strip()
            if not name:
                if position >= len(names):
                    raise PriorError(
                        f"{family} takes {len(names)} arguments ({', '.join(names)}), not "
                        f"{len(parts)}"
                    )
                name = names[position]
            if name in arguments:
                raise PriorError(f"{family}: {name} is given twice")
            try:
                arguments[name] = float(value)
            except ValueError:
                raise PriorError(f"{family}: {value.strip()!r} is not a number") from None
        _check_names(family, arguments)
        return Prior(family, **arguments)
    except PriorError as error:
        raise PriorError(f"{prefix}{error}") from None


def default_prior(kind: str, *, scale: float) -> Prior:
    """The weakly informative default of a kind of parameter.

    scale is the ratio of standard deviations that makes the parameter a standardised one (outcome
    over predictor for a path, the variable's own for an sd or intercept). A standardised loading,
    path or coefficient of a product is then N(0, 1): of the order of one, and no more said. A
    residual sd gets a half-normal of 0.6 of the indicator's sd, which it cannot exceed; that of a
    latent variable 0.75 of its scale. Correlations are uniform over the positive definite
    matrices, LKJ(1). The thresholds of an ordered variable get the prior under which the
    proportions of its categories are uniform over all proportions. The degrees of freedom of heavy
    tails get gamma(2, 0.1), with a mean of 20, cut off at 2 (below which there is no variance) and
    those of one variable at 1; probabilities of shares that are 0 or 1 are uniform.
    With 75 to 300 respondents the posterior means of the reference cases then lie within a quarter
    to half a standard error of maximum likelihood (tests/test_fit.py).
    """
    if kind in ("loading", "path", "covariance", "product"):
        return Prior("normal", mu=0.0, sigma=scale)
    if kind in ("intercept", "mean"):
        return Prior("normal", mu=0.0, sigma=LEVEL_WIDTH * scale)
    if kind == "residual_sd":
        return Prior("half_normal", sigma=0.6 * scale)
    if kind == "disturbance_sd":
        return Prior("half_normal", sigma=0.75 * scale)
    if kind == "correlation":
        return Prior("lkj", eta=1)
    if kind == "threshold":
        return Prior("induced_dirichlet", alpha=1)
    if kind == "weight":
        return Prior("direction")
    if kind == "tail":  # Juarez & Steel (2010), doi:10.1198/jbes.2009.07145
        return Prior("gamma", alpha=2, beta=0.1)
    if kind == "inflation":
        return Prior("beta", alpha=1, beta=1)
    raise PriorError(f"no kind of parameter {kind!r}; kinds: {', '.join(KINDS)}")
