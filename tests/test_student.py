"""Heavy tails: outliers, degrees of freedom, weights, draws, what is compared and refused."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayessem as bs
from bayessem.comparison.comparable import check_comparable
from bayessem.comparison.criterion import target_of
from bayessem.errors import FitError, ModelError, NotSupported
from bayessem.model.prepare import prepare
from bayessem.posterior.assemble import posterior_density
from bayessem.report.sections import fit_of_the_model
from bayessem.results.simulate import elements_at, simulate
from bayessem.results.tails import distances, scale_given
from bayessem.syntax.specification import Specification
from bayessem.text.document import Document
from bayessem.text.terminal import document_text

MODEL = "F =~ x1 + x2 + x3\nG =~ y1 + y2 + y3\nG ~ F"
SHORT = {"draws": 300, "tune": 300, "chains": 2, "random_seed": 1, "progress": False}
VALUES = {
    **{f"F=~x{j}": 1.0 for j in (2, 3)},
    **{f"G=~y{j}": 1.0 for j in (2, 3)},
    **{f"{v}{j}~~{v}{j}": 0.5 for v in "xy" for j in (1, 2, 3)},
    **{f"{v}{j}~1": 0.0 for v in "xy" for j in (1, 2, 3)},
    "F~~F": 1.0,
    "G~~G": 0.7,
    "G~F": 0.5,
}


def _drawn(n: int, nu: float | None, seed: int = 1) -> pd.DataFrame:
    sem = bs.SEM(MODEL, family="student" if nu else None)
    values = VALUES | ({"nu": nu} if nu else {})
    return sem.simulate(values, n, random_seed=seed)


def _estimates(data: pd.DataFrame, family: str | None, **options: object) -> pd.DataFrame:
    found = bs.SEM(MODEL, family=family).ml(data, **options)
    assert found.converged
    return found.table.set_index(["lhs", "op", "rhs"])


@pytest.fixture(scope="module")
def heavy():
    return _drawn(250, 4.0, seed=3)


@pytest.fixture(scope="module")
def fit(heavy):
    return bs.SEM(MODEL, family="student").fit(heavy, **SHORT)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_planted_outliers_do_not_move_paths(seed):
    """Of 400 respondents 8 are anywhere, 6 sd out: the path, in sds, moves by less than .1."""
    data = _drawn(400, None)
    path = ("G", "~", "F")
    clean = _estimates(data, None)
    spoilt = data.copy()
    spoilt.iloc[:8] += 6.0 * np.random.default_rng(seed).standard_normal((8, 6))
    heavy, normal = (_estimates(spoilt, family) for family in ("student", None))
    assert abs(heavy.est[path] - clean.est[path]) < min(0.1, 0.8 * clean.se[path])
    assert abs(normal.est[path] - clean.est[path]) > max(0.1, 2.0 * clean.se[path])


@pytest.mark.parametrize("nu", [3.0, 6.0, 15.0])
def test_degrees_of_freedom_are_recovered(nu):
    found = _estimates(_drawn(3000, nu), "student").loc[("nu", "nu", "")]
    assert abs(found.est - nu) < 3.0 * found.se
    assert found.se < 0.15 * nu


def test_normal_data_have_no_tails():
    data = _drawn(400, None)
    found = bs.SEM(MODEL, family="student").ml(data)
    normal = bs.SEM(MODEL).ml(data)
    assert found.converged
    assert "no heavier tails than the normal distribution" in found.problems[0]
    assert found.logl == pytest.approx(normal.logl, abs=0.5)
    own = found.table.set_index(["lhs", "op", "rhs"]).est.drop(("nu", "nu", ""))
    other = normal.table.set_index(["lhs", "op", "rhs"])
    np.testing.assert_allclose(own, other.est.reindex(own.index), atol=5e-3)


def test_maximum_is_that_of_em():
    """A saturated model of two variables, whose t has an EM algorithm (Lange et al. 1989)."""
    data = _drawn(150, 4.0)[["x1", "x2"]]
    found = bs.SEM("x1 ~~ x2\nx1 ~ 1\nx2 ~ 1", family="student").ml(data)
    nu = found.table.set_index(["lhs", "op", "rhs"]).est[("nu", "nu", "")]
    y = data.to_numpy()
    mean, scale = y.mean(axis=0), np.cov(y.T)
    for _ in range(500):
        d = np.sum((y - mean) @ np.linalg.inv(scale) * (y - mean), axis=1)
        w = (nu + 2) / (nu + d)
        mean = w @ y / w.sum()
        scale = (w[:, None] * (y - mean)).T @ (y - mean) / len(y)
    est = found.table.set_index(["lhs", "op", "rhs"]).est
    covariance = scale * nu / (nu - 2.0)
    assert est[("x1", "~1", "")] == pytest.approx(mean[0], abs=1e-5)
    assert est[("x1", "~~", "x2")] == pytest.approx(covariance[0, 1], abs=1e-4)
    assert est[("x2", "~~", "x2")] == pytest.approx(covariance[1, 1], abs=1e-4)
    # nu itself: the likelihood with all else at its best is lower on both sides
    logl = [
        stats.multivariate_t(mean, scale * f, df=nu * g).logpdf(y).sum()
        for f, g in ((1.0, 1.0), (1.02, 1.1), (0.98, 0.9))
    ]
    assert found.logl == pytest.approx(logl[0], abs=1e-6)
    assert logl[0] > max(logl[1:])


def test_sampling_weights_count_rows():
    data = _drawn(120, 5.0)
    times = 1 + np.arange(120) % 3
    whole = _estimates(data.loc[data.index.repeat(times)].reset_index(drop=True), "student")
    # weights are scaled to sum to the respondents, which leaves estimates alone
    weighted = _estimates(data.assign(w=times.astype(float)), "student", weights="w")
    np.testing.assert_allclose(weighted.est, whole.est, rtol=1e-4, atol=1e-4)


def test_weights_are_those_of_the_formula_and_name_who_is_out():
    data = _drawn(200, None)
    data.iloc[17] += [9.0, -9.0, 9.0, -9.0, 9.0, -9.0]
    data.loc[3, "x1"] = np.nan
    found = bs.SEM(MODEL, family="student").ml(data)
    weights = found.weights()
    assert weights.outlying == ("17",)
    assert weights.table.index[0] == 17
    assert "17" in str(weights) and "outlying" in str(weights)
    nu = found.x[-1]
    cov = found.prepared.structure, found.elements[None], found.prepared.sample
    d, count = distances(*cov)
    assert count[3] == 5 and count[4] == 6
    expected = (nu + count) / (nu + d[0] * nu / (nu - 2.0))
    np.testing.assert_allclose(weights.table["weight"].sort_index(), expected, rtol=1e-12)
    # the scores of a maximum are 0: the weights average to 1 over the variables
    assert weights.table["weight"].mean() == pytest.approx(1.0, abs=0.05)


def test_data_are_drawn_from_the_t():
    p = prepare(Specification(MODEL, family="student"), _drawn(50, 5.0))
    elements = elements_at(p.structure, VALUES | {"nu": 5.0})
    data = simulate(p.structure, elements, 20_000, random_seed=1)
    new = prepare(Specification(MODEL, family="student"), data)
    d = distances(p.structure, elements[None], new.sample)[0][0]
    # d by the scale matrix over p is F with p and nu degrees of freedom
    assert stats.kstest(d * 5.0 / 3.0 / 6.0, stats.f(6, 5).cdf).pvalue > 1e-3


def test_what_is_left_of_a_respondent_is_wider_for_outlying_ones():
    data = _drawn(40, 5.0)
    data.iloc[0] += 8.0
    p = prepare(Specification(MODEL, family="student"), data)
    elements = elements_at(p.structure, VALUES | {"nu": 5.0})
    d, count = distances(p.structure, elements[None], p.sample)
    rng = np.random.default_rng(1)
    drawn = np.array([scale_given(p.structure, elements, p.sample, rng) for _ in range(4000)]) ** 2
    error = drawn.std(axis=0) / np.sqrt(len(drawn))
    assert (np.abs(drawn.mean(axis=0) - (3.0 + d[0]) / (3.0 + count)) < 5.0 * error).all()


def test_a_fit_answers(fit, tmp_path):
    table = fit.summary().set_index(["lhs", "op", "rhs"])
    row = table.loc[("nu", "nu", "")]
    assert row["lower"] < row["mean"] < row["upper"] and row["lower"] > 2.0
    assert np.isnan(row["std"])
    assert "Degrees of freedom" in str(fit)
    checked = fit.predictive_check(draws=20)
    assert not checked.table.empty
    predicted = fit.predict(pd.DataFrame({"x1": [0.5, 9.0]}), variables="y1", draws=200).table
    assert predicted["sd"].iloc[1] > predicted["sd"].iloc[0]  # of an outlying row less is known
    assert set(fit.scores(draws=20)) == {"F", "F_sd", "G", "G_sd"}
    assert set(fit.loo_pit().table["verdict"]) <= {"calibrated"}
    again = bs.load(fit.save(tmp_path / "fit"))
    pd.testing.assert_frame_equal(again.weights().table, fit.weights().table)
    pd.testing.assert_frame_equal(again.summary(), fit.summary())


def test_a_report_names_who_is_outlying(fit):
    contents = SimpleNamespace(
        fit=fit,
        indices=None,
        residuals=None,
        predictive=None,
        answers=None,
        weights=fit.weights(draws=20),
        ml=None,
        reasons={},
    )
    said = document_text(Document.of(fit_of_the_model(contents)))
    assert "Outlying respondents" in said and f"of {fit.prepared.sample.size} respondents" in said


def test_a_t_is_compared_with_a_normal_model_and_not_with_counts(fit, heavy):
    normal = bs.SEM(MODEL).fit(heavy, **SHORT)
    compared = bs.compare({"t": fit, "normal": normal})
    assert compared.table.index[0] == "t"
    counts = heavy.assign(x1=np.arange(len(heavy)) % 5)
    count = prepare(Specification(MODEL, family={"x1": "poisson"}), counts)
    tailed = prepare(Specification(MODEL, family="student"), counts)
    targets = {"t": target_of(tailed), "count": target_of(count)}
    with pytest.raises(FitError, match="no common unit"):
        check_comparable(targets)


def test_priors_of_the_degrees_of_freedom(heavy):
    sem = bs.SEM(MODEL, family="student")
    assert "nu" in str(sem.priors(heavy))
    for prior, exact in {
        "gamma(2, 0.1)": stats.gamma(2, scale=10),
        "exponential(0.1)": stats.expon(scale=10),
        "log_normal(2, 1)": stats.lognorm(1, scale=np.exp(2)),
        "half_normal(30)": stats.halfnorm(scale=30),
        "inverse_gamma(3, 30)": stats.invgamma(3, scale=30),
    }.items():
        p = prepare(sem, heavy, priors={"nu": prior})
        own = p.space.coordinates[-1]
        assert (own.name, own.lower) == ("nu", 2.0)
        density = posterior_density(p.space, p.structure, p.sample)
        x = np.random.default_rng(1).uniform(-0.2, 0.2, density.size)
        x[-1] = np.log(7.0 - 2.0)  # nu = 7
        others = prepare(sem, heavy, priors={"nu": "uniform(2, 100)"})
        flat = posterior_density(others.space, others.structure, others.sample)
        y = x.copy()
        y[-1] = np.log(5.0 / 93.0)
        jacobian = np.log(5.0) - np.log(5.0 * 93.0 / 98.0)
        expected = exact.logpdf(7.0) - exact.logsf(2.0) + np.log(98.0) + jacobian
        found = density.value_and_gradient(x)[0] - flat.value_and_gradient(y)[0]
        assert found == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(
    ("model", "options", "error", "said"),
    [
        (MODEL + " + F:F", {"family": "student"}, NotSupported, "products"),
        ("C <~ x1 + x2\ny1 ~ C", {"family": "student"}, NotSupported, "composites"),
        (MODEL, {"family": "student", "ordered": ["x1"]}, NotSupported, "x1"),
        (MODEL, {"family": "t"}, ModelError, "student"),
        (MODEL.replace("G ~ F", "G ~ nu*F"), {"family": "student"}, ModelError, "label"),
        ("level: 1\ny1 ~ x1\nlevel: 2\ny1 ~ x2", {"family": "student"}, NotSupported, "two-level"),
    ],
)
def test_models_that_cannot_have_heavy_tails(model, options, error, said):
    with pytest.raises(error, match=said):
        bs.SEM(model, **options)


def test_what_is_about_normal_respondents_is_refused(fit, heavy):
    sem = bs.SEM(MODEL, family="student")
    for call in (fit.indices, fit.residuals, fit.modification_indices, fit.pymc):
        with pytest.raises(NotSupported, match="heavy tails"):
            call()
    with pytest.raises(NotSupported, match="heavy tails"):
        sem.fit(heavy.assign(g=np.arange(250) % 5), group="g", pooling=bs.partial("G ~ F"))
    with pytest.raises(NotSupported, match="count alike"):
        bs.SEM(MODEL).ml(heavy).weights()
    with pytest.raises(ModelError, match="heavy tails"):
        sem.ml(heavy, se="expected")
