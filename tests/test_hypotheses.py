"""Hypotheses: their probabilities are shares of draws, and what is no hypothesis is one error."""

import numpy as np
import pytest
from example_models import abilities

from bayessem import SEM
from bayessem.effects.statements import read_hypotheses
from bayessem.errors import FitError, ModelError


def draws(fit, name):
    return fit.parameters.sel(parameter=name).values


def test_probabilities_are_shares_of_draws(pd_fit):
    a, b, c = (draws(pd_fit, p) for p in ("dem60~ind60", "dem65~dem60", "dem65~ind60"))
    y2 = draws(pd_fit, "dem60=~y2")
    wanted = {
        "dem60 ~ ind60 > 1.4": a > 1.4,
        "1.4 > dem60~ind60": a < 1.4,
        "ind60 -> dem60 -> dem65 > 1.2": a * b > 1.2,
        "indirect ind60 -> dem65 < 1.2": a * b < 1.2,
        "total ind60 → dem65 > 1.8": a * b + c > 1.8,
        "ind60 -> dem65 > 0.5": c > 0.5,
        "dem65 ~ dem60 > dem65 ~ ind60": b > c,
        "a*b - c > 0.5": a * b - c > 0.5,
        "ind > 1": a * b > 1,
        "0.3 < dem65 ~ ind60 < .7": (c > 0.3) & (c < 0.7),
        "dem60 ~ ind60 > 1.2 & dem65 ~ ind60 < 0.6": (a > 1.2) & (c < 0.6),
        "dem60 =~ y2 > 1.3 and y5 ~~ y1 > 0.5": (y2 > 1.3) & (draws(pd_fit, "y1~~y5") > 0.5),
        "dem65 ~ ind60 > −0.1": c > -0.1,
    }
    found = pd_fit.hypotheses(list(wanted))
    assert found.table["name"].tolist() == [f"H{k}" for k in range(1, len(wanted) + 1)]
    for k, (text, truth) in enumerate(wanted.items()):
        assert found.table["hypothesis"][k] == text
        assert found.table["probability"][k] == truth.mean(), text
        np.testing.assert_array_equal(found.draws.values[..., k], truth)
    assert {0.0, 1.0} & set(found.table["probability"]) == set()


def test_estimates_are_of_what_is_compared(pd_fit):
    table = pd_fit.hypotheses(
        ["dem65 ~ dem60 > dem65 ~ ind60", "0 < dem65 ~ ind60 < 1", "b > 0 & c > 0", "0 < b"],
        ci_prob=0.9,
    ).table
    b, c = draws(pd_fit, "dem65~dem60"), draws(pd_fit, "dem65~ind60")
    assert table["mean"][0] == pytest.approx((b - c).mean(), abs=1e-12)
    assert table["lower"][0] == pytest.approx(np.quantile(b - c, 0.05), abs=1e-12)
    assert table["mean"][1] == pytest.approx(c.mean(), abs=1e-12)
    assert np.isnan(table["mean"][2])
    assert table["mean"][3] == pytest.approx(b.mean(), abs=1e-12)


def test_verdicts_follow_the_threshold(pd_fit):
    statements = {"up": "b > 0", "down": "b < 0", "open": "dem60 ~ ind60 > 1.46"}
    found = pd_fit.hypotheses(statements)
    assert found.table["verdict"].tolist() == ["supported", "contradicted", "undecided"]
    assert "up (b > 0) is supported: probability above .999" in str(found)
    assert "> 0.999" in str(found) and "< 0.001" in str(found)
    assert "Supported from 0.95, contradicted up to 0.05" in str(found)
    strict = pd_fit.hypotheses("dem65 ~ ind60 > 0.1", threshold=0.999)
    assert strict.table["verdict"].tolist() == ["undecided"]
    assert pd_fit.hypotheses("dem65 ~ ind60 > 0.1").table["verdict"].tolist() == ["supported"]


def test_sizes_are_compared_standardised(pd_fit):
    row = pd_fit.summary().set_index(["lhs", "op", "rhs"]).loc[("dem65", "~", "dem60")]
    found = pd_fit.hypotheses({"H": "dem65 ~ dem60 > 0.8"}, standardized=True)
    assert found.table["mean"][0] == pytest.approx(row["std"], abs=1e-12)
    assert "Estimates are standardised." in " ".join(str(found).split())
    effect = pd_fit.effects("ind60", "dem65", standardized=True).table
    wanted = effect.loc[effect["effect"] == "indirect", "mean"].item()
    found = pd_fit.hypotheses("ind60 -> dem60 -> dem65 > 0", standardized=True)
    assert found.table["mean"][0] == pytest.approx(wanted, abs=1e-12)
    with pytest.raises(ModelError, match="no standardised value"):
        pd_fit.hypotheses("a*b > 0", standardized=True)


def test_names_stand_in_front_of_a_statement():
    found = read_hypotheses(["H1a: f ~ x:z > 0", "RAD ~ AMC:AMC < 0", "My claim: f ~ x < 0"])
    assert [(h.name, h.text) for h in found] == [
        ("H1a", "f ~ x:z > 0"),
        ("H2", "RAD ~ AMC:AMC < 0"),
        ("My claim", "f ~ x < 0"),
    ]


def test_groups_may_have_any_name():
    (found,) = read_hypotheses("y ~ x [R&D, <5] > y ~ x [sales – and more] & -0.5 < y ~ x [a=b]")
    assert [c.sides for c in found.comparisons] == [
        ("y ~ x [R&D, <5]", "y ~ x [sales – and more]"),
        ("-0.5", "y ~ x [a=b]"),
    ]
    assert [c.signs for c in found.comparisons] == [(">",), ("<",)]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("dem60 ~ ind6 > 0", r"'dem60 ~ ind6' is not in the model.*Did you mean 'dem60 ~ ind60'"),
        ("dem60 ~ ind60", r"neither < nor >; write what is claimed, such as 'dem60 ~ ind60 > 0'"),
        ("dem60 ~ ind60 = 0", "an exact value has probability 0"),
        ("dem60 ~ ind60 == 0", "an exact value has probability 0"),
        ("dem60 ~ ind60 >", "nothing stands on one side of '>'"),
        ("2 > 1", "compares numbers"),
        ("ind60 -> dem66 > 0", r"'dem66' is not in the model.*Did you mean 'dem65'"),
        ("dem60 -> ind60 > 0", "no directed path"),
        ("ind60 -> dem60 -> x -> dem65 > 0", "is no path of the model; it has ind60 -> dem65"),
        ("total ind60 -> dem60 -> dem65 > 0", "write 'total ind60 -> dem65'"),
        ("dem60 ~ ind60 [west] > 0", "'west' is no group of the model; its groups: none"),
        ("ind60 =~ x1 > 0", "fixed at 1 in the model"),
        ("dem60 ~ dem65 > 0", "is not in the model"),
        ("a + > 0", "is not in the model"),
        ("", "neither < nor >"),
        (3, "a text such as 'y ~ x > 0', not 3"),
    ],
)
def test_what_is_no_hypothesis_is_one_error(pd_fit, statement, message):
    with pytest.raises(ModelError, match=rf"hypothesis H1.*{message}"):
        pd_fit.hypotheses({"H1": statement})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "no hypothesis is given"),
        (7, "a dictionary such as"),
        (["H1: b > 0", "H1: c > 0"], "two hypotheses are named 'H1'"),
    ],
)
def test_hypotheses_are_a_dictionary_or_a_list(pd_fit, given, message):
    with pytest.raises(ModelError, match=message):
        pd_fit.hypotheses(given)


@pytest.mark.parametrize("threshold", [0.5, 1.0, 95, "0.9"])
def test_a_threshold_is_a_probability_above_a_half(pd_fit, threshold):
    with pytest.raises(FitError, match="threshold"):
        pd_fit.hypotheses("b > 0", threshold=threshold)


def test_groups_are_judged_one_by_one_and_compared():
    fit = SEM(
        "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\ntextual ~ visual",
        group_equal="loadings",
    ).fit(abilities(), group="school", draws=150, tune=300, chains=2, random_seed=1, progress=False)
    found = fit.hypotheses(
        {
            "H1": "textual ~ visual > 0.3",
            "H2": "textual ~ visual [Pasteur] > textual ~ visual [Grant-White]",
            "H3": "visual =~ x2 > 0.5",
            "H4": "visual -> textual > 0.3",
        }
    )
    table = found.table.set_index(["name", "group"])
    by = {g: draws(fit, f"textual~visual{s}") for g, s in zip(*_names(fit), strict=True)}
    for group, values in by.items():
        assert table.loc[("H1", group), "probability"] == (values > 0.3).mean()
        assert table.loc[("H4", group), "probability"] == (values > 0.3).mean()
    difference = by["Pasteur"] - by["Grant-White"]
    assert table.loc[("H2", ""), "probability"] == (difference > 0).mean()
    assert found.table["name"].tolist() == ["H1", "H1", "H2", "H3", "H4", "H4"]


def _names(fit):
    groups = fit.prepared.table.groups
    names = [p for p in fit.prepared.table.parameters if p.startswith("textual~visual")]
    return groups, [name.removeprefix("textual~visual") for name in names]
