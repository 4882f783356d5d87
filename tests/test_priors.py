"""Priors as text and as objects, and the errors of misspelt ones."""

import math

import pytest

from bayessem.errors import PriorError
from bayessem.model.priors import KINDS, Prior, default_prior, parse_prior


@pytest.mark.parametrize(
    ("text", "family", "named"),
    [
        ("normal(0, 0.5)", "normal", {"mu": 0.0, "sigma": 0.5}),
        ("normal(sigma=2, mu=-1e-3)", "normal", {"mu": -0.001, "sigma": 2.0}),
        (" HalfNormal( 2 ) ", "half_normal", {"sigma": 2.0}),
        ("gamma(1, 0.5)[sd]", "gamma", {"alpha": 1.0, "beta": 0.5}),
        ("cauchy(-2, 1)", "cauchy", {"alpha": -2.0, "beta": 1.0}),
        ("lkj_corr(2)", "lkj", {"eta": 2.0}),
        ("flat()", "flat", {}),
        (" Flat", "flat", {}),
    ],
)
def test_text_is_read(text, family, named):
    found = parse_prior(text)
    assert found.family == family
    assert found.named == named


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("normal", "cannot read 'normal'"),
        ("normal(0, 1", "cannot read"),
        ("nomral(0, 1)", "no prior family 'nomral'; families: normal, half_normal"),
        ("normal(0)", "normal needs 'sigma'; its arguments: mu, sigma"),
        ("normal(mean=0, sigma=1)", "normal has no argument 'mean'"),
        ("normal(0, 1, 2)", "normal takes 2 arguments"),
        ("normal(0, mu=1)", "mu is given twice"),
        ("normal(0, one)", "'one' is not a number"),
        ("normal(0, 0)", "sigma must be positive"),
        ("normal(nan, 1)", "mu = nan is not a finite number"),
        ("cauchy(0, -1)", "beta must be positive"),
        ("uniform(1, 1)", "lower 1 is not below upper 1"),
        ("gamma(1, 1)[var]", r"\[var\] is not supported"),
    ],
)
def test_misspelt_priors_say_what_would_work(text, message):
    with pytest.raises(PriorError, match=f"prior of RAD~AMC: .*{message}"):
        parse_prior(text, where="RAD~AMC")


def test_text_of_a_prior_is_exact_and_its_display_short():
    prior = Prior("normal", mu=1 / 3, sigma=math.pi)
    assert parse_prior(prior.text) == prior
    assert str(prior) == "normal(mu=0.3333, sigma=3.142)"
    assert parse_prior(prior) is prior


def test_priors_are_values():
    assert Prior("normal", mu=0, sigma=1) == Prior("normal", sigma=1.0, mu=0.0)
    assert len({Prior("flat"), Prior("flat")}) == 1


def test_support():
    assert Prior("uniform", lower=-1, upper=2).support == (-1.0, 2.0)
    assert Prior("beta", alpha=1, beta=2).support == (0.0, 1.0)
    assert Prior("student_t", nu=3, mu=0, sigma=1).support == (-math.inf, math.inf)


@pytest.mark.parametrize("kind", [k for k in KINDS if not k.startswith("pool")])
def test_defaults_scale_with_the_data(kind):
    one, ten = default_prior(kind, scale=1.0), default_prior(kind, scale=10.0)
    if kind == "correlation":
        assert one == ten == Prior("lkj", eta=1)
    elif kind == "threshold":
        assert one == ten == Prior("induced_dirichlet", alpha=1)
    elif kind == "tail":  # degrees of freedom have no units
        assert one == ten == Prior("gamma", alpha=2, beta=0.1)
    elif kind == "inflation":  # probabilities
        assert one == ten == Prior("beta", alpha=1, beta=1)
    elif kind == "weight":  # uniform over directions, whatever the units
        assert one == ten == Prior("direction")
    else:
        assert ten.named["sigma"] == pytest.approx(10 * one.named["sigma"])


def test_an_unknown_kind_names_the_kinds():
    with pytest.raises(PriorError, match="no kind of parameter 'slope'; kinds: loading"):
        default_prior("slope", scale=1.0)
