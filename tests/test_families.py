"""Counts, durations, limited outcomes and shares on the node engine, against integrals.

The integrals know nothing of nodes; densities are SciPy's distributions.
"""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit, ndtr
from scipy.stats import norm

from bayessem.comparison.comparable import check_comparable
from bayessem.comparison.criterion import target_of
from bayessem.criticism.response_check import survival_curve
from bayessem.effects.category_effects import caused_pairs
from bayessem.errors import DataError, FitError, ModelError, NotSupported
from bayessem.fit import Fit
from bayessem.likelihood.engines import ENGINES
from bayessem.likelihood.families import FAMILIES
from bayessem.likelihood.node_entry import entry
from bayessem.likelihood.node_plan import Nodes, pack_nodes
from bayessem.model.node_model import node_model
from bayessem.model.prepare import Prepared, prepare
from bayessem.model.structure import latent_values
from bayessem.posterior.node_choice import choose_nodes, latent_units
from bayessem.report.sections import effects_on_answers
from bayessem.sem import SEM, load
from bayessem.syntax.responses import OTHERS, SHAPE_BOUNDS
from bayessem.syntax.specification import Specification
from bayessem.text.document import Document, Table
from bayessem.text.terminal import document_text

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
    out["edge"] = out["share"]
    out.loc[[1, 5, 8], "edge"] = 0.0
    out.loc[[2, 7], "edge"] = 1.0
    out["whole"] = np.where(np.arange(N) % 5 == 3, 1.0, out["share"])
    out["g"] = np.where(np.arange(N) % 2, "u", "v")
    out["far"] = f + 0.7 * rng.standard_t(4.0, size=N)
    out.loc[9, "far"] += 6.0
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
    "shares of none and of all": (
        "A =~ a1 + a2 + edge\nB =~ b1 + b2 + b3\nB ~ A\nwhole ~ A + B",
        HOLES,
        {
            "family": {"edge": "zero_one_beta", "whole": "zero_one_beta"},
            "ordered": ["b1", "b2", "b3"],
        },
    ),
    "numbers with outliers": (
        "A =~ a1 + far + a2\nB =~ b1 + b2 + b3\nB ~ A\nz ~ A + B",
        HOLES,
        {"family": {"far": "student", "z": "student", "b1": "student"}},
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
        if row.op == "|" and row.rhs in SHAPE_BOUNDS:
            value = {"zoi": 0.3, "coi": 0.45, "nu": 5.0}[row.rhs]
        elif row.op == "|":
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
        case "student":
            return stats.t.logpdf(y, 5.0, eta, sd)
        case "zero_one_beta":
            m = expit(eta)
            inside = 0.7 * stats.beta.pdf(y, m / v, (1.0 - m) / v)
            return np.log({0.0: 0.3 * 0.55, 1.0: 0.3 * 0.45}.get(y, inside)) + 0.0 * eta
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
    zeta = np.array(list(itertools.product(grid, repeat=len(latents))))
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
        "number": np.array([[-0.4, 0.0, 0.0], [9.0, 0.0, 0.0]]),
    }  # fmt: skip
    shapes = {"zero_one_beta": (0.3, 0.4), "student": (3.5,)}
    for name, family in FAMILIES.items():
        rows = own[family.reads]
        for eta in np.linspace(-1.5, 1.5, 7):
            at = np.full(len(rows), eta)
            h = 1e-4
            numbers = (0.6, *shapes.get(name, ()))
            value, first, second = family.slopes(rows, at, *numbers)
            up, down = (family.log_density(rows, at + d, *numbers) for d in (h, -h))
            np.testing.assert_allclose(value, family.log_density(rows, at, *numbers))
            np.testing.assert_allclose(first, (up - down) / (2 * h), rtol=1e-6, atol=1e-6)
            if name in ("beta", "zero_one_beta", "student"):  # the expected one
                continue
            bend = (up - 2 * value + down) / h**2
            np.testing.assert_allclose(second, bend, rtol=1e-4, atol=1e-5, err_msg=name)


def test_a_count_without_overdispersion_is_a_poisson_count():
    own = np.array([[7.0, 0.4, 0.0], [0.0, 0.4, 0.0]])
    eta = np.array([0.9, -0.3])
    close = FAMILIES["negative_binomial"].log_density(own, eta, 1e-6)
    np.testing.assert_allclose(close, FAMILIES["poisson"].log_density(own, eta, 0.0), atol=1e-4)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ({"y": [-1, 2, 3, 4]}, {"family": {"y": "poisson"}}, "has the value -1; counts are 0"),
        ({"y": [1, 2.5, 3, 4]}, {"family": {"y": "poisson"}}, "2.5, which is no count"),
        (
            {"y": [1, 2, 3, 4], "e": [1, 0, 1, 1]},
            {"family": {"y": "negative_binomial"}, "exposure": {"y": "e"}},
            "exposure 'e' of 'y' has the value 0 .row 1.; exposures are positive",
        ),
        (
            {"y": [1, 2, 3, 4], "e": [1, np.nan, 1, 1]},
            {"family": {"y": "poisson"}, "exposure": {"y": "e"}},
            "missing where the count is not .row 1.",
        ),
        ({"y": [0, 2, 3, 4]}, {"family": {"y": "weibull"}}, "value 0 .row 0.; durations"),
        (
            {"y": [1, 2, 3, 4], "e": [0, 1, 2, 1]},
            {"family": {"y": "lognormal"}, "censored": {"y": "e"}},
            "column 'e' is 2 .row 2., which is no flag; it is 0 where the value was observed",
        ),
        (
            {"y": [1, 2, 3, 4], "e": [1, 1, 1, 1]},
            {"family": {"y": "lognormal"}, "censored": {"y": "e"}},
            "every value of 'y' is censored",
        ),
        (
            {"from": [1, 2, 3, 4], "to": [2, 1, 4, 5]},
            {"family": {"y": "lognormal"}, "censored": {"y": ("from", "to")}},
            "from 2 .from. to 1 .to. ends before it begins .row 1.",
        ),
        ({"y": [0.2, 1.3, 0.5, 0.4]}, {"family": {"y": "beta"}}, "1.3; shares lie between 0 and 1"),
        (
            {"y": [0.2, 0.0, 0.5, 0.4]},
            {"family": {"y": "beta"}},
            "is 0 in 1 rows.*'zero_one_beta'.*'tobit'",
        ),
        (
            {"y": [0.2, 0.1, 0.5, 0.4]},
            {"family": {"y": "zero_one_beta"}},
            "is never 0 or 1; its family is 'beta'",
        ),
        (
            {"y": [1, 0, 1, 1]},
            {"family": {"y": "zero_one_beta"}},
            "is 0 or 1 in all rows; its family is 'bernoulli'",
        ),
    ],
)
def test_data_that_no_family_has_are_refused_before_sampling(values, options, message):
    data = pd.DataFrame(values)
    data["z"] = [0.1, -0.4, 0.9, 0.3]
    with pytest.raises(DataError, match=message):
        prepare(Specification("y ~ z", **options), data)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"family": {"y": "gamma"}}, "'gamma' is none of 'normal', 'ordered'"),
        ({"family": {"y": "tobit"}}, "nothing says where it is censored"),
        (
            {"family": {"y": "beta"}, "exposure": {"y": "e"}},
            "exposure names 'y', which is no count",
        ),
        ({"exposure": {"y": "e"}}, "exposure names 'y', which is no count"),
        ({"family": {"y": "poisson"}, "exposure": {"y": 3}}, "is the name of a column"),
        ({"family": {"y": "poisson"}, "censored": {"y": "e"}}, "censored names 'y', whose family"),
        ({"family": {"y": "tobit"}, "censored": {"y": (1, 0)}}, "1 is not below the upper 0"),
        ({"family": {"y": "tobit"}, "censored": {"y": 3}}, "is the column of a flag"),
        ({"family": {"y": "weibull"}, "censored": {"y": (0, 3)}}, "durations are positive"),
        ({"family": {"z": "poisson"}}, "'z' has the family 'poisson' but only predicts"),
        ({"family": {"m": "poisson"}}, "'m' has the family 'poisson' but is an outcome and"),
    ],
)
def test_what_no_response_can_be_is_refused_at_once(options, message):
    with pytest.raises(ModelError, match=message):
        Specification("y ~ z + m\nm ~ z", **options)


@pytest.mark.parametrize(
    ("line", "family", "message"),
    [
        ("y ~~ y", "poisson", "variance of the Poisson count 'y' is its expected value"),
        ("y ~~ m", "weibull", "'y' .family 'weibull'. has no residual that could covary"),
        ("y | t1", "beta", "gives thresholds to 'y', whose family is 'beta'"),
        ("y | t1", "zero_one_beta", "has no 't1'; it has zoi and coi, as in 'y | zoi'"),
        ("y | 1.5*zoi", "zero_one_beta", "is fixed at 1.5; zoi lies from 0 to 1"),
        ("y | 0.5*nu", "student", "is fixed at 0.5; nu lies above 1"),
    ],
)
def test_statements_without_a_parameter_are_refused(line, family, message):
    with pytest.raises(ModelError, match=message):
        Specification(f"y ~ z\nm ~ z\n{line}", family={"y": family})


@pytest.fixture(scope="module")
def study() -> pd.DataFrame:
    """A construct, a count over years, a censored duration and a mediator."""
    rng = np.random.default_rng(5)
    n = 300
    f, z = rng.normal(size=n), rng.integers(2, size=n) - 0.5
    out = pd.DataFrame({f"a{j}": 0.8 * f + 0.6 * rng.normal(size=n) for j in (1, 2, 3)})
    out["z"] = z
    out["m"] = 0.6 * f + 0.8 * rng.normal(size=n)
    out["years"] = rng.integers(1, 4, size=n).astype(float)
    rate = np.exp(0.3 + 0.4 * f + 0.3 * z + 0.3 * out["m"])
    out["y"] = rng.poisson(out["years"] * rate * rng.gamma(2.0, 0.5, size=n))
    time, stop = np.exp(0.5 + 0.4 * f + 0.5 * rng.normal(size=n)), rng.uniform(0.5, 6.0, size=n)
    out["t"], out["flag"] = np.minimum(time, stop), (time > stop).astype(int)
    return out


STUDY = "F =~ a1 + a2 + a3\nM =~ 1*m\nm ~~ 0.3*m\nM ~ F\ny ~ F + z + M\nt ~ F"
STUDIED = {
    "family": {"y": "negative_binomial", "t": "weibull"},
    "exposure": {"y": "years"},
    "censored": {"t": "flag"},
}


@pytest.fixture(scope="module")
def fit(study):
    sem = SEM(STUDY, **STUDIED)
    return sem.fit(study, draws=300, tune=300, chains=2, random_seed=3, progress=False)


def test_a_report_has_ratios_and_expected_effects(fit):
    pairs = caused_pairs(fit.prepared.structure, tuple(fit.prepared.table.responses.others))
    assert ("F", "y") in pairs and ("y", "F") not in pairs
    contents = SimpleNamespace(
        fit=fit,
        category_effects=(),
        ratios=fit.ratios(),
        expected_effects=(fit.expected_effects("F", "y", draws=10),),
        reasons={},
    )
    said = document_text(Document.of(effects_on_answers(contents)))
    assert "Paths as ratios" in said and "rate ratio" in said
    assert "Effects of F on the expected count of y" in said


def test_a_fit_finds_the_paths_and_dispersions_of_the_data(fit):
    """Truths within three posterior standard deviations; F has the scale of a1 (.8)."""
    found = fit.summary().set_index(["lhs", "op", "rhs"])
    truths = {
        ("y", "~", "F"): 0.4 / 0.8,
        ("y", "~", "z"): 0.3,
        ("y", "~~", "y"): 0.5,
        ("t", "~", "F"): 0.4 / 0.8,
        ("t", "~1", ""): 0.5 + 0.5 * 0.45,  # of a Weibull duration about its median
    }
    for row, truth in truths.items():
        mean, sd = found.loc[row, ["mean", "sd"]]
        assert abs(mean - truth) < 3.0 * sd, (row, mean, sd, truth)
    print(fit.diagnosis)


def test_a_saved_fit_answers_as_it_did(fit, tmp_path):
    fit.save(tmp_path / "run")
    back = load(tmp_path / "run")
    np.testing.assert_array_equal(back.elements, fit.elements)
    assert back.prepared.sample.hash == fit.prepared.sample.hash
    assert back.ratios().table.equals(fit.ratios().table)


def test_ratios_are_exponentials_of_paths(fit):
    found = fit.ratios().table.set_index(["outcome", "predictor", "ratio", "per"])
    path = fit.row_draws.reshape(-1, fit.row_draws.shape[-1])
    names = [(r.lhs, r.op, r.rhs) for r in fit.prepared.table.rows]
    rate = np.exp(path[:, names.index(("y", "~", "z"))])
    assert found.loc[("y", "z", "rate ratio", "unit"), "mean"] == pytest.approx(rate.mean())
    slope, v = (path[:, names.index(n)] for n in (("t", "~", "F"), ("t", "~~", "t")))
    hazard = np.exp(-slope * np.pi / np.sqrt(6 * v))
    assert found.loc[("t", "F", "hazard ratio", "unit"), "mean"] == pytest.approx(hazard.mean())
    assert "time ratio" in str(fit.ratios()) and "P(>1)" in str(fit.ratios())


def test_effects_on_expected_values_are_integrals(fit):
    """With a log link and linear predictors the effects have a closed form at each draw."""
    found = fit.expected_effects("F", "y", draws=200)
    names = [(r.lhs, r.op, r.rhs) for r in fit.prepared.table.rows]
    flat = fit.row_draws.reshape(-1, len(names))
    flat = flat[np.linspace(0, len(flat) - 1, 200).round().astype(int)]

    def row(*name: str) -> np.ndarray:
        return flat[:, names.index(name)]

    sd = np.sqrt(row("F", "~~", "F"))
    z = fit.prepared.sample.values[:, fit.prepared.sample.variables.index("z")]
    b, c, a = row("y", "~", "F"), row("y", "~", "M"), row("M", "~", "F")
    base = np.exp(row("y", "~1", "") + 0.5 * c**2 * row("M", "~~", "M"))
    base = base * np.exp(row("y", "~", "z")[:, None] * z).mean(axis=1)
    direct = base * (np.exp(b * sd) - 1.0)
    total = base * (np.exp((b + a * c) * sd) - 1.0)
    ours = found.table.set_index("effect")
    # of 2000 simulated respondents at each of 200 draws
    assert ours.loc["direct", "mean"] == pytest.approx(direct.mean(), rel=0.02)
    assert ours.loc["total", "mean"] == pytest.approx(total.mean(), rel=0.02)
    ratio = found.ratios.set_index("effect")["mean"]
    assert ratio["direct"] == pytest.approx(np.exp(b * sd).mean(), rel=0.02)
    assert ours.loc["direct", "mean"] + ours.loc["indirect", "mean"] == pytest.approx(
        ours.loc["total", "mean"]
    )
    assert "expected count of y goes from" in str(found)
    with pytest.raises(ModelError, match="'m' is no count, duration or share"):
        fit.expected_effects("F", "m")


def test_counts_and_survival_of_the_data_lie_beside_those_of_the_model(fit):
    counts = fit.response_check("y")
    assert counts.table["observed"].sum() == fit.prepared.sample.size
    assert counts.table["surprising"].mean() < 0.2
    (shown,) = [b for b in counts.document().blocks if isinstance(b, Table)]
    data = next(c for c in shown.columns if c.title == "data")
    assert all(x.isdigit() for x in data.written())  # frequencies, not 12.000
    survival = fit.response_check("t")
    assert (survival.table["observed"] - survival.table["mean"]).abs().max() < 0.1
    for result in (counts, survival):
        assert "data" in str(result)
        assert result.plot() is not None
    with pytest.raises(ModelError, match="about counts, durations, shares"):
        fit.response_check("a1")


def test_the_survival_curve_is_kaplan_and_meiers(study):
    sample = prepare(SEM(STUDY, **STUDIED), study).sample
    times = np.linspace(0.3, 5.0, 9)
    data = stats.CensoredData.right_censored(study["t"], study["flag"] == 1)
    expected = stats.ecdf(data).sf.evaluate(times)
    last = study["t"][study["flag"] == 0].max()
    keep = times < last
    found = survival_curve(sample.beside["t"], times)
    np.testing.assert_allclose(found[keep], expected[keep], atol=1e-4)


def test_predictions_of_counts_have_their_exposure(fit, study):
    rows = study.head(3).drop(columns=["y", "t", "flag"]).assign(years=[1.0, 10.0, 10.0])
    rows = pd.concat([rows.iloc[[0]], rows.iloc[[0]].assign(years=10.0)], ignore_index=True)
    found = fit.predict(rows, variables=["y"]).table["mean"].to_numpy()
    assert found[1] / found[0] == pytest.approx(10.0, rel=0.35)
    with pytest.raises(DataError, match="exposure of 'y'='years' is not a column"):
        fit.predict(rows.drop(columns="years"), variables=["y"])


def test_simulated_data_can_be_fitted_again(fit):
    data = fit.sem.simulate(fit, 50, random_seed=1)
    assert {"y", "years", "t", "flag"} <= set(data.columns)
    assert (data["years"] > 0).all() and data["years"].std() > 0 and (data["flag"] == 0).all()
    assert fit.sem.prepare(data).sample.size == 50


def test_what_is_not_there_says_so(fit, study):
    for call in (
        lambda: fit.indices(),
        lambda: fit.sem.model(study),
        lambda: fit.sem.fit(study, engine="pymc", draws=5, tune=5, chains=1, progress=False),
        lambda: fit.sem.fit(study, latents="sampled", draws=5, tune=5, chains=1, progress=False),
        lambda: fit.sem.ml(study, weights="years"),
        lambda: SEM("F =~ a1 + a2 + y", family={"y": "poisson"}).bootstrap(study, 3),
        lambda: fit.residuals(),
        lambda: fit.loo_pit(),
        lambda: SEM("F =~ a1 + a2 + y", family={"y": "poisson"}).invariance(study, group="z"),
    ):
        with pytest.raises(NotSupported, match="negative_binomial, weibull responses|poisson resp"):
            call()


def test_models_too_wide_for_nodes_are_refused_by_check():
    rng = np.random.default_rng(2)
    names = [f"x{i}" for i in range(12)]
    data = pd.DataFrame(rng.normal(size=(60, 12)), columns=names)
    data["y"] = rng.poisson(2.0, size=60)
    lines = [f"F{k} =~ x{3 * k} + x{3 * k + 1} + x{3 * k + 2}" for k in range(4)]
    report = SEM("\n".join([*lines, "y ~ F0"]), family={"y": "poisson"}).check(data)
    assert not report.ok
    assert "poisson responses need an integral over 4 constructs at once" in str(report)


def test_check_describes_the_responses(study):
    said = str(SEM(STUDY, **STUDIED).check(study).findings)
    assert "counts from 0" in said and "right-censored" in said


def test_standardised_paths_of_counts_are_on_the_log_scale(fit):
    """Residual variance of the log rate: trigamma(1 / (1 / expected + overdispersion))."""
    table = fit.summary().set_index(["lhs", "op", "rhs"])
    assert np.isnan(table.loc[("y", "~~", "y"), "std"])
    assert 0 < table.loc[("y", "~", "F"), "std"] < table.loc[("y", "~", "F"), "mean"]
    share = fit.r2().set_index("variable")["mean"] if callable(fit.r2) else None
    assert share is None or 0 < share["y"] < 1


def test_densities_and_probabilities_are_not_compared(study):
    targets = {
        name: target_of(prepare(SEM("F =~ a1 + a2 + a3\ny ~ F\nt ~ F\nt ~~ 0*y", **options), study))
        for name, options in {
            "poisson": {"family": {"y": "poisson"}},
            "overdispersed": {"family": {"y": "negative_binomial"}},
            "normal": {"family": {"t": "lognormal"}},
            "weibull": {"family": {"t": "weibull"}},
            "censored": {"family": {"t": "weibull"}, "censored": {"t": "flag"}},
            "plain": {},
        }.items()
    }

    def check(*names: str) -> None:
        check_comparable({name: targets[name] for name in names})

    check("poisson", "overdispersed")
    check("plain", "normal", "weibull")  # densities of the same numbers
    targets |= {
        name: target_of(prepare(SEM("edge ~ z", **options), DATA))
        for name, options in {
            "inflated": {"family": {"edge": "zero_one_beta"}},
            "limits": {"family": {"edge": "tobit"}, "censored": {"edge": (0, 1)}},
            "number": {},
            "heavy": {"family": {"edge": "student"}},
        }.items()
    }
    check("inflated", "limits")  # both have probabilities of 0 and 1, and densities between
    check("number", "heavy")
    with pytest.raises(FitError):
        check("inflated", "number")
    with pytest.raises(FitError, match="first has probabilities of the values of y"):
        check("poisson", "plain")
    with pytest.raises(FitError, match="same values of t as censored"):
        check("weibull", "censored")


def test_groups_have_their_own_paths_and_dispersions(study):
    """Without equalities the log-likelihood of two groups is the sum of theirs."""
    data = study.assign(g=np.where(np.arange(len(study)) % 2, "u", "v"))
    sem = SEM("y ~ z + m\nt ~ z", **STUDIED)
    both = sem.ml(data, group="g")
    alone = [sem.ml(data[data["g"] == g]).measures["logl"] for g in "uv"]
    assert both.measures["logl"] == pytest.approx(sum(alone), abs=1e-6)
    equal = SEM("y ~ z + m\nt ~ z", group_equal=["regressions", "residuals"], **STUDIED)
    rows = equal.ml(data, group="g").table
    own = rows[(rows["op"] == "~~") & (rows["lhs"] == "y") & (rows["rhs"] == "y")]["est"]
    assert own.nunique() == 1


def test_data_drawn_from_the_prior(study):
    check = SEM("F =~ a1 + a2 + a3\ny ~ F", family={"y": "poisson"}).prior_predictive_check(
        study, draws=50
    )
    assert (check.table["quantity"] == "y").any()


@pytest.mark.parametrize("text", ["y ~ x", "y ~ x\nz ~ x"])
def test_a_count_without_constructs_is_checked_and_fitted(text):
    """It has no residual variance of its own, and varies all the same."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": rng.normal(size=120)})
    data["y"] = rng.poisson(np.exp(0.2 + 0.3 * data["x"]))
    data["z"] = 0.4 * data["x"] + rng.normal(size=120)
    sem = SEM(text, family={"y": "poisson"})
    report = sem.check(data)
    assert report.ok, str(report)
    fit = sem.fit(data, draws=200, tune=200, chains=2, random_seed=1, progress=False)
    own = sem.ml(data).table.set_index(["lhs", "op", "rhs"]).loc[("y", "~", "x")]
    found = fit.summary().set_index(["lhs", "op", "rhs"]).loc[("y", "~", "x")]
    assert found["mean"] == pytest.approx(own["est"], abs=0.3 * own["se"])


@pytest.fixture(scope="module")
def inflated() -> tuple[pd.DataFrame, Fit]:
    """A construct with an item that has three typing errors, and a share of none and of all."""
    rng = np.random.default_rng(3)
    n = 200
    f, z = rng.normal(size=(2, n))
    data = pd.DataFrame({f"a{j}": 0.8 * f + 0.6 * rng.normal(size=n) for j in (1, 2, 3)})
    data["z"] = z
    data.loc[[3, 60, 90], "a2"] += 8.0
    m, u = expit(0.2 + 0.6 * f + 0.3 * z), rng.uniform(size=n)
    data["y"] = rng.beta(m * 8.0, (1.0 - m) * 8.0)
    data.loc[u < 0.1, "y"], data.loc[u > 0.93, "y"] = 0.0, 1.0
    sem = SEM(
        'F =~ a1 + a2 + a3\ny ~ F + z\ny | prior("beta(2, 8)")*zoi',
        family={"y": "zero_one_beta", "a2": "student"},
    )
    fit = sem.fit(data, draws=250, tune=250, chains=2, random_seed=1, progress=False)
    return data, fit


def test_probabilities_of_none_and_all_have_the_posterior_of_their_counts(inflated):
    """They depend on nothing else: zoi is beta(2 + edges, 8 + others), coi beta(1 + ones, ...)."""
    data, fit = inflated
    found = fit.summary().set_index(["lhs", "op", "rhs"])
    none, whole = (data["y"] == 0).sum(), (data["y"] == 1).sum()
    for name, law in {
        "zoi": stats.beta(2 + none + whole, 8 + len(data) - none - whole),
        "coi": stats.beta(1 + whole, 1 + none),
    }.items():
        row = found.loc[("y", "|", name)]
        error = law.std() / np.sqrt(row["ess_bulk"])
        assert row["mean"] == pytest.approx(law.mean(), abs=4.5 * error)
    said = str(fit)
    assert "Shapes of distributions" in said and "y | zoi" in said and "Thresholds" not in said


def test_expected_shares_have_those_of_none_and_all(inflated):
    _, fit = inflated
    found = fit.expected_effects("F", "y", draws=100)
    names = [(r.lhs, r.op, r.rhs) for r in fit.prepared.table.rows]
    flat = fit.row_draws.reshape(-1, len(names))
    flat = flat[np.linspace(0, len(flat) - 1, 100).round().astype(int)]
    zoi, coi = (flat[:, names.index(("y", "|", x))].mean() for x in ("zoi", "coi"))
    expected = found.expected["mean"].iloc[0]
    assert zoi * coi < expected < 1.0 - zoi * (1.0 - coi)
    inside = (expected - zoi * coi) / (1.0 - zoi)
    intercept, b = (flat[:, names.index(x)].mean() for x in (("y", "~1", ""), ("y", "~", "z")))
    at = intercept + b * inflated[0]["z"].to_numpy()
    assert inside == pytest.approx(expit(at).mean(), abs=0.02)
    assert fit.ratios().table["ratio"].eq("odds ratio").all()


def test_values_that_are_far_out_are_named(inflated):
    data, fit = inflated
    weights = fit.weights(draws=100)
    assert set(weights.outlying) >= {("3", "a2"), ("60", "a2"), ("90", "a2")}
    assert set(weights.table["respondent"].head(3)) == {"3", "60", "90"}
    assert weights.table["weight"].head(3).max() < 0.1
    assert "a2 of 60" in str(weights)
    loadings = fit.summary().set_index(["lhs", "op", "rhs"])["mean"]
    assert loadings["F", "=~", "a2"] == pytest.approx(loadings["F", "=~", "a3"], abs=0.3)
    with pytest.raises(NotSupported, match="all count alike"):
        SEM("a1 ~ z").ml(data).weights()


@pytest.mark.parametrize("name", ["y", "a2"])
def test_distributions_of_shares_and_numbers_lie_beside_those_of_the_model(inflated, name):
    data, fit = inflated
    check = fit.response_check(name, draws=100)
    first = check.table.iloc[0]
    assert first["observed"] == pytest.approx((data[name] <= first["value"]).mean())
    assert check.table["surprising"].mean() < 0.3
    assert "at most a value" in str(check) and check.plot() is not None


def test_a_saved_fit_has_its_shapes(inflated, tmp_path):
    _, fit = inflated
    fit.save(tmp_path / "run")
    back = load(tmp_path / "run")
    np.testing.assert_array_equal(back.elements, fit.elements)
    drawn = fit.sem.simulate(fit, 400, random_seed=1)
    row = fit.summary().set_index(["lhs", "op", "rhs"]).loc[("y", "|", "zoi")]
    assert drawn["y"].isin([0.0, 1.0]).mean() == pytest.approx(row["mean"], abs=0.1)


def test_distributions_of_tobit_outcomes_have_their_limits():
    rng = np.random.default_rng(6)
    z = rng.normal(size=150)
    data = pd.DataFrame({"z": z, "y": np.clip(0.5 * z + rng.normal(size=150), 0.0, 1.0)})
    data["flag"] = -(data["y"] == 0.0).astype(int)
    sem = SEM("y ~ z", family={"y": "tobit"}, censored={"y": (0, 1)})
    fit = sem.fit(data, draws=150, tune=150, chains=2, random_seed=1, progress=False)
    table = fit.response_check("y", draws=100).table
    assert table["value"].iloc[0] == 0.0
    assert table["observed"].iloc[0] == pytest.approx((data["y"] == 0.0).mean())
    assert abs(table["mean"].iloc[0] - table["observed"].iloc[0]) < 0.15
    flagged = SEM("y ~ z", family={"y": "tobit"}, censored={"y": "flag"})
    other = flagged.fit(data, draws=20, tune=50, chains=1, random_seed=1, progress=False)
    with pytest.raises(ModelError, match="tobit outcomes with limits"):
        other.response_check("y")


def test_counts_that_vary_less_than_poisson_counts_are_named():
    x = np.random.default_rng(1).normal(size=200)
    # the nearest whole number to the expected count: hardly any variance about it
    data = pd.DataFrame({"x": x, "y": np.round(np.exp(1.5 + 0.3 * x)).astype(int)})
    fit = SEM("y ~ x", family={"y": "negative_binomial"}).ml(data, se="none")
    (said,) = [text for text in fit.problems if "no maximum" in text]
    assert "the counts of y vary no more than Poisson counts" in said
    assert "give them the family 'poisson'" in said and "join sparse" not in said
