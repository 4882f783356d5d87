"""Approximate invariance: what was put into simulated data is named, in any units."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from shown import check

import bayessem as bs
from bayessem import SEM
from bayessem.errors import FitError, ModelError
from bayessem.moderation.approximate_invariance import approximate_invariance
from bayessem.moderation.approximate_model import without_markers
from bayessem.posterior.settings import Sampling
from bayessem.results.run_folder import save
from bayessem.text.numbers import number

TEXT = "f =~ x1 + x2 + x3 + x4\ng =~ y1 + y2 + y3 + y4\n"
ITEMS = ["x1", "x2", "x3", "x4", "y1", "y2", "y3", "y4"]
UNITS = np.array([1.0, 1.0, 1.0, 15.0, 0.1, 20.0, 1.0, 1.0])
OFF = ("f=~x3", "y2~1")
SAMPLING = Sampling(random_seed=1, progress=False, draws=500, tune=400)
SHORT = {"group": "g", "sampling": SAMPLING}


def three_groups(*, loading=0.0, intercept=0.0, n=400, seed=3):
    """Groups a, b, c; f=~x3 lower in b, y2~1 higher in c; latent means and variances differ."""
    rng = np.random.default_rng(seed)
    parts = []
    for k, group in enumerate("abc"):
        loadings = np.array([0.7, 0.8, 0.75, 0.7, 0.8, 0.7, 0.75, 0.7])
        means = np.linspace(1, 4, 8)
        loadings[2] -= loading * (k == 1)
        means[5] += intercept * (k == 2)
        mean, variance = (0.0, 0.3, -0.2)[k], (1.0, 1.2, 0.9)[k]
        latent = rng.multivariate_normal([mean, -mean], [[variance, 0.4], [0.4, 1.0]], n)
        values = latent[:, [0] * 4 + [1] * 4] * loadings + means
        values = values + np.sqrt(0.45) * rng.standard_normal((n, 8))
        parts.append(pd.DataFrame(values * UNITS, columns=ITEMS).assign(g=group))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def data():
    return three_groups(loading=0.3, intercept=0.5)


@pytest.fixture(scope="module")
def found(data):
    return approximate_invariance(SEM(TEXT), data, **SHORT)


@pytest.fixture(scope="module")
def again(data):
    """With what deviates free."""
    return approximate_invariance(SEM(TEXT), data, free=OFF, **SHORT)


def test_the_two_that_are_off_are_named_and_no_other(found):
    assert found.named["approximate metric"] == ("f=~x3",)
    assert set(found.named["approximate scalar"]) == set(OFF)
    assert set(found.suggested) == set(OFF)
    last = found.table[found.table["step"] == "approximate scalar"]
    assert last["named"].sum() == 2 * 3
    rows = last.set_index(["parameter", "group"])
    assert rows.loc[("f=~x3", "b"), "upper"] < 0
    assert rows.loc[("y2~1", "c"), "lower"] > 0
    check(
        found,
        "y2~1 (in c 0.",
        "above the average",
        "below the average",
        number(rows.loc[("y2~1", "c"), "deviation"]),
        number(found.means["mean"][0]),
    )
    assert "free=['f=~x3', 'y2~1']" in str(found)


def test_exact_invariance_names_nothing():
    null = approximate_invariance(SEM(TEXT), three_groups(), **SHORT)
    assert set(null.named.values()) == {()}
    assert "none of 8 loadings deviates" in str(null)
    assert "latent means can be compared as well" in str(null)
    # the means of f are .3 and -.2, those of g the reverse
    error = (null.means["mean"] - [0.3, -0.3, -0.2, 0.2]).abs() / null.means["sd"]
    assert (error < 3).all()


def test_items_count_in_their_own_units(found):
    rows = found.table.set_index(["step", "parameter", "group"]).loc["approximate scalar"]
    row = rows.loc[("y2~1", "c")]
    # .5 in one of three groups, in units of 20: .5 * 20 * 2 / 3 above the average, when free
    assert row["freed"] * row["unit"] == pytest.approx(20 / 3, abs=3 * row["freed_sd"] * 20)
    assert found.scales["y2"] == pytest.approx(20 * np.sqrt(0.7**2 + 0.45), rel=0.05)
    assert found.scales["y1"] == pytest.approx(0.1 * np.sqrt(0.8**2 + 0.45), rel=0.05)
    # all groups' loadings are standardised ones, whatever the units
    loadings = rows[[name.startswith(("f=~", "g=~")) for name, _ in rows.index]]
    assert loadings["value"].between(0.4, 1.0).all()


def test_what_deviates_would_be_so_if_it_were_free(found, again):
    """Taking a prior away by algebra against sampling without it."""
    assert set(again.named.values()) == {()}
    fit = again.fits["approximate scalar"]
    rows = found.table.set_index(["step", "parameter", "group"]).loc["approximate scalar"]
    for name in OFF:
        members = [f"{name}[{g}]" for g in "abc"]
        values = fit.parameters.sel(parameter=members).values
        values = values - values.mean(axis=-1, keepdims=True)
        expected = values.mean(axis=(0, 1))
        # the posterior under the prior is not quite normal: a tenth of the largest deviation
        assert rows.loc[name, "freed"].to_numpy() == pytest.approx(
            expected, abs=0.1 * np.abs(expected).max()
        )
        spread = values.std(axis=(0, 1))
        assert rows.loc[name, "freed_sd"].to_numpy() == pytest.approx(spread, rel=0.2)
    # and the latent mean of g in c is no longer pulled up
    means = [
        x.means.set_index(["construct", "group"]).loc[("g", "c"), "mean"] for x in (found, again)
    ]
    assert means[0] - means[1] > 0.05


def test_the_model_has_no_markers_and_free_means(found):
    table = found.fits["approximate scalar"].prepared.table
    assert not [r for r in table.rows if r.op == "=~" and r.free < 0]
    variances = [r.free < 0 for r in table.rows if r.op == "~~" and r.lhs == r.rhs == "f"]
    means = [r.free < 0 for r in table.rows if r.op == "~1" and r.lhs == "f"]
    assert variances == means == [True, False, False]
    assert found.fits["approximate metric"].prepared.pooling == bs.partial(
        *(f"f=~x{i}" for i in range(1, 5)), *(f"g=~y{i}" for i in range(1, 5)), sd=0.1
    )


def test_a_fit_of_it_can_be_kept(found, tmp_path):
    fit = found.fits["approximate scalar"]
    read = bs.load(save(fit, tmp_path / "near"))
    assert np.array_equal(read.parameters.values, fit.parameters.values)


@pytest.mark.parametrize(
    "text",
    ["f =~ 1*x1 + x2 + x3", "f =~ NA*x1 + x2 + x3\nf ~~ 1*f", "f =~ x1 + x2 + x3\nf ~~ NA*f"],
)
def test_markers_and_fixed_variances_are_choices_of_units(text):
    table = without_markers(SEM(text)).table
    fixed = [(r.name, r.value) for r in table.rows if r.free < 0 and r.op != "~1"]
    assert fixed == [("f~~f", 1.0)]
    assert sum(r.op == "=~" and r.free >= 0 for r in table.rows) == 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("f =~ x1 + 1*x2 + 1*x3", "are fixed in"),
        ("f =~ x1 + x2 + x3\nf ~~ v*f", "contradicts"),
        ("f =~ x1 + x2 + x3\nx1 ~~ 0.3*x1", "of x1~~x1 would say something else"),
        ("f =~ x1 + a*x2 + a*x3", "shared label of f=~x3"),
        ('f =~ x1 + prior("normal(1, 1)")*x2 + x3', "prior"),
        ("f =~ x1 + x2 + x3\nx1 ~~ r*x1\nr > 0.1", "bound"),
        ("f =~ x1 + x2 + x3\nx1 ~~ r*x1\nx2 ~~ s*x2\nr == 2*s", "constraints"),
        ("f =~ x1\ng =~ y1\ng ~ f", "two or more items"),
    ],
)
def test_what_cannot_be_rescaled_is_refused(text, reason, data):
    with pytest.raises(ModelError, match=reason):
        approximate_invariance(SEM(text), data, **SHORT)


def test_slips_are_refused(data):
    sem = SEM(TEXT)
    for free in ([f"f=~x{i}" for i in range(1, 5)], [f"y{i}~1" for i in range(1, 5)]):
        with pytest.raises(ModelError, match="could be nearly equal"):
            approximate_invariance(sem, data, free=free, **SHORT)
    with pytest.raises(ModelError, match="meanstructure=False"):
        approximate_invariance(SEM(TEXT, meanstructure=False), data, **SHORT)
    with pytest.raises(ModelError, match="one group"):
        approximate_invariance(sem, data.assign(g="a"), **SHORT)
    for sd in (0, 1.5, True):
        with pytest.raises(FitError, match=r"between 0 and 1.*0\.1 is usual"):
            sem.invariance(data, group="g", approximate=sd)
    for name, value in (
        ("priors", {"loading": "normal(0, 1)"}),
        ("latents", "sampled"),
        ("pooling", bs.partial("f=~x2")),
    ):
        with pytest.raises(TypeError, match=f"invariance has no argument {name}"):
            sem.invariance(data, group="g", approximate=0.1, **{name: value})
    with pytest.raises(FitError, match="draws has to be"):
        sem.invariance(data, group="g", approximate=0.1, draws=0)
    with pytest.raises(TypeError, match="approximate"):
        sem.invariance(data, group="g", aproximate=0.1)


def test_a_construct_of_one_item_stays_as_it_is(data):
    sem, few = SEM("f =~ x1 + x2 + x3\none =~ y1\none ~ f"), replace(SAMPLING, draws=50, tune=200)
    scaled = approximate_invariance(sem, data, group="g", sampling=few)
    assert "y1" not in scaled.scales
    assert not scaled.table["parameter"].isin(["one=~y1", "y1~1"]).any()
    assert set(scaled.means["what"][scaled.means["construct"] == "one"]) == {"intercept"}


def test_the_conflict_with_the_prior_is_said():
    data = three_groups(intercept=2.0, n=100)
    one = SEM("g =~ y1 + y2 + y3 + y4")
    far = approximate_invariance(one, data, **SHORT)
    assert "y2~1" in far.conflict["approximate scalar"]
    assert far.named["approximate scalar"] == ()
    assert "contradict an sd of 0.1" in str(far) and "approximate=0.3" in str(far)
    wide = approximate_invariance(one, data, sd=0.3, **SHORT)
    assert wide.conflict["approximate scalar"] == ()
    assert wide.named["approximate scalar"] == ("y2~1",)
