"""Counts, durations, limited outcomes and shares on the node engine, against integrals.

The integrals know nothing of nodes; densities are SciPy's distributions.
"""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit, ndtr
from scipy.stats import norm

from bayessem.likelihood.engines import ENGINES
from bayessem.likelihood.families import FAMILIES
from bayessem.likelihood.node_entry import entry
from bayessem.likelihood.node_plan import Nodes, pack_nodes
from bayessem.model.node_model import node_model
from bayessem.model.prepare import Prepared, prepare
from bayessem.model.structure import latent_values
from bayessem.posterior.node_choice import choose_nodes, latent_units
from bayessem.syntax.responses import OTHERS
from bayessem.syntax.specification import Specification

N = 22


def _data() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    f = rng.normal(size=N)
    g = 0.5 * f + rng.normal(size=N)
    out = pd.DataFrame({"z": rng.normal(size=N), "years": rng.uniform(0.5, 4.0, size=N)})
    for j in range(3):
        out[f"a{j + 1}"] = f + 0.7 * rng.normal(size=N)
        out[f"b{j + 1}"] = np.searchsorted([-0.7, 0.6], g + rng.normal(size=N)) + 1
    out["count"] = rng.poisson(out["years"] * np.exp(0.4 + 0.5 * f))
    out["many"] = rng.poisson(np.exp(1.2 + 0.3 * f) * rng.gamma(2.0, 0.5, size=N))
    time = np.exp(0.3 + 0.5 * g + 0.4 * rng.normal(size=N))
    stop = rng.uniform(0.5, 4.0, size=N)
    out["time"] = np.minimum(time, stop)
    out["flag"] = (time > stop).astype(int)
    out.loc[2, "flag"] = -1
    out["from"], out["to"] = np.floor(time), np.floor(time) + 1.0
    out.loc[3, "to"] = np.nan
    out.loc[4, ["from", "to"]] = time[4]
    out.loc[5, "from"] = np.nan
    out["limited"] = np.clip(0.2 + 0.5 * f + rng.normal(size=N), -0.5, 1.0)
    out["share"] = np.clip(expit(0.2 + 0.6 * f + 0.5 * rng.normal(size=N)), 0.02, 0.98)
    out["g"] = np.where(np.arange(N) % 2, "u", "v")
    return out


DATA = _data()
FREE = ["z", "years", "flag", "g"]
HOLES = DATA.mask((np.arange(N)[:, None] + np.arange(DATA.shape[1])) % 9 == 0)
HOLES[FREE] = DATA[FREE]

MODELS: dict[str, tuple[str, pd.DataFrame, dict]] = {
    "counts of years, with a square": (
        "A =~ a1 + a2 + a3\ncount ~ A + A:A + z",
        HOLES,
        {"family": {"count": "poisson"}, "exposure": {"count": "years"}},
    ),
    "count indicators beside numbers": (
        "A =~ a1 + a2 + count + many",
        HOLES,
        {
            "family": {"count": "poisson", "many": "negative_binomial"},
            "exposure": {"count": "years"},
        },
    ),
    "two constructs and their product, mixed": (
        "A =~ a1 + a2\nB =~ b1 + b2 + b3\nB ~ A\nmany ~ A + B + A:B",
        DATA,
        {"family": {"many": "negative_binomial"}, "ordered": ["b1", "b2", "b3"]},
    ),
    "log-normal duration, flagged": (
        "A =~ a1 + a2 + a3\ntime ~ A + z",
        HOLES,
        {"family": {"time": "lognormal"}, "censored": {"time": "flag"}},
    ),
    "Weibull duration, flagged": (
        "A =~ a1 + a2 + a3\ntime ~ A + A:A",
        HOLES,
        {"family": {"time": "weibull"}, "censored": {"time": "flag"}},
    ),
    "durations in intervals": (
        "A =~ a1 + a2 + a3\nspeed ~ A\ntime ~ A",
        HOLES,
        {
            "family": {"speed": "weibull", "time": "lognormal"},
            "censored": {"speed": ("from", "to"), "time": (None, 2.0)},
        },
    ),
    "log-normal duration in intervals": (
        "A =~ a1 + a2 + a3\nspeed ~ A",
        HOLES,
        {"family": {"speed": "lognormal"}, "censored": {"speed": ("from", "to")}},
    ),
    "tobit and share": (
        "A =~ a1 + a2 + limited + share",
        HOLES,
        {"family": {"limited": "tobit", "share": "beta"}, "censored": {"limited": (-0.5, 1.0)}},
    ),
    "no construct at all": (
        "many ~ z\nshare ~ z",
        HOLES,
        {"family": {"many": "negative_binomial", "share": "beta"}},
    ),
}


def _elements(prepared: Prepared) -> np.ndarray:
    """Plausible flat model matrices: nothing is 0 or alike."""
    generator = np.random.default_rng(3)
    structure, out = prepared.structure, prepared.space.base.copy()
    drawn: dict[int, float] = {}
    for k, place in structure.places.items():
        row = structure.table.rows[k]
        if row.free < 0:
            continue
        if row.op == "|":
            value = structure.table.responses.cuts[row.lhs][int(row.rhs[1:]) - 1]
        elif row.op == "~~" and row.lhs == row.rhs:
            value = generator.uniform(0.4, 1.0)
        elif row.op == "=~":
            value = generator.uniform(0.5, 1.0)
        else:
            value = generator.uniform(-0.4, 0.4)
        value = drawn.setdefault(row.free, value)
        for e in structure.element(place):
            out[e] = value
    return out


def _prepared(case: str) -> Prepared:
    model, data, options = MODELS[case]
    return prepare(Specification(model, **options), data)


def _plan(prepared: Prepared, elements: np.ndarray) -> tuple:
    """A packed plan with finer lattices than the default's, and more nodes either side."""
    model = node_model(prepared.structure, prepared.sample)
    more = 12 if model.latents else 0
    nodes = [
        [Nodes(n.first - more * n.step, n.step, n.count + 2 * more) for n in own]
        for own in choose_nodes(model, prepared.sample, elements, finer=1.6)
    ]
    units = latent_units(model, elements[None])
    return pack_nodes(model.groups(nodes, elements[None], units), prepared.sample.size)


def _evaluate(elements: np.ndarray, plan: tuple, out: np.ndarray) -> tuple[float, np.ndarray]:
    gradient = np.zeros_like(elements)
    sized = [x for a in (elements, *plan) for x in (a.ctypes.data, a.size)]
    value = ENGINES.prototype(entry.address)(
        *sized, gradient.ctypes.data, out.ctypes.data, out.size
    )
    return value, gradient


def _log_answer(prepared: Prepared, i: int, name: str, eta: np.ndarray, v: float) -> np.ndarray:
    """Log-density of an answer at linear predictors, by SciPy's distributions and the raw data."""
    responses = prepared.table.responses
    row = DATA.loc[prepared.sample.rows[i]]
    y, sd = row.get(name, np.nan), np.sqrt(v)
    match responses.others[name]:
        case "poisson":
            return stats.poisson.logpmf(y, row[responses.exposure[name]] * np.exp(eta))
        case "negative_binomial":
            mean = np.exp(eta)
            return stats.nbinom.logpmf(y, 1.0 / v, 1.0 / (1.0 + v * mean))
        case "beta":
            m = expit(eta)
            return stats.beta.logpdf(y, m / v, (1.0 - m) / v)
        case "tobit":
            if y <= -0.5:
                return norm.logcdf(-0.5, eta, sd)
            return norm.logsf(1.0, eta, sd) if y >= 1.0 else norm.logpdf(y, eta, sd)
        case "lognormal":
            law = stats.lognorm(sd, scale=np.exp(eta))
        case "weibull":
            law = stats.weibull_min(np.pi / np.sqrt(6.0 * v), scale=np.exp(eta))
    how = responses.censored[name]
    if how == "flag":
        return {0: law.logpdf, 1: law.logsf, -1: law.logcdf}[int(row["flag"])](y)
    if how == (None, 2.0):
        return law.logsf(2.0) if y >= 2.0 else law.logpdf(y)
    row = HOLES.loc[prepared.sample.rows[i]]
    start, end = row["from"], row["to"]
    if start == end:
        return law.logpdf(start)
    if np.isnan(end):
        return law.logsf(start)
    return np.log(law.cdf(end) - (0.0 if np.isnan(start) else law.cdf(start)))


def _brute_force(prepared: Prepared, elements: np.ndarray) -> np.ndarray:
    """Log p(y_i), integrated over the constructs' disturbances on a fine lattice."""
    structure, sample, table = prepared.structure, prepared.sample, prepared.table
    latents = [i for i, n in enumerate(structure.variables) if n not in structure.observed]
    grid = np.linspace(-7.5, 7.5, 301 if len(latents) == 1 else 151)
    zeta = np.array(list(itertools.product(grid, repeat=len(latents)))).reshape(-1, len(latents))
    weight = norm.logpdf(zeta).sum(axis=1) + len(latents) * np.log(grid[1] - grid[0])
    out = np.empty(sample.size)
    for i in range(sample.size):
        m = structure.matrices(elements, int(sample.group[i]))
        psi = m["disturbances"][np.ix_(latents, latents)]
        own = np.tile(m["means"], (len(zeta), 1))
        own[:, latents] += zeta @ np.linalg.cholesky(psi).T if latents else 0.0
        for name in table.exogenous:
            own[:, structure.variables.index(name)] = sample.values[i, sample.variables.index(name)]
        eta = latent_values(structure, m, own)
        mean = m["intercepts"] + eta @ m["loadings"].T
        log_p = weight.copy()
        for j, name in enumerate(structure.observed):
            answer = sample.values[i, j]
            if name in table.exogenous or np.isnan(answer):
                continue
            v = m["residuals"][j, j]
            if name in structure.variables:
                k = structure.variables.index(name)
                v = m["disturbances"][k, k]
            if name in table.responses.others:
                log_p += _log_answer(prepared, i, name, mean[:, j], v)
            elif name in table.ordered:
                at = structure.threshold_at[name]
                count = table.responses.thresholds[name]
                cut = np.concatenate([[-np.inf], m["thresholds"][at : at + count], [np.inf]])
                c = int(answer)
                p = ndtr((cut[c + 1] - mean[:, j]) / np.sqrt(v))
                log_p += np.log(p - ndtr((cut[c] - mean[:, j]) / np.sqrt(v)) + 1e-300)
            else:
                log_p += norm.logpdf(answer, mean[:, j], np.sqrt(v))
        out[i] = np.logaddexp.reduce(log_p)
    return out


def test_every_family_of_the_text_has_its_numbers():
    assert tuple(FAMILIES) == OTHERS


@pytest.mark.parametrize("case", MODELS)
def test_log_likelihood_is_the_integral(case):
    prepared = _prepared(case)
    elements = _elements(prepared)
    plan, out = _plan(prepared, elements), np.zeros(prepared.sample.size)
    _evaluate(elements, plan, out)
    np.testing.assert_allclose(out, _brute_force(prepared, elements), atol=1e-6, rtol=0)
    value, _ = _evaluate(elements, plan, np.empty(0))
    assert value == pytest.approx(out.sum(), abs=1e-9)


@pytest.mark.parametrize("case", MODELS)
def test_gradient_is_that_of_the_value(case):
    prepared = _prepared(case)
    elements = _elements(prepared)
    plan, none = _plan(prepared, elements), np.empty(0)
    _, gradient = _evaluate(elements, plan, none)
    tried = {
        e
        for k, place in prepared.structure.places.items()
        if prepared.table.rows[k].free >= 0
        for e in prepared.structure.element(place)[:1]
    }
    for e in sorted(tried):
        # Richardson: (4 D(h) - D(2h)) / 3
        steps = [
            (_evaluate(_moved(elements, e, h), plan, none)[0]
             - _evaluate(_moved(elements, e, -h), plan, none)[0]) / (2.0 * h)
            for h in (1e-3, 2e-3)
        ]  # fmt: skip
        assert gradient[e] == pytest.approx((4.0 * steps[0] - steps[1]) / 3.0, rel=1e-6, abs=1e-6)


def _moved(elements: np.ndarray, e: int, by: float) -> np.ndarray:
    out = elements.copy()
    out[e] += by
    return out


def test_derivatives_in_numpy_are_those_of_the_density():
    own = {
        "count": np.array([[0.0, 0.3, 0.0], [4.0, -0.2, 0.0], [31.0, 0.0, 0.0]]),
        "duration": np.array(
            [[2.0, np.log(2.0), np.log(2.0)], [2.0, np.log(2.0), np.inf], [2.0, -np.inf, 0.7],
             [2.0, 0.1, 0.9]]
        ),
        "limited": np.array([[0.3, 0.3, 0.3], [1.0, 1.0, np.inf], [0.0, -np.inf, 0.0]]),
        "share": np.array([[y, np.log(y), np.log1p(-y)] for y in (0.03, 0.5, 0.9)]),
    }  # fmt: skip
    for name, family in FAMILIES.items():
        rows = own[family.reads]
        for eta in np.linspace(-1.5, 1.5, 7):
            at = np.full(len(rows), eta)
            h = 1e-4
            value, first, second = family.slopes(rows, at, 0.6)
            up, down = (family.log_density(rows, at + d, 0.6) for d in (h, -h))
            np.testing.assert_allclose(value, family.log_density(rows, at, 0.6))
            np.testing.assert_allclose(first, (up - down) / (2 * h), rtol=1e-6, atol=1e-6)
            if name == "beta":  # the expected one
                continue
            bend = (up - 2 * value + down) / h**2
            np.testing.assert_allclose(second, bend, rtol=1e-4, atol=1e-5, err_msg=name)


def test_a_count_without_overdispersion_is_a_poisson_count():
    own = np.array([[7.0, 0.4, 0.0], [0.0, 0.4, 0.0]])
    eta = np.array([0.9, -0.3])
    close = FAMILIES["negative_binomial"].log_density(own, eta, 1e-6)
    np.testing.assert_allclose(close, FAMILIES["poisson"].log_density(own, eta, 0.0), atol=1e-4)
