"""Leave-one-out of ordered answers: repairs and refits against refits and sums made here."""

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

import bayessem as bs
from bayessem.comparison.loo import psis_loo
from bayessem.comparison.moment_matching import match_moments
from bayessem.comparison.refits import log_predictive, refit_without

ITEMS = ("x1", "x2", "x3", "x4")
MODEL = 'f =~ x1 + x2 + x3 + x4\nf ~ prior("normal(0, 1)")*w'
CUTS = [-1.2, -0.3, 0.5, 1.3]
ODD = (0, 2)
# all of two groups, so that one says what the other is like
EQUAL = ["loadings", "thresholds", "regressions", "means", "lv.variances", "residuals"]


@cache
def answers(n: int = 90) -> pd.DataFrame:
    """Five categories; three respondents contradict themselves, and one of them has a far w."""
    rng = np.random.default_rng(3)
    w = rng.standard_normal(n)
    f = 0.5 * w + rng.standard_normal(n)
    latent = np.outer(f, [1.0, 0.9, 0.8, 1.1]) + 0.7 * rng.standard_normal((n, 4))
    data = pd.DataFrame(1 + np.searchsorted(CUTS, latent), columns=list(ITEMS))
    data.loc[0, ITEMS], data.loc[1, ITEMS], data.loc[2, ITEMS] = (1, 5, 1, 5), (5, 1, 5, 1), 5
    w[2] = -2.5
    return data.assign(w=w, g=np.repeat(["a", "b"], n // 2))


def model(**options) -> bs.SEM:
    """The prior of the path does not depend on who is in the file."""
    return bs.SEM(MODEL, ordered=list(ITEMS), parameterization="theta", std_lv=True, **options)


@cache
def fitted() -> bs.Fit:
    return model().fit(answers(), draws=1000, tune=500, chains=2, random_seed=1, progress=False)


def log_probability(fit: bs.Fit, row: pd.Series) -> np.ndarray:
    """Log p(answers | w, draw) by sums over f, from the summary's quantities."""
    posterior = fit.data["posterior"].dataset.stack(sample=("chain", "draw"))
    loading = posterior["loading"].sel(loadings=[f"f=~{x}" for x in ITEMS]).to_numpy()
    path = posterior["path"].sel(paths="f~w").to_numpy()
    at = np.linspace(-7.0, 7.0, 281)
    f = path * row["w"] + at[:, None]
    total = np.zeros_like(f)
    for k, item in enumerate(ITEMS):
        c = int(row[item])
        count = posterior["threshold"].sel(
            thresholds=[f"{item}|t{t}" for t in (c - 1, c) if 0 < t < 5]
        )
        edges = [*([-np.inf] if c == 1 else []), *count.to_numpy(), *([np.inf] if c == 5 else [])]
        below, above = (norm.cdf(edge - loading[k] * f) for edge in edges)
        total += np.log(np.maximum(above - below, 1e-300))
    return logsumexp(total + norm.logpdf(at)[:, None], axis=0) + np.log(at[1] - at[0])


@cache
def left_out(i: int) -> float:
    """Elpd of a respondent by a fit of the file without it."""
    data = answers().drop(index=i)
    # Monte Carlo error of a contradictory respondent .03 with 1,500 draws, that of PSIS beside it
    fit = model().fit(data, draws=4000, tune=500, chains=2, random_seed=i + 1, progress=False)
    density = log_probability(fit, answers().loc[i])
    return float(logsumexp(density) - np.log(len(density)))


def test_respondents_are_sums_over_the_construct():
    fit = fitted()
    stored = fit.data["log_likelihood"]["y"]
    # the lattice of the sampler suits all but the farthest draws (a loading of 11), which are
    # weighted by a finer one
    assert any("[nodes]" in note for note in fit.notes)
    for i in (0, 2, 40):
        own = log_probability(fit, answers().loc[i]).reshape(2, -1)
        errors = np.abs(stored.isel(respondent=i).to_numpy() - own)
        assert np.quantile(errors, 0.99) < 2e-6
        assert errors.max() < 1e-3
    assert fit.diagnosis.quadrature_error < 1e-3


def test_psis_agrees_with_fits_without_the_respondent():
    # as many draws as the fits without a respondent have: its weights are uneven
    settings = {"draws": 4000, "tune": 500, "chains": 2, "random_seed": 1, "progress": False}
    found = psis_loo(model().fit(answers(), **settings)).pointwise["elpd"].to_numpy()
    for i in (0, 2, 40):
        assert found[i] == pytest.approx(left_out(i), abs=0.1)


def test_moment_matching_agrees_with_fits_without_the_respondent():
    """With a threshold that makes it work on respondents who do not need it, too."""
    fit = fitted()
    for i, found in zip(ODD, match_moments(fit, ODD, threshold=0.1), strict=True):
        assert found.elpd == pytest.approx(left_out(i), abs=0.1)


def test_exact_refits_agree_with_fits_of_the_file_without_the_respondent():
    fit = fitted()
    for i in (0, 2):
        again = refit_without(fit, [i], random_seed=5)
        assert not again.doubtful
        own = log_predictive(fit.prepared, [i], again.values).ravel()
        assert logsumexp(own) - np.log(own.size) == pytest.approx(left_out(i), abs=0.1)


@pytest.mark.parametrize("left", ["one respondent", "a group"])
def test_groups_are_refitted_without_some_respondents(left):
    data = answers()
    sem = model(group_equal=EQUAL)
    fit = sem.fit(data, group="g", draws=300, tune=300, chains=2, random_seed=1, progress=False)
    out = [4] if left == "one respondent" else np.flatnonzero(data["g"] == "b")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = refit_without(fit, out, random_seed=2)
        density = log_predictive(fit.prepared, out, again.values)
    assert np.isfinite(density).all() and density.shape == (2, 300, len(out))
    if left == "one respondent":
        full = fit.data["log_likelihood"]["y"].isel(respondent=4)
        assert density.mean() == pytest.approx(float(full.mean()), abs=0.3)


def test_folds_agree_with_loo():
    fit = fitted()
    folds, loo = fit.kfold(k=5, random_seed=1), psis_loo(fit)
    assert folds.elpd == pytest.approx(loo.elpd, abs=0.2 * loo.se)
