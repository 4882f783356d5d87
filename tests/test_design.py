"""Sampling weights, clusters without levels: lavaan's numbers, a sandwich by hand, projection."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import approx_fprime

import bayessem as bs
from bayessem.errors import BayessemWarning, DataError, ModelError, NotSupported
from bayessem.model.design import Design
from bayessem.results.projection import projected

MODEL = "f =~ y1 + y2 + y3\nf ~ x"
# lavaan 0.6-14, sem(MODEL, data, meanstructure = TRUE, estimator = "MLR", ...): estimates and
# standard errors of f=~y2, f=~y3, f~x, y1~~y1, y2~~y2, y3~~y3, f~~f, y1~1, y2~1, y3~1
LAVAAN = {
    "cluster": """
        0.72831063 0.05879007 0.82728612 0.04810589 0.53717752 0.06301737 0.45213817 0.07673574
        0.59685486 0.05997045 0.38557478 0.05099993 1.16251834 0.13105917 1.09563062 0.07887656
        2.05208271 0.06630236 0.00749709 0.06173756""",
    "weights": """
        0.71561838 0.05542182 0.82708843 0.04534849 0.56292948 0.06833119 0.45859046 0.07712330
        0.57948484 0.05175375 0.39657772 0.05608831 1.20536855 0.14272106 1.16065067 0.07727373
        2.08029244 0.06378416 0.05351737 0.06807683""",
    "both": """
        0.71561838 0.06302115 0.82708843 0.04923804 0.56292948 0.06946334 0.45859046 0.08270949
        0.57948484 0.05341618 0.39657772 0.06113940 1.20536855 0.14156400 1.16065067 0.08562882
        2.08029244 0.06825754 0.05351737 0.06545013""",
}  # fmt: skip
ARGUMENTS = {
    "cluster": {"cluster": "psu"},
    "weights": {"weights": "w"},
    "both": {"weights": "w", "cluster": "psu"},
}


@pytest.fixture(scope="module")
def survey():
    """Respondents of 60 primary sampling units with unequal weights."""
    rng = np.random.default_rng(4)
    frames = []
    for j in range(60):
        n = rng.integers(3, 9)
        u = rng.normal(size=3) * 0.5
        x = rng.normal(size=n)
        f = 0.5 * x + 0.6 * u[0] + rng.normal(size=n)
        own = {
            "x": x,
            "y1": 1 + f + rng.normal(size=n) * 0.7,
            "y2": 2 + 0.8 * f + rng.normal(size=n) * 0.7,
            "y3": 0.9 * f + rng.normal(size=n) * 0.7,
            "psu": j,
            "w": np.exp(0.4 * rng.normal(size=n) + 0.3 * u[1]),
        }
        frames.append(pd.DataFrame(own))
    return pd.concat(frames, ignore_index=True)


def free(fit):
    return fit.table[fit.table.free]


@pytest.mark.parametrize("case", LAVAAN)
def test_lavaans_numbers(survey, case):
    want = np.array(LAVAAN[case].split(), dtype=float).reshape(-1, 2)
    got = free(bs.SEM(MODEL).ml(survey, **ARGUMENTS[case]))
    np.testing.assert_allclose(got.est, want[:, 0], atol=2e-6)
    np.testing.assert_allclose(got.se, want[:, 1], rtol=1e-5)


def test_chi_square_and_likelihood_are_weighted(survey):
    fit = bs.SEM(MODEL).ml(survey, weights="w")
    assert fit.logl == pytest.approx(-1357.2915, abs=1e-3)  # lavaan 0.6-14
    assert fit.measures["chisq"] == pytest.approx(3.612304, abs=1e-5)
    assert any("chi-square" in text for text in fit.problems)


def test_the_sandwich_by_hand(survey):
    """A regression: weighted least squares, and scores summed by cluster."""
    fit = bs.SEM("y1 ~ x").ml(survey, weights="w", cluster="psu")
    w = survey.w.to_numpy() * len(survey) / survey.w.sum()
    design = np.column_stack([survey.x, np.ones(len(survey))])
    cross = design.T @ (w[:, None] * design)
    b = np.linalg.solve(cross, design.T @ (w * survey.y1))
    residual = survey.y1.to_numpy() - design @ b
    variance = np.average(residual**2, weights=w)
    by_cluster = pd.DataFrame(design * (w * residual)[:, None]).groupby(survey.psu).sum()
    meat = by_cluster.T @ by_cluster * 60 / 59
    bread = np.linalg.inv(cross)
    se = np.sqrt(np.diag(bread @ meat.to_numpy() @ bread))
    got = fit.table.set_index(fit.table.lhs + fit.table.op + fit.table.rhs)
    np.testing.assert_allclose(got.est[["y1~x", "y1~1"]], b, rtol=1e-6)
    np.testing.assert_allclose(got.se[["y1~x", "y1~1"]], se, rtol=1e-4)
    assert got.est["y1~~y1"] == pytest.approx(variance, rel=1e-6)


def test_whole_weights_are_copies(survey):
    """Respondents who count twice are two, as far as estimates go, missing values included."""
    rng = np.random.default_rng(1)
    data = survey.assign(k=rng.integers(1, 4, size=len(survey)))
    for name in ("y1", "y2", "y3"):
        data.loc[rng.random(len(data)) < 0.1, name] = np.nan
    copies = data.loc[data.index.repeat(data.k)].reset_index(drop=True)
    sem = bs.SEM("f =~ y1 + y2 + y3\nf ~ x + x:x + psu")
    one, other = sem.ml(data, weights="k"), sem.ml(copies)
    np.testing.assert_allclose(free(one).est, free(other).est, rtol=1e-4, atol=1e-5)
    assert one.logl * len(copies) / len(data) == pytest.approx(other.logl, rel=1e-6)


def test_whoever_has_a_weight_of_0_might_as_well_not_be_there(survey):
    """Also where all who lack the same answers have it, or all who have an answer at all."""
    data = survey.assign(w=np.where(survey.index % 9 == 0, 0.0, survey.w))
    data.loc[data.index % 9 == 0, "y1"] = np.nan
    data.loc[data.index % 10 == 3, "y2"] = np.nan
    sem = bs.SEM(MODEL)
    one, other = sem.ml(data, weights="w"), sem.ml(data[data.w > 0], weights="w")
    np.testing.assert_allclose(free(one).est, free(other).est, rtol=1e-6, atol=1e-8)
    quick = {"draws": 200, "tune": 200, "chains": 1, "random_seed": 1, "progress": False}
    assert np.isfinite(sem.fit(data, weights="w", **quick).values).all()
    unseen = data.assign(y3=data.y3.where(data.w == 0.0))
    with pytest.raises(DataError, match="y3 is constant"):
        sem.ml(unseen, weights="w")


def test_the_size_of_weights_and_the_order_of_rows_do_not_matter(survey):
    sem = bs.SEM(MODEL)
    one = sem.ml(survey, weights="w", cluster="psu")
    changed = survey.assign(w=1000 * survey.w).sample(frac=1.0, random_state=2)
    other = sem.ml(changed, weights="w", cluster="psu")
    np.testing.assert_allclose(other.table.se, one.table.se, rtol=1e-5)
    equal = sem.ml(survey.assign(w=7.0), weights="w")
    robust = sem.ml(survey, se="robust")
    np.testing.assert_allclose(equal.table.se, robust.table.se, rtol=1e-6)
    assert one.se == "robust" and sem.ml(survey).se == "observed"


def test_bad_weights_are_one_error_each(survey):
    sem = bs.SEM(MODEL)
    for values, said in (
        (survey.w.where(survey.index > 2), "'w' is missing for 3 respondents"),
        (survey.w - survey.w.median(), "'w' is negative for"),
        (survey.w.mask(survey.index == 4, np.inf), "'w' is infinite for 1 respondent;"),
        (0.0 * survey.w, "0 for all"),
        (survey.w.map(str) + " kg", "not numeric"),
    ):
        for ask in (sem.ml, sem.fit, sem.check):
            with pytest.raises(DataError, match=said):
                ask(survey.assign(w=values), weights="w")
    with pytest.raises(DataError, match="weights='ww' is not a column of the data"):
        sem.ml(survey, weights="ww")
    with pytest.raises(DataError, match="weights=.* is not a column"):
        sem.ml(survey, weights=survey.w)
    with pytest.raises(DataError, match="'psu' has 1 cluster"):
        sem.ml(survey.assign(psu=1), cluster="psu")


def test_where_weights_are_not_there_yet(survey):
    binary = survey.assign(y1=(survey.y1 > 1).astype(int))
    for text, data, options, error, said in (
        ("level: 1\n y1 ~ x\nlevel: 2\n y1 ~~ y1", survey, {}, NotSupported, "two-level models"),
        ("f =~ y1 + y2 + y3\ny3 ~ f:f", survey, {}, NotSupported, "products of constructs"),
        (MODEL, binary, {"ordered": ["y1"]}, NotSupported, "ordered answers"),
    ):
        with pytest.raises(error, match=said):
            bs.SEM(text, **options).fit(
                data, weights="w", cluster="psu" if "level" in text else None
            )
    with pytest.raises(NotSupported, match="partial pooling"):
        bs.SEM(MODEL).fit(survey.assign(g=survey.psu % 3), group="g", weights="w",
                          pooling=bs.partial("f ~ x"))  # fmt: skip
    with pytest.raises(NotSupported, match="drawn one by one"):
        bs.SEM(MODEL).ml(survey, weights="w", se="expected")
    with pytest.raises(NotSupported, match="engine='pymc' has no sampling weights"):
        bs.SEM(MODEL).fit(survey, weights="w", engine="pymc")
    with pytest.raises(ModelError, match=r"sem.ml\(data, cluster=...\)"):
        bs.SEM(MODEL).fit(survey, cluster="psu")


@pytest.fixture(scope="module")
def weighted(survey):
    return bs.SEM(MODEL).fit(
        survey, weights="w", cluster="psu", draws=1000, tune=400, chains=2, random_seed=1,
        progress=False,
    )  # fmt: skip


def test_draws_have_the_designs_spread(survey, weighted):
    ml = bs.SEM(MODEL).ml(survey, weights="w", cluster="psu")
    naive = bs.SEM(MODEL).ml(survey, weights="w", se="observed")
    both = weighted.summary().merge(free(ml), on=["lhs", "op", "rhs"])
    paths = both[both.op.isin(["=~", "~", "~1"])]
    assert (np.abs(paths["mean"] - paths["est"]) < 0.2 * paths["se"]).all()
    np.testing.assert_allclose(both["sd"], both["se"], rtol=0.15)
    assert np.abs(free(naive).se / free(ml).se - 1).max() > 0.2
    assert any("Williams & Savitsky" in note for note in weighted.notes)


def test_what_does_not_go_with_weights_is_said(weighted):
    with pytest.warns(BayessemWarning, match="cross-validation do not go together"):
        loo = weighted.loo()
    assert "do not go together" in " ".join(str(loo).split())
    for ask in (weighted.indices, weighted.residuals, weighted.predictive_check):
        with pytest.raises(NotSupported, match="count alike"):
            ask()


def test_a_saved_fit_keeps_its_design(weighted, tmp_path):
    weighted.save(tmp_path / "fit")
    again = bs.load(tmp_path / "fit")
    pd.testing.assert_frame_equal(again.summary(), weighted.summary())
    one, other = (x.prepared.sample.design for x in (weighted, again))
    np.testing.assert_array_equal(one.weights, other.weights)
    np.testing.assert_array_equal(one.code, other.code)


class Normal:
    """Respondents' log-likelihoods of a normal mean and log sd, for the projection alone."""

    def __init__(self, y):
        self.y = y

    def respondent_log_likelihood(self, values):
        mean, sd = values[..., :1], values[..., 1:]
        return -0.5 * ((self.y - mean) / sd) ** 2 - np.log(sd)


def test_the_projected_covariance_is_the_sandwich(survey):
    """Against S J S from scores by differences, with a prior too wide to matter."""
    prepared = bs.SEM("y1 ~~ y1").prepare(
        survey, weights="w", cluster="psu",
        priors={"y1~1": "normal(0, 1e4)", "y1~~y1": "half_normal(1e4)"},
    )  # fmt: skip
    y, design = survey.y1.to_numpy(), prepared.sample.design
    names = prepared.space.names
    order = [names.index("y1~1"), names.index("y1~~y1")]
    assert order == [0, 1]
    mean = np.average(y, weights=design.weights)
    sd = np.sqrt(np.average((y - mean) ** 2, weights=design.weights))
    n = len(y)
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(2, 2, 4000))
    means, sds = mean + sd / np.sqrt(n) * noise[0], sd * np.exp(noise[1] / np.sqrt(2 * n))
    draws = np.stack([means, sds], axis=-1)
    found, ratio = projected(draws, prepared.space, Normal(y), prepared.sample)
    out = np.stack([found[..., 0], np.log(found[..., 1])], axis=-1).reshape(-1, 2)
    centre = np.array([draws[..., 0].mean(), np.log(draws[..., 1]).mean()])

    def score(i):
        def log_density(t):
            return -0.5 * ((y[i] - t[0]) / np.exp(t[1])) ** 2 - t[1]

        return approx_fprime(centre, log_density, 1e-6)

    scores = np.array([score(i) for i in range(n)]) * design.weights[:, None]
    total = pd.DataFrame(scores).groupby(survey.psu).sum().to_numpy()
    flat = np.stack([draws[..., 0], np.log(draws[..., 1])], axis=-1).reshape(-1, 2)
    spread = np.cov(flat, rowvar=False)
    want = spread @ (total.T @ total * 60 / 59) @ spread
    np.testing.assert_allclose(np.cov(out, rowvar=False), want, rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(ratio, np.sqrt(np.diag(want) / np.diag(spread)), rtol=1e-3)
    np.testing.assert_allclose(out.mean(axis=0), centre, atol=1e-10)


def test_what_only_the_prior_knows_stays_unknown(survey):
    prepared = bs.SEM("y1 ~~ y1").prepare(survey, weights="w", priors={"y1~1": "normal(0, 2)"})

    class Nothing:
        def respondent_log_likelihood(self, values):
            out = np.zeros((*values.shape[:-1], len(survey)))
            return out - 50.0 * (np.log(values[..., 1:]) - np.log(1.3)) ** 2 / len(survey)

    rng = np.random.default_rng(0)
    draws = np.stack([2.0 * rng.normal(size=(2, 2000)),
                      1.3 * np.exp(0.1 * rng.normal(size=(2, 2000)))], axis=-1)  # fmt: skip
    found, ratio = projected(draws, prepared.space, Nothing(), prepared.sample)
    assert ratio[0] == pytest.approx(1.0, abs=0.05)
    assert found[..., 0].std() == pytest.approx(2.0, rel=0.1)


def test_groups_have_their_own_factor():
    design = Design(code=np.array([0, 0, 1, 2, 2]), cluster="c")
    scores = np.array([[1.0, 2.0, -3.0, 4.0, 5.0]])
    one = design.score_products(scores, np.zeros(5, dtype=int))
    assert one[0, 0] == pytest.approx((9 + 9 + 81) * 3 / 2)
    two = design.score_products(scores, np.array([0, 0, 0, 1, 1]))
    assert two[0, 0] == pytest.approx((9 + 9) * 2 + 81)  # one cluster has no factor
