"""Which way constructs run: not by the first item, and as the user says where the user says it."""

import itertools

import numpy as np
import pandas as pd
import pytest
from example_models import ABILITIES, abilities, prepared

from bayessem import SEM, load, partial
from bayessem.ml.estimate import fit_ml
from bayessem.posterior.assemble import posterior_density
from bayessem.results.orientation import Orientation, orient

QUICK = {"random_seed": 1, "draws": 200, "tune": 300, "chains": 2, "progress": False}


def three(n=300, seed=1):
    """Three constructs in a chain, with three items each."""
    r = np.random.default_rng(seed)
    x = r.normal(size=n)
    m = 0.5 * x + 0.8 * r.normal(size=n)
    y = 0.4 * m + 0.2 * x + 0.8 * r.normal(size=n)
    return pd.DataFrame(
        {
            f"{name}{i + 1}": 0.9 * f + 0.6 * r.normal(size=n)
            for name, f in (("x", x), ("m", m), ("y", y))
            for i in range(3)
        }
    )


def values(found, *names):
    at = dict(zip(found.prepared.table.parameters, found.values, strict=True))
    return [at[n] for n in names]


def test_a_marker_leaves_nothing_to_decide():
    assert orient(prepared(ABILITIES, abilities())) is None


@pytest.mark.parametrize("order", list(itertools.permutations(["x1", "x2", "x3"])))
@pytest.mark.parametrize("turned", ["x1", "x2", "x3"])
def test_the_direction_is_that_of_most_items_in_any_order(order, turned):
    data = three().assign(**{turned: lambda d: -d[turned]})
    found = orient(prepared(f"X =~ {' + '.join(order)}", data, std_lv=True))
    signs = np.sign(values(found, *(f"X=~{i}" for i in ("x1", "x2", "x3"))))
    assert list(signs) == [-1.0 if i == turned else 1.0 for i in ("x1", "x2", "x3")]
    # the loading that is best known, whichever stands first
    assert found.signs == {"X=~x3": -1.0 if turned == "x3" else 1.0}


def test_a_noise_item_in_front_is_not_held():
    data = three().assign(x0=np.random.default_rng(2).normal(size=300))
    found = orient(prepared("X =~ x0 + x1 + x2 + x3\nM =~ m1 + m2 + m3\nM ~ X", data, std_lv=True))
    assert set(found.signs) == {"X=~x3", "M=~m3"}
    assert values(found, "M~X")[0] > 0.4


def test_second_order_constructs():
    data = three().assign(x1=lambda d: -d.x1)
    model = "S =~ X + M + Y\nX =~ x1 + x2 + x3\nM =~ m1 + m2 + m3\nY =~ y1 + y2 + y3"
    found = orient(prepared(model, data, std_lv=True))
    assert min(values(found, "S=~X", "S=~M", "S=~Y", "X=~x2", "X=~x3")) > 0
    assert values(found, "X=~x1")[0] < 0
    assert len(found.signs) == 4
    assert len({name for name in found.signs if name.startswith("S=~")}) == 1


def test_a_factor_whose_items_are_held_by_narrow_priors_is_itself():
    """Small-variance cross-loadings: the strongest items of V are not those of T."""
    small = 'prior("normal(0, 0.1)")*'
    model = (
        f"V =~ {small}x4 + {small}x5 + {small}x6 + x1 + x2 + x3\n"
        f"T =~ {small}x1 + x4 + x5 + x6 + {small}x2 + {small}x3"
    )
    found = orient(prepared(model, abilities(), std_lv=True))
    assert {name[:1] + name[-1] for name in found.signs} <= {"V1", "V2", "V3", "T4", "T5", "T6"}
    assert min(values(found, "V=~x1", "V=~x2", "V=~x3", "T=~x4", "T=~x5", "T=~x6")) > 0


@pytest.mark.parametrize(
    ("model", "priors"),
    [
        ("X =~ x1 + upper(0)*x2 + x3", {}),
        ("X =~ x1 + start(-1)*x2 + x3", {}),
        ('X =~ x1 + prior("normal(-0.8, 0.2)")*x2 + x3', {}),
        ("X =~ x1 + x2 + x3", {"X=~x2": "normal(-0.8, 0.2)"}),
        ("X =~ x1 + x2 + x3", {"loading": "normal(-0.8, 0.2)"}),
        ("X =~ x1 + x2 + x3", {"X=~x3": "uniform(-2, 0)"}),
    ],
)
def test_the_user_decides(model, priors):
    found = orient(prepared(model, three(), std_lv=True, priors=priors))
    assert max(values(found, "X=~x1", "X=~x2", "X=~x3")) < 0


def test_maximum_likelihood_has_the_same_direction():
    data = three().assign(x1=lambda d: -d.x1)
    model = "X =~ x1 + x2 + x3\nM =~ m1 + m2 + m3\nM ~ X"
    fit = fit_ml(prepared(model, data, std_lv=True))
    found = orient(prepared(model, data, std_lv=True))
    np.testing.assert_array_equal(np.sign(fit.x[:7]), np.sign(found.values[:7]))
    started = fit_ml(prepared(model.replace("x2", "start(-1)*x2"), data, std_lv=True))
    assert started.x[1] < 0 < fit.x[1]
    np.testing.assert_allclose(np.abs(started.x), np.abs(fit.x), rtol=1e-5, atol=1e-6)


def test_the_posterior_is_that_of_the_other_image():
    """Holding another loading, or on the other side, is the same density at the turned point."""
    p = prepared("X =~ x1 + x2 + x3\nM =~ m1 + m2 + m3\nM ~ X", three(), std_lv=True)
    found = orient(p)
    free = posterior_density(p.space, p.structure, p.sample)
    held = posterior_density(found.prepared.space, p.structure, p.sample)
    natural = held.natural(found.start)
    elements = free.elements(natural)
    assert held.elements(natural) == pytest.approx(elements)
    # per held loading twice the density, and the Jacobian of its log
    logs = sum(found.start[held.names.index(name)] for name in found.signs)
    x = found.start.copy()
    for name in found.signs:
        x[held.names.index(name)] = natural[held.names.index(name)]
    assert held.value_and_gradient(found.start)[0] == pytest.approx(
        free.value_and_gradient(x)[0] + logs + len(found.signs) * np.log(2.0), rel=1e-12
    )


def test_groups_have_a_direction_each():
    data = three().assign(g=lambda d: np.arange(len(d)) % 2)
    data.loc[data.g == 1, ["x1", "x2"]] *= -1
    found = orient(prepared("X =~ x1 + x2 + x3", data, std_lv=True, group="g"))
    at = dict(zip(found.prepared.table.parameters, found.values, strict=True))
    assert [np.sign(v) for k, v in at.items() if k.startswith("X=~")] == [1, 1, 1, 1, 1, -1]
    assert len(found.signs) == 2


def test_draws_of_pooled_loadings_are_brought_to_one_side():
    data = three().assign(g=lambda d: np.arange(len(d)) % 3)
    p = prepared(
        "X =~ x1 + x2 + x3\nM =~ m1 + m2 + m3\nM ~ X",
        data,
        std_lv=True,
        group="g",
        pooling=partial("X =~ x1", "X =~ x2", "X =~ x3"),
    )
    found = orient(p)
    assert isinstance(found, Orientation)
    ((name, side, signs),) = found.mirrors
    assert (name, side) == ("X=~x3", 1.0)
    names = p.space.names
    draw = np.ones(len(names))
    settled = found.settled(np.stack([draw, np.where(signs < 0, -draw, draw)]))
    np.testing.assert_array_equal(settled, np.ones((2, len(names))))
    density = posterior_density(found.prepared.space, p.structure, p.sample)
    natural = density.natural(found.start)
    assert density.respondent_log_likelihood(natural).sum() == pytest.approx(
        density.respondent_log_likelihood(signs * natural).sum(), rel=1e-12
    )


def test_a_noise_item_or_a_reversed_one_in_front_leaves_the_posterior_as_it_is(tmp_path):
    """The field's case: paths keep their sign, and a noise item may have either."""
    data = abilities().assign(
        x0=lambda d: np.random.default_rng(1).normal(size=len(d)) - 0.02 * d.x1,
        x9=lambda d: -d.x1,
    )
    rest = "\ntextual =~ x4 + x5 + x6\ntextual ~ visual"
    noise = SEM("visual =~ x0 + x1 + x2 + x3" + rest, std_lv=True).fit(data, **QUICK)
    s = noise.summary().set_index(["op", "rhs"])
    assert 0.02 < s.loc[("=~", "x0"), "p_positive"] < 0.9
    plain = SEM("visual =~ x1 + x2 + x3" + rest, std_lv=True).fit(data, **QUICK)
    turned = SEM("visual =~ x9 + x2 + x3" + rest, std_lv=True).fit(data, **QUICK)
    paths = []
    for fit in (noise, plain, turned):
        table = fit.summary()
        row = table[table.op == "~"].iloc[0]
        assert row.r_hat < 1.03
        paths.append(row["std"])
    np.testing.assert_allclose(paths, paths[1], atol=0.03)
    s = turned.summary()
    assert s[(s.op == "=~") & (s.rhs == "x9")]["mean"].iloc[0] < -0.5
    turned.save(tmp_path / "run")
    again = load(tmp_path / "run")
    assert again.prepared.space.coordinates == turned.prepared.space.coordinates


def test_a_weak_construct_keeps_to_one_image():
    """Items that hardly correlate: chains cross between the images, and R-hat must not see it."""
    r = np.random.default_rng(5)
    f = r.normal(size=80)
    data = pd.DataFrame({f"x{i}": 0.35 * f + r.normal(size=80) for i in range(1, 4)})
    fit = SEM("f =~ x1 + x2 + x3", std_lv=True).fit(data, **{**QUICK, "chains": 4, "draws": 500})
    (name,) = fit.settings["signs"]
    table = fit.summary()
    assert table[table.op == "=~"].r_hat.max() < 1.05
    loadings = table[table.op == "=~"].set_index("rhs")
    assert loadings.loc[name[3:], "p_positive"] == 1.0
