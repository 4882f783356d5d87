"""Five questions of the Law School Admission Test: published numbers of real binary answers.

Bock & Lieberman (1970); estimates, standard errors, expected counts of the patterns and empirical
Bayes scores by R's ltm 1.x (`ltm(LSAT ~ z1)`, 21 Gauss-Hermite points), which its documentation and
many textbooks print (Bartholomew, Steele, Moustaki & Galbraith 2008).
"""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from example_models import DATA
from scipy import optimize, stats
from scipy.special import expit, logsumexp

import bayessem as bs
from bayessem.errors import ModelError
from bayessem.results.answer_scores import AnswerScores, answer_moments

MODEL = "f =~ i1 + i2 + i3 + i4 + i5"
# discrimination, its standard error, difficulty
LTM = {
    "i1": (0.8254, 0.2581, -3.3597),
    "i2": (0.7229, 0.1867, -1.3696),
    "i3": (0.8905, 0.2326, -0.2799),
    "i4": (0.6886, 0.1852, -1.8659),
    "i5": (0.6575, 0.2100, -3.1236),
}
# pattern: expected count, empirical Bayes score (the mode), its standard error
PATTERNS = {
    "00000": (2.277, -1.895, 0.795),
    "00011": (8.942, -1.041, 0.800),
    "01111": (13.920, 0.023, 0.828),
    "10011": (76.562, -0.506, 0.811),
    "11011": (173.310, -0.022, 0.827),
    "11110": (29.127, 0.139, 0.833),
    "11111": (296.693, 0.606, 0.855),
}


@pytest.fixture(scope="module")
def answers() -> pd.DataFrame:
    patterns = pd.read_csv(DATA / "lsat6.csv")
    data = patterns.loc[patterns.index.repeat(patterns["count"])].drop(columns="count")
    return data.reset_index(drop=True)


@pytest.fixture(scope="module")
def sem() -> bs.SEM:
    return bs.SEM(MODEL, std_lv=True, ordered=True, link="logit", parameterization="theta")


@pytest.fixture(scope="module")
def ml(sem, answers):
    return sem.ml(answers)


def test_the_data_are_the_published_ones(answers):
    """1,000 respondents; right answers to each question as Bock and Lieberman have them."""
    assert answers.sum().tolist() == [924, 709, 553, 763, 870]


def test_maximum_likelihood_is_that_of_ltm(ml):
    assert ml.logl == pytest.approx(-2466.653, abs=0.001)
    assert (ml.measures["aic"], ml.measures["bic"]) == pytest.approx(
        (4953.307, 5002.384), abs=0.002
    )
    table = ml.table.set_index(["lhs", "op", "rhs"])
    for item, (slope, error, difficulty) in LTM.items():
        own = table.loc[("f", "=~", item)]
        assert own["est"] == pytest.approx(slope, abs=0.001)
        assert own["se"] == pytest.approx(error, abs=0.001)
        cut = table.loc[(item, "|", "t1"), "est"]
        assert cut / own["est"] == pytest.approx(difficulty, abs=0.004)
    assert ml.converged and not ml.problems
    assert "Thresholds" in str(ml) and "Chi-square" not in str(ml)


def test_expected_counts_and_scores_are_those_of_ltm(ml, answers):
    structure, sample = ml.prepared.structure, ml.prepared.sample
    key = answers.astype(str).agg("".join, axis=1).to_numpy()
    scores = AnswerScores(structure, sample, ml.elements)
    mean, sd, _ = answer_moments(structure, np.tile(ml.elements, (100, 1)), sample)
    (part,) = scores.parts
    modes = np.empty(len(answers))
    modes[part.members] = part.starts[0][part.pattern, 0]
    at = np.linspace(-8.0, 8.0, 2001)
    slope = np.array([v[0] for v in LTM.values()])
    cut = slope * np.array([v[2] for v in LTM.values()])
    right = 1.0 / (1.0 + np.exp(cut - slope * at[:, None]))
    weight = np.exp(-0.5 * at**2)
    weight /= weight.sum()
    for pattern, (expected, mode, error) in PATTERNS.items():
        given = np.array([int(c) for c in pattern], dtype=bool)
        p = np.where(given, right, 1.0 - right).prod(axis=1) * weight
        assert 1000.0 * p.sum() == pytest.approx(expected, rel=0.003)
        who = np.flatnonzero(key == pattern)
        assert modes[who] == pytest.approx(mode, abs=0.002)
        exact = p @ at / p.sum()
        assert mean[who] == pytest.approx(exact, abs=0.005)
        assert sd[who] == pytest.approx(error, abs=0.015)


def rasch_m2(counted: pd.Series) -> tuple[float, float, np.ndarray]:
    """Maximum, M2 and estimates of the Rasch model, from its definition and nothing of bayessem's.

    Five intercepts and the sd of the normal construct, by 2,001 nodes; M2 of the shares of right
    answers to each question and to each two (Maydeu-Olivares & Joe 2005); 15 - 6 degrees of
    freedom.
    """
    patterns = np.array(list(itertools.product((0, 1), repeat=5)))
    n = np.array([counted.get(tuple(p), 0) for p in patterns])
    node = np.linspace(-10.0, 10.0, 2001)
    weight = np.exp(-0.5 * node**2)
    weight /= weight.sum()

    def chances(x: np.ndarray) -> np.ndarray:
        p = expit(np.exp(x[5]) * node[:, None] + x[:5])
        each = np.where(patterns[:, None] == 1, p, 1.0 - p)  # (pattern, node, item)
        return np.prod(each, axis=2) @ weight

    def slopes(x: np.ndarray) -> np.ndarray:
        steps = 1e-5 * np.eye(6)
        return np.array([(chances(x + s) - chances(x - s)) / 2e-5 for s in steps]).T

    start = np.array([2.7, 1.0, 0.2, 1.3, 2.1, -0.3])
    found = optimize.minimize(
        lambda x: -n @ np.log(chances(x)),
        start,
        jac=lambda x: -slopes(x).T @ (n / chances(x)),
        method="BFGS",
        options={"gtol": 1e-5},
    )
    pairs = [patterns[:, i] * patterns[:, j] for i, j in itertools.combinations(range(5), 2)]
    to_margins = np.array([*patterns.T, *pairs], dtype=float)
    p = chances(found.x)
    off = to_margins @ (n / n.sum() - p)
    inverse = np.linalg.inv(to_margins @ (np.diag(p) - np.outer(p, p)) @ to_margins.T)
    change = to_margins @ slopes(found.x)
    left = inverse @ change
    inverse = inverse - left @ np.linalg.inv(change.T @ left) @ left.T
    return -found.fun, n.sum() * off @ inverse @ off, found.x


def test_m2_of_the_rasch_model_is_that_of_its_definition(answers):
    """5.2913. mirt's own tests, which stop climbing earlier, have 5.2916 and 5.2926."""
    sem = bs.SEM(
        "f =~ a*i1 + a*i2 + a*i3 + a*i4 + a*i5",
        std_lv=True,
        ordered=True,
        link="logit",
        parameterization="theta",
    )
    ml = sem.ml(answers)
    logl, m2, x = rasch_m2(answers.value_counts())
    assert ml.logl == pytest.approx(logl, abs=1e-4)
    assert ml.measures["c2"] == pytest.approx(m2, abs=5e-4)
    assert m2 == pytest.approx(5.29135, abs=1e-4) and ml.measures["c2.df"] == 9
    assert ml.table["est"].iloc[0] == pytest.approx(np.exp(x[5]), abs=1e-4)


def test_m2_of_two_parameters_is_that_of_mirt(ml):
    """mirt's own tests, by quasi-random points: 4.737141."""
    assert ml.measures["c2"] == pytest.approx(4.737, abs=2e-3) and ml.measures["c2.df"] == 5


def log_posterior(x: np.ndarray, patterns: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Log density (draws,) of slopes and thresholds x (draws, 10), from nothing of bayessem's.

    Slopes are t_2(0, 1.283) as `sem.priors` prints, the third positive; the share of the answers
    below each threshold, were the latent response normal, is uniform.
    """
    at, weight = np.polynomial.hermite_e.hermegauss(41)
    slope, cut = x[:, :5], x[:, 5:]
    logit = slope[:, None] * at[:, None] - cut[:, None]
    right, wrong = -np.logaddexp(0.0, -logit), -np.logaddexp(0.0, logit)
    each = right @ patterns.T + wrong @ (1 - patterns).T
    logl = logsumexp(each, axis=1, b=(weight / weight.sum())[None, :, None]) @ counts
    scale = np.sqrt(slope**2 + np.pi**2 / 3)
    prior = stats.t.logpdf(slope, 2, scale=1.283) + stats.norm.logpdf(cut / scale) - np.log(scale)
    return np.where(slope[:, 2] > 0, logl + prior.sum(axis=1), -np.inf)


def test_the_posterior_is_that_of_importance_sampling(sem, answers, ml):
    """Slopes are skewed to the right, so their quartiles and not their standard deviations."""
    fit = sem.fit(answers, draws=2000, tune=500, chains=2, random_seed=1, progress=False)
    counted = answers.value_counts()
    patterns = np.array([list(pattern) for pattern in counted.index], dtype=float)
    table = ml.table[ml.table["op"].isin(["=~", "|"])]
    # wide and with heavy tails about the maximum
    rng = np.random.default_rng(5)
    kernel = stats.multivariate_t(table["est"], np.diag((1.2 * table["se"]) ** 2), df=4, seed=rng)
    x = kernel.rvs(100_000)
    parts = [log_posterior(part, patterns, counted.to_numpy()) for part in np.array_split(x, 100)]
    weight = np.concatenate(parts) - kernel.logpdf(x)
    weight = np.exp(weight - weight.max())
    weight /= weight.sum()
    assert 1.0 / (weight**2).sum() > 3_000
    slopes = fit.data["posterior"]["loading"]
    for k, item in enumerate(LTM):
        order = np.argsort(x[:, k])
        reached = np.cumsum(weight[order])
        expected = [x[order[np.searchsorted(reached, p)], k] for p in (0.25, 0.5, 0.75)]
        own = np.quantile(slopes.sel(loadings=f"f=~{item}"), [0.25, 0.5, 0.75])
        # 4,000 draws and 3,000 weighted ones: standard errors of quartiles are .02 sd each
        assert own == pytest.approx(expected, abs=0.15 * LTM[item][1])
    assert fit.category_probabilities().table["observed"].iloc[1] == pytest.approx(0.924)


@pytest.mark.parametrize("link", ["probit", "logit"])
def test_delta_and_theta_have_the_same_maximum(answers, link):
    """And their standard errors follow by the delta method."""
    found = {}
    for scale in ("delta", "theta"):
        sem = bs.SEM(MODEL, std_lv=True, ordered=True, link=link, parameterization=scale)
        found[scale] = sem.ml(answers)
    assert found["delta"].logl == pytest.approx(found["theta"].logl, abs=1e-6)
    delta, theta = (f.table[f.table["op"] == "=~"] for f in found.values())
    residual = 1.0 if link == "probit" else np.pi**2 / 3
    total = np.sqrt(theta["est"] ** 2 + residual)
    np.testing.assert_allclose(delta["est"], theta["est"] / total, rtol=1e-5)
    np.testing.assert_allclose(delta["se"], theta["se"] * residual / total**3, rtol=1e-3)
    np.testing.assert_allclose(delta["est"], delta["std_all"], rtol=1e-9)


def test_standard_errors_of_other_kinds(sem, answers, ml):
    robust = sem.ml(answers, se="robust").table
    own = ml.table["free"].to_numpy()
    np.testing.assert_allclose(robust["se"][own], ml.table["se"][own], rtol=0.15)
    assert sem.ml(answers, se="none").table["se"].isna().all()
    with pytest.raises(ModelError, match="observed, robust, none"):
        sem.ml(answers, se="expected")
