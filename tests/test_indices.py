"""Global fit: formulas, the discrepancy and its replicas, PPP of a published model."""

import math

import numpy as np
import pandas as pd
import pytest
from example_models import ABILITIES, QUADRATIC, abilities, prepared
from scipy.stats import ks_2samp

from bayessem import SEM, load
from bayessem.criticism import counterpart
from bayessem.criticism import discrepancy as disc
from bayessem.criticism.baseline import baseline_log_likelihoods
from bayessem.criticism.discrepancy import Counts
from bayessem.criticism.indices import INDICES, bayesian_indices, effective_parameters, fit_indices
from bayessem.errors import FitError
from bayessem.model.saturated import baseline_log_likelihood, normal_log_likelihood, saturate
from bayessem.model.saturated import pattern_moments as patterns_of
from bayessem.model.structure import build_structure
from bayessem.results.simulate import elements_at, simulate

COUNTS = Counts(moments=54, variables=9, respondents=301, groups=2)


def test_formulas_of_one_draw():
    # Garnier-Villarreal & Jorgensen (2020), written out for D = 120, pD = 30, D0 = 950, pD0 = 18
    found = bayesian_indices(
        np.array([120.0]), np.array([950.0]), p_d=30.0, p_d_baseline=18.0, counts=COUNTS
    )
    nonc, df, nonc0, df0 = 66.0, 24.0, 896.0, 36.0
    gamma = 9 / (9 + 2 * nonc / 301)
    expected = {
        "BRMSEA": math.sqrt(nonc / (df * 301)) * math.sqrt(2),
        "BGammaHat": gamma,
        "adjBGammaHat": 1 - 54 / df * (1 - gamma),
        "BMc": math.exp(-nonc / 602),
        "BCFI": 1 - nonc / nonc0,
        "BTLI": (932 / df0 - 90 / df) / (932 / df0 - 1),
        "BNFI": (932 - 90) / 932,
    }
    assert tuple(found) == INDICES
    for name, value in expected.items():
        assert found[name][0] == pytest.approx(value, rel=1e-12), name


def test_the_same_misfit_in_two_groups_is_that_of_one():
    """Absolute indices do not get better for being asked of more groups alike."""
    one, two = (
        bayesian_indices(
            np.array([120.0 * g]),
            np.array([950.0 * g]),
            p_d=30.0 * g,
            p_d_baseline=18.0 * g,
            counts=Counts(moments=54 * g, variables=9, respondents=301 * g, groups=g),
        )
        for g in (1, 2)
    )
    for name in INDICES:
        assert two[name][0] == pytest.approx(one[name][0]), name


def test_a_discrepancy_below_its_expectation_is_perfect_fit():
    found = bayesian_indices(
        np.array([40.0]), np.array([950.0]), p_d=30.0, p_d_baseline=18.0, counts=COUNTS
    )
    assert found["BRMSEA"][0] == 0.0
    assert found["BGammaHat"][0] == found["BMc"][0] == found["BCFI"][0] == 1.0


def test_what_divides_by_df_is_undefined_without_any():
    found = bayesian_indices(
        np.array([60.0]), np.array([950.0]), p_d=55.0, p_d_baseline=18.0, counts=COUNTS
    )
    undefined = {name for name in INDICES if np.isnan(found[name][0])}
    assert undefined == {"BRMSEA", "adjBGammaHat", "BTLI"}


def test_relative_indices_are_undefined_where_the_baseline_fits():
    found = bayesian_indices(
        np.array([60.0, 60.0]), np.array([50.0, 95.0]), p_d=30.0, p_d_baseline=18.0, counts=COUNTS
    )
    assert np.isnan(found["BCFI"]).tolist() == [True, False]
    assert np.isnan(found["BTLI"]).tolist() == [True, False]


def test_indices_are_their_formulas_on_the_stored_draws(hs_fit):
    result = fit_indices(hs_fit)
    log_likelihood = hs_fit.data["log_likelihood"]["y"].values
    saturated = saturate(hs_fit.prepared.sample).log_likelihood
    d = 2 * (saturated - log_likelihood.sum(axis=-1))
    np.testing.assert_allclose(result.discrepancy.values, d)
    assert result.p_star == 9 * 10 / 2 + 9
    assert result.p_d == pytest.approx(effective_parameters(log_likelihood)[0])
    nonc = np.maximum(0, d - 54)
    rmsea = np.sqrt(nonc / ((54 - result.p_d) * 301))
    np.testing.assert_allclose(result.draws.sel(index="BRMSEA").values, rmsea)
    row = result.table.set_index("index").loc["BRMSEA"]
    assert row["mean"] == pytest.approx(rmsea.mean())
    assert row["lower"] == pytest.approx(np.quantile(rmsea, 0.025))
    assert f"Posterior predictive p-value {result.ppp:.3f}" in str(result)
    assert "nearer to it than the data do" in " ".join(str(result).split())


def test_the_discrepancy_at_the_maximum_is_chi_square():
    ml = SEM(ABILITIES).ml(abilities(), se="none")
    ceiling = disc.saturated_log_likelihood(ml.prepared)
    assert 2 * (ceiling - ml.logl) == pytest.approx(ml.measures["chisq"], abs=1e-6)


def test_indices_lie_around_their_companions_of_maximum_likelihood():
    sem = SEM("speed =~ x7 + x8 + x9\ntextual =~ x4 + x5 + x6\nspeed ~ textual + ageyr")
    data = abilities()
    fit = sem.fit(data, group="school", random_seed=1, draws=250, tune=250, progress=False)
    result = fit_indices(fit)
    ml = sem.ml(data, group="school", se="none").measures
    table = result.table.set_index("index")
    assert result.p_star == ml["df"] + ml["npar"]
    for index, name in (("BRMSEA", "rmsea"), ("BCFI", "cfi"), ("BTLI", "tli"), ("BMc", "mfi")):
        distance = abs(table.loc[index, "mean"] - ml[name]) / table.loc[index, "sd"]
        assert distance < 1.5, (index, table.loc[index, "mean"], ml[name])
    assert "given the covariates (ageyr)" in result.notes[-1]


def test_ppp_of_the_published_abilities_model():
    # refcase E01: blavaan 0.5-10 prints PPP 0.000 with these priors
    priors = {
        "loading": "normal(0, 10)",
        "intercept": "normal(0, 32)",
        "residual_sd": "gamma(1, 0.5)",
    }
    fit = SEM(ABILITIES, std_lv=True).fit(
        abilities(), priors=priors, random_seed=1, draws=300, tune=300, progress=False
    )
    # 0.000 from blavaan's 3,000 draws: at most .0005 and three Monte Carlo errors
    ppp = fit_indices(fit, replicas=40_000).ppp
    assert ppp < 0.0005 + 3 * math.sqrt(0.0005 / 3000)


MODEL = "f =~ y1 + y2 + y3\nf ~ x"


def replicated_by_hand(structure, elements, x, count, seed):
    """D of simulated data sets, covariate kept, from nothing but saturated likelihoods."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        m = structure.matrices(elements)
        eta = m["means"][0] + m["paths"][0, 1] * x
        eta = eta + np.sqrt(m["disturbances"][0, 0]) * rng.standard_normal(len(x))
        noise = np.sqrt(np.diag(m["residuals"]))[:3] * rng.standard_normal((len(x), 3))
        y = m["intercepts"][:3] + np.outer(eta, m["loadings"][:3, 0]) + noise
        data = pd.DataFrame(np.column_stack([y, x]), columns=["y1", "y2", "y3", "x"])
        p = prepared(MODEL, data)
        mean, covariance = moments(structure, elements)
        model = normal_log_likelihood(patterns_of(p.sample, group=0), mean, covariance)
        full = saturate(p.sample).log_likelihood
        out.append(2 * (full - model))
    return np.array(out)


def moments(structure, elements):
    from bayessem.results.standardize import model_moments

    found = model_moments(structure, elements)
    return found.observed_mean, found.observed_covariance


@pytest.fixture(scope="module")
def covariate_model():
    rng = np.random.default_rng(4)
    x = rng.normal(1.0, 2.0, size=40)
    structure = build_structure(SEM(MODEL).table)
    values = {"f=~y2": 0.8, "f=~y3": 1.2, "f~x": 0.5, "y1~~y1": 0.5, "y2~~y2": 0.6, "y3~~y3": 0.4}
    values |= {"f~~f": 0.7, "y1~1": 1.0, "y2~1": 0.0, "y3~1": -1.0}
    values |= {"x~~x": float(x.var()), "x~1": float(x.mean())}
    elements = elements_at(structure, values)
    data = simulate(structure, elements, 40, random_seed=1).assign(x=x)
    return prepared(MODEL, data), elements


def test_replicas_of_complete_data_have_the_distribution_of_simulated_ones(covariate_model):
    p, elements = covariate_model
    x = p.sample.values[:, 3]
    slow = replicated_by_hand(p.structure, elements, x, 200, 2)
    fast = disc.replicated_complete(p, 4000, generator=np.random.default_rng(3))
    assert ks_2samp(slow, fast).pvalue > 0.01
    assert fast.mean() == pytest.approx(slow.mean(), abs=4 * slow.std() / 14)


def test_replicas_of_incomplete_data_agree_with_those_of_complete_ones(covariate_model):
    p, elements = covariate_model
    many = np.repeat(elements[None], 400, axis=0)
    slow = disc.replicated_incomplete(p, many, generator=np.random.default_rng(5))
    fast = disc.replicated_complete(p, 4000, generator=np.random.default_rng(6))
    assert ks_2samp(slow, fast).pvalue > 0.01


def incomplete_abilities():
    data = abilities()
    rng = np.random.default_rng(0)
    for name in ("x1", "x5", "x9"):
        data.loc[rng.random(len(data)) < 0.2, name] = np.nan
    return data


def test_em_of_all_replicas_finds_the_saturated_likelihood():
    p = prepared(ABILITIES, incomplete_abilities())
    replicas = [
        disc._Replica(x.variables, x.count, x.mean[None], x.covariance[None])
        for x in patterns_of(p.sample, group=0)
    ]
    start = np.nanmean(p.sample.values, axis=0)[None], np.diag(p.sample.sds**2)[None]
    found = disc._saturated(replicas, *start)
    assert found[0] == pytest.approx(saturate(p.sample).log_likelihood, abs=5e-3)


def test_indices_with_missing_values():
    fit = SEM(ABILITIES).fit(
        incomplete_abilities(), random_seed=1, draws=250, tune=300, progress=False
    )
    result = fit_indices(fit, replicas=100)
    assert result.replicas == 100
    assert result.ppp < 0.01
    # D of replicated data is chi-square(p*) for large samples
    assert result.replicated.mean() == pytest.approx(54, abs=4 * math.sqrt(2 * 54 / 100))
    assert "100 replicated data sets" in " ".join(result.notes)


def test_the_baseline_draws_lie_around_its_maximum():
    p = prepared(ABILITIES, abilities())
    draws = baseline_log_likelihoods(p, 2000, generator=np.random.default_rng(1)).sum(axis=1)
    top = baseline_log_likelihood(p.sample, [])
    assert (draws < top).all()
    # 2 (max - draw) is chi-square with 18 degrees of freedom, nearly
    assert 2 * (top - draws).mean() == pytest.approx(18, abs=0.5)


def test_without_means_only_covariances_count():
    p = SEM(ABILITIES, meanstructure=False).prepare(abilities())
    assert disc.count_moments(p).moments == 45
    fast = disc.replicated_complete(p, 4000, generator=np.random.default_rng(3))
    # chi-square(45) but for the sample's size
    assert fast.mean() == pytest.approx(45.8, abs=0.6)
    draws = baseline_log_likelihoods(p, 2000, generator=np.random.default_rng(1)).sum(axis=1)
    top = baseline_log_likelihood(p.sample, [])
    assert 2 * (top - draws).mean() == pytest.approx(9, abs=0.4)


@pytest.fixture(scope="module")
def quadratic_fit():
    structure = build_structure(SEM(QUADRATIC).table)
    values = {}
    for name in SEM(QUADRATIC).table.parameters:
        values[name] = 0.4 if "~~" in name else 0.0 if name.endswith("~1") else 0.8
    values |= {"f~~f": 1.0}
    data = simulate(structure, elements_at(structure, values), 150, random_seed=3)
    return SEM(QUADRATIC).fit(data, random_seed=1, draws=200, tune=300, progress=False)


def test_indices_of_a_quadratic_model_are_those_of_its_linear_counterpart(quadratic_fit):
    result = fit_indices(quadratic_fit)
    assert result.linear
    assert str(result).startswith("Global fit of the linear counterpart")
    line = SEM("f =~ x1 + x2 + x3\ng =~ x4 + x5 + x6\ng ~ f")
    data = pd.DataFrame(
        quadratic_fit.prepared.sample.values, columns=quadratic_fit.prepared.sample.variables
    )
    own = line.fit(data, random_seed=2, draws=200, tune=300, progress=False)
    ours = result.discrepancy
    theirs = fit_indices(own).discrepancy
    assert float(ours.mean()) == pytest.approx(float(theirs.mean()), abs=1.5)


def test_a_saturated_model_says_why_its_indices_are_undefined(hs_fit):
    data = abilities()[["x1", "x2", "x3"]]
    fit = SEM("f =~ x1 + x2 + x3").fit(data, random_seed=1, draws=200, tune=300, progress=False)
    result = fit_indices(fit)
    table = result.table.set_index("index")
    if result.p_d >= result.p_star:
        assert np.isnan(table.loc["BRMSEA", "mean"])
        assert "not defined" in result.notes[0]
    else:
        assert table.loc["BMc", "mean"] > 0.98
    assert 0.1 < result.ppp < 0.9


def test_replicas_must_be_positive(hs_fit):
    with pytest.raises(FitError, match="replicas has to be at least 1"):
        fit_indices(hs_fit, replicas=0)


def test_the_linear_counterpart_is_sampled_once_and_a_saved_fit_answers_alike(
    quadratic_fit, tmp_path, monkeypatch
):
    fit = load(quadratic_fit.save(tmp_path / "run"))  # nothing kept as yet
    sampled = []
    original = counterpart.estimate

    def counted(*given, **options):
        sampled.append(given)
        return original(*given, **options)

    monkeypatch.setattr(counterpart, "estimate", counted)
    one, again = fit.indices(), fit.indices(ci_prob=0.8, random_seed=0)
    assert len(sampled) == 1
    pd.testing.assert_frame_equal(
        one.table.drop(columns=["lower", "upper"]), again.table.drop(columns=["lower", "upper"])
    )
    assert (one.table["lower"] <= again.table["lower"]).all()
    assert (one.table["lower"] < again.table["lower"]).any()
    pd.testing.assert_frame_equal(quadratic_fit.indices().table, one.table)
    other = fit.indices(random_seed=1)  # of the replicas and the baseline, not of the sampling
    np.testing.assert_array_equal(other.discrepancy.values, one.discrepancy.values)
    assert other.ppp != one.ppp or (other.replicated != one.replicated).any()
    assert len(sampled) <= 2  # and the fresh fit's own, when no other test asked before
