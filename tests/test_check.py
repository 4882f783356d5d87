"""What `check` finds before sampling: identification by name, and data that will not do."""

import types

import numpy as np
import pandas as pd
import pytest
from example_models import (
    ABILITIES,
    ALLIANCE,
    DEMOCRACY,
    QUADRATIC,
    SECOND_ORDER,
    abilities,
    alliance,
    democracy,
    noise,
    prepared,
)

from bayessem import SEM
from bayessem.errors import DataError, IdentificationError
from bayessem.model import data_checks
from bayessem.model.check import check
from bayessem.model.data_checks import suspected_codes
from bayessem.model.identification import implied_moments, null_space
from bayessem.model.starts import start_values

FOUR = """
a =~ a1 + a2 + a3
b =~ b1 + b2 + b3
c =~ c1 + c2 + c3
d =~ d1 + d2 + d3
"""
TWO = FOUR[: FOUR.index("c =~")]
ITEMS = [f"{f}{i}" for f in "abcd" for i in (1, 2, 3)]


def report(model, data, **options):
    return check(prepared(model, data, **options))


def topics(found):
    return [f.topic for f in found.findings]


def finding(found, topic):
    (one,) = [f for f in found.findings if f.topic == topic]
    return one


def four_constructs(n=200, seed=0):
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n, 4)) + 0.7 * rng.normal(size=(n, 1))
    values = np.repeat(latent, 3, axis=1) + 0.6 * rng.normal(size=(n, 12))
    return pd.DataFrame(values, columns=ITEMS)


@pytest.mark.parametrize(
    ("model", "data", "moments", "parameters"),
    [
        (ABILITIES, abilities, 54, 30),
        (SECOND_ORDER, abilities, 54, 30),
        (DEMOCRACY, democracy, 77, 42),
        (ALLIANCE, alliance, 405, 94),
    ],
)
def test_sound_models_of_sound_data_pass_without_a_word(model, data, moments, parameters):
    found = report(model, data())
    assert found.ok
    assert found.findings == ()
    assert (found.moments, found.parameters) == (moments, parameters)


def test_all_six_paths_and_a_full_disturbance_covariance_are_rejected_by_name():
    model = FOUR + "b ~ a\nc ~ a + b\nd ~ a + b + c\n"
    covariances = "a ~~ b + c + d\nb ~~ c + d\nc ~~ d\n"
    assert report(model, four_constructs()).ok
    found = report(model + covariances, four_constructs())
    assert found.ok
    message = finding(found, "identified by priors").message
    assert "WARNING [identified by priors]" in str(found)
    for name in ("b~a", "c~b", "d~c", "c~~d", "b~~c"):
        assert name in message
    assert "a=~a2" not in message
    flat = report(model + covariances, four_constructs(), priors={"d~c": "flat"})
    assert not flat.ok
    with pytest.raises(IdentificationError, match="d~c.*the priors of d~c are flat"):
        flat.raise_errors()


def test_only_the_parameters_in_the_null_space_are_named():
    (names,) = null_space(prepared(TWO + "b ~ a\na ~~ b", four_constructs()))
    assert set(names) == {"b~a", "a~~b", "b~~b"}
    assert null_space(prepared(TWO + "b ~ a", four_constructs())) == []


def test_an_instrument_identifies_a_path_beside_a_covariance():
    """d moves b through a alone, so that b ~ a and a ~~ b can be told apart."""
    model = FOUR.replace("c =~ c1 + c2 + c3\n", "") + "b ~ a\na ~~ b\na ~ d"
    assert null_space(prepared(model, four_constructs())) == []


def test_the_units_of_the_data_do_not_matter():
    data = abilities()
    data["x1"] *= 1e-2
    data["x4"] *= 1e3
    found = report(ABILITIES, data)
    assert found.ok
    assert topics(found) == ["scales"]
    message = finding(found, "scales").message
    assert "'x1'" in message
    assert "'x4'" in message
    unsound = TWO + "b ~ a\na ~~ b"
    scaled = four_constructs() * np.geomspace(1e-3, 1e3, 12)
    assert topics(report(unsound, scaled))[0] == "identified by priors"


def test_the_counting_rule_says_how_many_too_many():
    found = report("f =~ x1 + x2", noise("x1 x2"))
    assert topics(found)[0] == "identified by priors"
    assert found.findings[0].message.startswith("6 free parameters for 5 sample moments; ")


def test_a_construct_without_scale():
    found = report("f =~ NA*x1 + x2 + x3 + x4", noise("x1 x2 x3 x4"))
    assert "construct 'f' has no scale" in finding(found, "identified by priors").message
    assert "f =~ 1*x1" in finding(found, "identified by priors").remedy
    assert report("f =~ NA*x1 + x2 + x3 + x4\nf ~~ 1*f", noise("x1 x2 x3 x4")).ok


def test_effect_coding_is_a_scale_and_its_constraints_identify():
    found = report(ABILITIES, abilities(), effect_coding=True)
    assert found.ok
    assert "24 degrees of freedom" in found.text


def test_a_constraint_about_something_else_is_no_scale():
    model = "f =~ NA*x1 + x2 + x3 + x4\ng =~ y1 + p*y2 + q*y3\np == 2*q"
    found = report(model, noise("x1 x2 x3 x4 y1 y2 y3"))
    assert "construct 'f' has no scale" in finding(found, "identified by priors").message


@pytest.mark.parametrize(
    "model",
    [
        "f =~ NA*x1 + a*x1 + b*x2 + c*x3\ng =~ NA*y1 + a*y1 + b*y2 + c*y3\nf ~~ 1*f\ng ~~ NA*g",
        "f =~ NA*x1 + x2 + x3\ng =~ y1 + y2 + y3\nf ~~ v*f\ng ~~ v*g",
        "f =~ NA*x1 + x2 + x3\nf ~ 1*y1\nf ~~ 0.5*f",
    ],
)
def test_a_scale_from_elsewhere_is_a_scale(model):
    found = report(model, noise("x1 x2 x3 y1 y2 y3"))
    assert found.ok
    assert "identified by priors" not in topics(found)


def test_one_indicator_is_taken_to_be_without_error():
    model = "f =~ x1\ng =~ y1 + y2 + y3\ng ~ f"
    found = report(model, noise("x1 y1 y2 y3"))
    assert found.ok
    assert "construct 'f' has one indicator, 'x1'" in finding(found, "one indicator").message
    assert "residual variance 0" in finding(found, "one indicator").message
    assert not report(model + "\nx1 ~~ 0.3*x1", noise("x1 y1 y2 y3")).findings
    assert report(model + "\nx1 ~~ 0*x1", noise("x1 y1 y2 y3")).ok


def test_a_reverse_keyed_marker_is_a_note():
    data = abilities()
    data["x1"] = -data["x1"]
    found = report(ABILITIES, data)
    assert found.ok
    assert "'x1' sets the sign of 'visual'" in finding(found, "reverse-keyed marker").message
    assert topics(report(ABILITIES, data, std_lv=True)) == []  # no marker, no sign from it
    data["x2"] = -data["x2"]
    data["x1"] = -data["x1"]
    assert topics(report(ABILITIES, data)) == ["reverse-keyed item"]


def test_a_feedback_loop_with_instruments_is_a_note_and_without_an_error():
    data = noise("x y u v", n=200)
    found = report("x ~ y + u\ny ~ x + v", data)
    assert found.ok
    assert "explain each other" in finding(found, "feedback loop").message
    without = report("x ~ y + u\ny ~ x + u", data)
    assert topics(without)[0] == "identified by priors"
    assert "x~y" in finding(without, "identified by priors").message


def test_columns_that_determine_each_other():
    data = noise("x1 x2 x3 x4")
    data["x4"] = data["x1"] + data["x2"]
    found = report("f =~ x1 + x2 + x3 + x4", data)
    assert not found.ok
    message = finding(found, "dependent columns").message
    assert message.startswith("'x1', 'x2', 'x4' determine each other")


def test_items_that_a_normal_likelihood_does_not_suit():
    data = noise("x1 x2 x3 x4", n=300)
    data["x1"] = np.digitize(data["x1"], [-1, 0, 1])
    data["x2"] = np.where(np.arange(300) < 285, 0.0, data["x2"])
    data["x3"] = np.sign(data["x3"]) * np.abs(data["x3"]) ** 4
    found = report("f =~ x1 + x2 + x3 + x4", data)
    assert "'x1' has 4 distinct values" in finding(found, "few categories").message
    assert "95 % of 'x2' is one value" in finding(found, "nearly constant").message
    tails = [f.message for f in found.findings if f.topic == "heavy tails"]
    assert any("'x3'" in m for m in tails)
    assert not any("'x1'" in m or "'x4'" in m for m in tails)
    assert found.ok


def test_the_distribution_of_covariates_does_not_matter():
    data = noise("x1 x2 x3 z").assign(z=[0, 1] * 30)
    assert topics(report("f =~ x1 + x2 + x3\nf ~ z", data)) == []


def test_few_respondents_and_tiny_groups():
    small = report(ABILITIES, abilities().head(40))
    assert finding(small, "few respondents").message == "40 respondents for 9 observed variables"
    data = abilities().assign(g=["a"] * 292 + ["b"] * 9)
    found = report(ABILITIES, data, group="g", group_equal=("loadings",))
    message = finding(found, "tiny group").message
    assert message == "9 respondents in group 'b', no more than the 9 observed variables"
    assert found.ok


def test_collinear_predictors():
    data = four_constructs()
    rng = np.random.default_rng(1)
    for i in (1, 2, 3):
        data[f"b{i}"] = data[f"a{i}"] + 0.3 * rng.normal(size=len(data))
    found = report(FOUR + "d ~ a + b + c", data)
    message = finding(found, "collinear constructs").message
    assert message.startswith("'a' and 'b' both predict 'd'")
    assert found.ok
    assert "collinear constructs" not in topics(report(FOUR + "d ~ a + c\nc ~ b", data))


def test_a_square_about_which_the_data_say_little():
    rng = np.random.default_rng(0)
    f = rng.normal(size=150)
    items = {f"x{i}": f + 1.6 * rng.normal(size=150) for i in (1, 2, 3)}
    items |= {f"x{i}": f + 0.5 * rng.normal(size=150) for i in (4, 5, 6)}
    data = pd.DataFrame(items)
    assert "'f:f'" in finding(report(QUADRATIC, data), "weak product").message
    swapped = QUADRATIC.replace("g ~ f + f:f", "f ~ g + g:g")
    assert "weak product" not in topics(report(swapped, data))


def test_a_skewed_factor_of_a_product():
    rng = np.random.default_rng(0)
    f = rng.exponential(size=400)
    data = pd.DataFrame({f"x{i}": f + 0.3 * rng.normal(size=400) for i in range(1, 7)})
    found = report(QUADRATIC, data)
    assert "'f'" in finding(found, "skewed factor").message
    assert "skewed factor" not in topics(report(QUADRATIC.replace(" + f:f", ""), data))


def test_missing_values_are_counted_in_the_text():
    data = abilities()
    data.loc[:9, "x1"] = np.nan
    data.loc[300, [f"x{i}" for i in range(1, 10)]] = np.nan
    text = report(ABILITIES, data).text
    assert text.startswith("300 respondents, 9 observed variables, 3 constructs")
    assert "10 respondents have missing values (0.4 % of all cells, 2 patterns)" in text
    assert "1 row was left out for missing values" in text


def test_the_number_of_patterns_is_that_of_different_answers_and_complete_data_are_said_to_be():
    data = abilities()
    assert str(SEM(ABILITIES).check(data)).startswith("301 respondents (all complete), 9 ")
    data.loc[data.index % 7 == 0, "x1"] = np.nan  # in both schools: 2 patterns, not 4
    text = str(SEM(ABILITIES).check(data, group="school"))
    assert text.startswith("301 respondents, 9 ")
    assert "2 patterns" in text
    report = str(SEM(ABILITIES).ml(data, group="school"))
    assert next(x for x in report.splitlines() if "patterns" in x).endswith(" 2")


def test_groups_that_are_not_asked_for_are_counted():
    sem, data = SEM(ABILITIES), abilities()
    found = sem.check(data, group="school", group_order=["Pasteur"])
    assert "145 rows of groups that are not in group_order were left out." in str(found)
    with pytest.raises(DataError, match="group_order needs group="):
        sem.check(data, group_order=["Pasteur"])


def test_errors_stand_first_and_all_are_raised_together():
    data = noise("x1 x2 y1 y2 y3").assign(y1=lambda d: np.digitize(d["y1"], [0]))
    priors = dict.fromkeys(("f=~x1", "f~~f"), "flat")
    found = report("f =~ NA*x1 + x2\ng =~ y1 + y2 + y3", data, priors=priors)
    serious = [f.serious for f in found.findings]
    assert serious == sorted(serious, reverse=True)
    assert True in serious
    assert False in serious
    with pytest.raises(IdentificationError) as error:
        found.raise_errors()
    assert str(error.value).count("\n    ") == sum(serious)
    assert "ERROR [" in str(found)
    assert "note [few categories]" in str(found)


def test_implied_moments_are_those_of_the_likelihood():
    """At maximum likelihood of a saturated model they are the sample's."""
    found = prepared("y ~ x + z\nx ~ z", noise("x y z"))
    elements = found.space.base.copy()
    values = start_values(found.structure, found.covariances, found.means)
    for k, place in found.structure.places.items():
        free = found.table.rows[k].free
        if free >= 0:
            for e in found.structure.element(place):
                elements[e] = values[free]
    means, covariances = implied_moments(found.structure, elements)
    assert means.shape == (1, 3)
    assert covariances.shape == (1, 3, 3)
    assert (np.linalg.eigvalsh(covariances[0]) > 0).all()
    at = found.structure.observed.index("z")
    assert covariances[0, at, at] == pytest.approx(found.covariances[0, at, at])


def test_how_products_are_integrated_out_is_said():
    columns = "x1 x2 x3 z1 z2 z3 w1 w2 w3 v1 v2 v3 y t"
    measured = "\n".join(f"{n.upper()} =~ {n}1 + {n}2 + {n}3" for n in "xzwv")
    data = noise(columns)
    four = report(measured + "\ny ~ X + Z + W + V + X:X + Z:Z + W:W + V:V", data)
    assert not [f for f in four.findings if f.topic == "product terms"]
    said = " ".join(str(four).split())
    assert "Products of X, Z, W, V are integrated out by a single integral" in said
    two = report(measured + "\ny ~ X + Z + W + X:X + Z:Z\nt ~ X + X:X", data)
    assert "2 latent variables (X, Z)" in finding(two, "product terms").message
    assert "on a grid of 2 dimensions" in " ".join(str(two).split())
    outcomes = measured + "\ny ~ X + Z + W + V + X:X + Z:Z + W:W + V:V\nt ~ X + X:X"
    many = report(outcomes, data)
    assert 'latents="sampled"' in finding(many, "product terms").remedy
    assert "4-dimensional" in finding(many, "product terms").message
    linear = report(measured + "\ny ~ X + Z + w1:v1", data)
    assert "integrated out" not in str(linear)


def test_many_small_groups_are_one_note():
    data = abilities().assign(g=[f"g{i % 20}" for i in range(301)])
    found = prepared(ABILITIES, data, group="g", group_equal=["loadings", "intercepts"])
    notes = [f for f in check(found).findings if f.topic == "few respondents"]
    assert len(notes) == 1
    assert "15 to 16 respondents in each of 20 groups ('g0', 'g1', 'g2' and 17 more)" in str(notes)


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        ([1, 2, 3, 4, 5, 6, 9], (9.0,)),
        ([1, 2, 3, 4, 5, 8, 9], (8.0, 9.0)),
        ([1, 2, 3, 4, 5, -99], (-99.0,)),
        ([1, 2, 3, 4, 5, -9, 99], (-9.0, 99.0)),
        ([1, 2, 3, 4, 5, 6, 7], ()),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9], ()),
        ([-3, -2, -1, 0, 1, 2, 3], ()),
        ([0.0, 1.0], ()),
        ([18.0, 30.5, 47.0, 60.0, 77.0], ()),
    ],
)
def test_codes_for_missing_answers_are_suspected(values, codes):
    assert suspected_codes(np.array(values, dtype=float)) == codes


def test_a_missing_code_is_in_the_report():
    data = abilities()
    text = report(ABILITIES, data.assign(x2=data["x2"].where(data.index % 50 > 0, -99)))
    assert "-99 lies far from the other values of 'x2' (7 times)" in str(text)
    remedy = finding(text, "missing code?").remedy
    assert "data[['x2']] = data[['x2']].replace([-99], float('nan'))" in remedy


def test_copies_are_found_with_missing_values_too():
    data = abilities()
    copied = data.assign(x2=data["x1"], x9=data["x9"].where(data.index > 5))
    found = report(ABILITIES, copied)
    assert not found.ok
    assert "'x1', 'x2' determine each other exactly" in str(found)


def test_a_term_written_twice_is_noted():
    found = report("f =~ x1 + x2 + x3 + x2", abilities())
    assert "the model says 'f =~ x2' twice" in str(found)
    assert "twice" not in str(report("f =~ x1 + x2 + x3 + a*x2", abilities()))


def test_a_growth_model_without_growth_is_noted():
    text = "i =~ 1*x1 + 1*x2 + 1*x3\ns =~ 0*x1 + 1*x2 + 2*x3"
    assert "growth=True" in str(report(text, abilities()))
    assert "growth=True" not in str(report(text, abilities(), growth=True))


def test_units_far_apart_and_a_far_covariate_are_noted():
    data = abilities()
    far = report(ABILITIES, data.assign(x2=1e8 * data["x2"]))
    assert far.ok
    assert "data['x2'] /= 1e8" in finding(far, "scales").remedy
    tiny = report(ABILITIES, data.assign(x2=1e-8 * data["x2"]))
    assert "data['x2'] *= 1e8" in finding(tiny, "scales").remedy
    assert "'ageyr' (mean 13)" in str(report(ABILITIES + "speed ~ ageyr", data))
    assert "far from 0" not in str(report(ABILITIES + "speed ~ sex", data))


def test_a_factor_of_a_product_that_is_missing_is_an_error_of_check_as_of_fit():
    data = noise("x m y", n=100)
    data.loc[:4, "m"] = np.nan
    model = "m ~ x\ny ~ m + x + m:x"
    found = report(model, data)
    message = finding(found, "product terms").message
    assert message == "m is missing for 5 respondents in a product term"
    with pytest.raises(IdentificationError, match="m is missing for 5 respondents"):
        SEM(model).fit(data)
    assert report(model, data, missing="listwise").ok


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("f =~ 1*x1 + 1*x2 + 1*x3\nf ~~ 1*f\nx1 ~~ 0*x1\nx2 ~~ 0*x2", "not positive definite"),
        ("x1 ~~ 1*x1\nx2 ~~ 1*x2\nx1 ~~ 2*x2", "not positive definite"),
        ("x1 ~ 2*x2\nx2 ~ 0.5*x1\nx2 ~ x3", "multiply to 1"),
    ],
)
def test_fixed_values_that_no_data_can_have(model, message):
    found = report(model, noise("x1 x2 x3"))
    assert not found.ok
    assert message in finding(found, "impossible").message


def test_a_model_without_free_parameters_is_checked():
    model = "\n".join(f"x{i} ~~ 1*x{i}\nx{i} ~ 0*1" for i in (1, 2, 3))
    assert report("f =~ 1*x1 + 1*x2 + 1*x3\nf ~~ 1*f\n" + model, noise("x1 x2 x3")).ok


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ((0, 0), lambda a, b, r: a**2),
        ((0, 1), lambda a, b, r: (a * b + r**2) / (1 + r**2)),
        # Var(X X w) = 3 + 12 r^2 with standard scores, by hand
        ((0, 0, 1), lambda a, b, r: (3 * a**2 * b + 12 * a * r**2) / (3 + 12 * r**2)),
    ],
)
def test_the_reliability_of_a_product(monkeypatch, factors, expected):
    """Bohrnstedt & Marwell's formulas for two factors, Isserlis's theorem for more."""
    rng = np.random.default_rng(4)
    scores = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], size=500)
    reliability = {"a": 0.8, "b": 0.6}
    prepared = types.SimpleNamespace(structure=types.SimpleNamespace(variables=("a", "b")))
    monkeypatch.setattr(
        data_checks,
        "_score",
        lambda _, name: (scores[:, "ab".index(name)], reliability[name]),
    )
    r = np.corrcoef(scores.T)[0, 1]
    got = data_checks._product_reliability(prepared, factors)
    assert got == pytest.approx(expected(0.8, 0.6, r))


def test_products_of_three_factors_are_checked():
    data = noise("x1 x2 x3 w y", n=150)
    data[["x1", "x2", "x3"]] += np.random.default_rng(3).normal(size=(150, 1))
    model = "X =~ x1 + x2 + x3\ny ~ X + X:X + w + X:w + X:X:w"
    found = SEM(model).check(data)
    assert found.ok


def test_groups_in_which_everything_differs_are_looked_at_side_by_side(monkeypatch):
    groups, calls = 30, []
    data = four_constructs(n=40 * groups).assign(g=[f"g{i % groups}" for i in range(40 * groups)])
    # a path and a covariance besides have no instrument; of one group alone
    parts = ", ".join(["NA"] * 7 + ["0"] * (groups - 7))
    model = f"{TWO}b ~ a\na ~~ c({parts})*b"
    part = prepared(model, data, group="g")
    ((*names,),) = null_space(part)
    assert {f"a~~b[g{k}]" for k in range(7)} < set(names)
    assert set(names) <= {f"{x}[g{k}]" for k in range(7) for x in ("a~~b", "b~a", "b~~b")}
    one = prepared(f"{TWO}b ~ a", data, group="g")
    original = implied_moments
    monkeypatch.setattr(
        "bayessem.model.identification.implied_moments",
        lambda *given: calls.append(1) or original(*given),
    )
    assert null_space(one) == []
    assert len(one.table.parameters) == 19 * groups
    assert len(calls) == 2 * 19  # as for one group


def test_equations_join_groups_that_have_nothing_else_in_common():
    data = four_constructs(n=200).assign(g=["p", "q"] * 100)
    # two indicators determine no loading, unless it is that of another group
    free = "a =~ a1 + c(u, v)*a2 + c(NA, 0)*a3\na2 ~~ c(s, t)*a2"
    assert null_space(prepared(free, data, group="g"))
    told = prepared(f"{free}\nv == 2*u - 1", data, group="g")
    assert null_space(told) == []
    assert null_space(prepared(f"{free}\nv == u^2", data, group="g")) == []
