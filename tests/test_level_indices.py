"""Fit indices and residuals of two-level models: by level, against closed forms and the maximum."""

import numpy as np
import pandas as pd
import pytest

import bayessem as bs
from bayessem.criticism.level_indices import level_discrepancies
from bayessem.criticism.score_tests import candidate_rows, modification_values
from bayessem.errors import NotSupported
from bayessem.ml.level_profile import level_profile
from bayessem.ml.two_levels import one_group

CLUSTERS, SIZE = 40, 5
MODEL = "level: 1\nfw =~ y1 + y2 + y3 + y4\nlevel: 2\nfb =~ y1 + y2 + y3 + y4"


def data(seed=1, *, twisted=0.0):
    """Balanced clusters; `twisted` couples y1 and y2 between clusters beyond the construct."""
    rng = np.random.default_rng(seed)
    code = np.repeat(np.arange(CLUSTERS), SIZE)
    fw, fb = rng.normal(size=len(code)), 0.8 * rng.normal(size=CLUSTERS)
    own = 0.5 * rng.normal(size=(CLUSTERS, 4))
    own[:, :2] += twisted * rng.normal(size=(CLUSTERS, 1))
    y = fw[:, None] + 0.7 * rng.normal(size=(len(code), 4)) + (fb[:, None] + own)[code]
    return pd.DataFrame(y, columns=["y1", "y2", "y3", "y4"]).assign(firm=code)


@pytest.fixture(scope="module")
def fitted():
    return bs.SEM(MODEL).fit(
        data(), cluster="firm", draws=150, tune=200, chains=2, random_seed=1, progress=False
    )


def balanced(y, within, between, mean):
    """Log-likelihood of balanced clusters, from their sums of squares (METHODS2, section 3)."""
    n, p = SIZE, y.shape[1]
    means = y.reshape(CLUSTERS, n, p).mean(axis=1)
    away = (y.reshape(CLUSTERS, n, p) - means[:, None]).reshape(-1, p)
    whole, d = within + n * between, means - mean
    deviance = len(y) * p * np.log(2 * np.pi)
    deviance += (len(y) - CLUSTERS) * np.linalg.slogdet(within)[1]
    deviance += np.trace(np.linalg.solve(within, away.T @ away))
    deviance += CLUSTERS * np.linalg.slogdet(whole)[1]
    return -0.5 * (deviance + n * np.trace(np.linalg.solve(whole, d.T @ d)))


def test_the_other_level_is_where_the_data_are_most_likely(fitted):
    sample, table = fitted.prepared.sample, fitted.prepared.table
    profile = level_profile(one_group(sample, 0), table)
    shift = len(sample.values) * np.log(profile.scale).sum()  # from standard units
    y = sample.values
    means = y.reshape(CLUSTERS, SIZE, 4).mean(axis=1)
    away = (y.reshape(CLUSTERS, SIZE, 4) - means[:, None]).reshape(-1, 4)
    own = SIZE * np.cov(means.T, bias=True)
    saturated = balanced(
        y, *(x := away.T @ away / (len(y) - CLUSTERS), (own - x) / SIZE), y.mean(0)
    )
    assert profile.log_likelihood - shift == pytest.approx(saturated, abs=1e-5)
    assert profile.maximum() - shift == pytest.approx(saturated, abs=1e-4)
    within = np.full((4, 4), 0.8) + 0.7 * np.eye(4)
    # with level 1 given, W + nB is the cluster means' own covariance
    exact = balanced(y, within, (own - within) / SIZE, y.mean(0))
    got = profile.maximum(profile.given(0, within, np.zeros(4)))
    assert got - shift == pytest.approx(exact, abs=1e-4)
    between, mean = np.full((4, 4), 0.5) + 0.4 * np.eye(4), np.array([0.1, 0.0, -0.1, 0.2])
    from scipy.optimize import minimize

    at = np.tril_indices(4)

    def loss(x):
        root = np.zeros((4, 4))
        root[at] = x
        return -balanced(y, root @ root.T, between, mean)

    found = minimize(loss, np.linalg.cholesky(within)[at], method="BFGS", options={"gtol": 1e-6})
    got = profile.maximum(profile.given(1, between, mean))
    assert got - shift == pytest.approx(-found.fun, abs=1e-4)


def test_discrepancies_are_those_of_maximum_likelihood(fitted):
    maximum = bs.SEM(MODEL).ml(data(), cluster="firm").measures
    found = level_discrepancies(fitted, times=20, generator=np.random.default_rng(1))
    whole, inner, outer = found.values()
    # no draw is nearer to the data than the maximum, and the mean is about its parameters away
    assert whole.data.min() >= maximum["chisq"] - 1e-3
    assert whole.data.mean() == pytest.approx(maximum["chisq"] + 20, abs=8)
    assert whole.baseline.mean() - whole.p_d_baseline == pytest.approx(
        maximum["baseline.chisq"], abs=5 * np.sqrt(2 * 12 / len(whole.baseline))
    )
    assert [x.counts.moments for x in (whole, inner, outer)] == [24, 10, 14]
    assert [x.counts.respondents for x in (whole, inner, outer)] == [200, 200, 40]
    # what a level alone is off by is a part of what both are
    assert inner.data.mean() < whole.data.mean() and outer.data.mean() < whole.data.mean()
    for one in (inner, outer):
        assert (one.data > -1e-3).all() and 0.0 < one.p_d < one.counts.moments + 4


def test_misfit_is_named_where_it_is():
    frame = data(2, twisted=1.5)  # by maximum likelihood p = .0004
    fit = bs.SEM(MODEL).fit(
        frame, cluster="firm", draws=100, tune=200, chains=2, random_seed=1, progress=False
    )
    found = fit.indices(replicas=60, random_seed=1)
    by_level = found.levels.set_index(["level", "index"])["mean"]
    assert by_level["within", "PPP"] > 0.2 and by_level["between", "PPP"] < 0.05
    assert by_level["between", "BRMSEA"] > 0.1 > by_level["within", "BRMSEA"]
    assert by_level["between", "units"] == CLUSTERS
    text = " ".join(str(found).split())
    assert "Between clusters, the other level saturated" in text and "N = 40" in text
    worst = fit.residuals().table.iloc[0]
    assert {worst.lhs, worst.rhs} <= {"y1", "y2", "y3", "y4"} and worst.group == "between"


def test_residuals_by_level_are_those_of_srmr(fitted):
    found = fitted.residuals()
    assert set(found.table["group"]) == {"within", "between"} and len(found.table) == 12
    assert list(found.means["group"]) == ["between"] * 4
    maximum = bs.SEM(MODEL).ml(data(), cluster="firm")
    # ours are over pairs, lavaan's over pairs and variances, whose residual is 0
    for level in ("within", "between"):
        own = found.draws.values[..., [x.endswith(f"[{level}]") for x in
                                       found.draws["residual"].values]]  # fmt: skip
        rms = np.sqrt((own**2).sum(axis=-1) / 10)
        assert rms.min() > 0.3 * maximum.measures[f"srmr_{level}"]
        assert own.shape[-1] == 6


def test_random_slopes_have_no_saturated_model():
    rng = np.random.default_rng(2)
    code = np.repeat(np.arange(20), 6)
    x = rng.normal(size=120)
    y = rng.normal(size=20)[code] + (0.5 + 0.3 * rng.normal(size=20))[code] * x
    frame = pd.DataFrame({"y": y + rng.normal(size=120), "x": x, "firm": code})
    fit = bs.SEM('level: 1\ny ~ rv("s")*x\nlevel: 2\ny ~~ y\ns ~~ s').fit(
        frame, cluster="firm", draws=20, tune=60, chains=1, random_seed=1, progress=False
    )
    for ask in (fit.indices, fit.residuals):
        with pytest.raises(NotSupported, match="predictive_check looks at each level by itself"):
            ask()


def test_priors_of_two_levels(fitted):
    found = fitted.sensitivity()
    assert set(found.table["group"]) == {"within", "between"} and len(found.table) == 8
    stored = fitted.draws["log_likelihood"]["y"].sum("cluster")
    np.testing.assert_allclose(found.log_likelihood.values, stored.values, rtol=1e-12)
    before = bs.SEM(MODEL).prior_consequences(
        data(), cluster="firm", draws=200, priors={"fb=~y2": "normal(1, 0.001)"}
    )
    drawn = before.draws.sel(quantity="standardised loading: fb =~ y2 [between]")
    assert (drawn > 0).all()
    assert set(before.table["group"]) == {"within", "between"}


def test_modification_indices_are_about_a_level():
    rng = np.random.default_rng(4)
    code = np.repeat(np.arange(150), 4)
    own = 0.6 * rng.normal(size=(150, 4))
    own[:, 1] += 0.35 * own[:, 0] + 0.2 * rng.normal(size=150)
    f = rng.normal(size=len(code)) + (0.9 * rng.normal(size=150))[code]
    y = f[:, None] + 0.8 * rng.normal(size=(len(code), 4)) + own[code]
    frame = pd.DataFrame(y, columns=["y1", "y2", "y3", "y4"]).assign(firm=code)
    maximum = bs.SEM(MODEL).ml(frame, cluster="firm")
    rows = candidate_rows(maximum.prepared.structure)
    assert {r.op for r in rows} == {"~~"} and len(rows) == 12  # no construct of the other level
    elements = maximum.elements.reshape(1, -1)
    exact = modification_values(maximum.prepared, elements, rows)[0]
    centre = elements[0]
    drawn = modification_values(maximum.prepared, elements, rows, centre=centre, random_seed=1)[0]
    known = ~np.isnan(exact[:, 0])
    np.testing.assert_allclose(drawn[known, 2], exact[known, 2], rtol=0.15)
    at = next(k for k, r in enumerate(rows) if (r.group, r.lhs, r.rhs) == (1, "y1", "y2"))
    freed = bs.SEM(MODEL + "\ny1 ~~ y2").ml(frame, cluster="firm")
    # the score test is the likelihood-ratio test but for terms of higher order
    gain = maximum.measures["chisq"] - freed.measures["chisq"]
    assert exact[at, 0] == pytest.approx(gain, rel=0.25) and gain > 4
    row = freed.table.query("lhs == 'y1' and op == '~~' and rhs == 'y2'").iloc[0]
    assert abs(exact[at, 1] - row.est) < row.se
    fit = bs.SEM(MODEL).fit(
        frame, cluster="firm", draws=60, tune=150, chains=2, random_seed=1, progress=False
    )
    table = fit.modification_indices(progress=False).table
    assert set(table["group"]) <= {"within", "between"}
    assert table.iloc[0]["group"] == "between"
