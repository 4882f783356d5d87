import numpy as np
import pytest

from bayessem.effects.effects import effects
from bayessem.effects.mediation import TYPES, mediation, proportion_mediated, type_probabilities
from bayessem.errors import ModelError
from bayessem.results.standardize import model_moments
from tests.drawn import drawn_fit, measured, parameter

SIMPLE = measured("X", "M", "Y") + "\nM ~ a*X\nY ~ b*M + c*X\n"
FIRST = measured("X", "W", "M", "Y") + "\nM ~ a*X + g*W + h*X:W\nY ~ b*M + c*X\n"
SECOND = measured("X", "W", "M", "Y") + "\nM ~ a*X\nY ~ b*M + c*X + g*W + h*M:W\n"
BOTH = measured("X", "W", "M", "Y") + "\nM ~ a*X + W + h*X:W\nY ~ b*M + c*X + k*M:W\n"


@pytest.mark.parametrize(
    ("direct", "indirect", "kind"),
    [
        (0.05, 0.2, "indirect-only"),
        (0.3, 0.2, "complementary"),
        (-0.3, -0.2, "complementary"),
        (-0.3, 0.2, "competitive"),
        (0.3, 0.005, "direct-only"),
        (-0.09, 0.009, "none"),
    ],
)
def test_types_of_zhao_lynch_and_chen(direct, indirect, kind):
    found = type_probabilities(np.full(3, direct), np.full(3, indirect))
    assert found == {name: float(name == kind) for name in TYPES}


def test_types_are_probabilities_and_follow_the_region():
    rng = np.random.default_rng(1)
    direct, indirect = rng.normal(0.1, 0.1, 5000), rng.normal(0.1, 0.05, 5000)
    for rope in (0.0, 0.1, 0.3):
        found = type_probabilities(direct, indirect, rope=rope, rope_indirect=0.01)
        assert sum(found.values()) == pytest.approx(1)
        inside = (np.abs(direct) < rope).mean()
        assert found["indirect-only"] + found["none"] == pytest.approx(inside)


def test_proportion_needs_signs_that_agree():
    rng = np.random.default_rng(1)
    direct = rng.normal(0.3, 0.02, 4000)
    found = proportion_mediated(direct, np.full(4000, 0.1))
    assert found["p_signs_agree"] == 1.0
    assert found["median"] == pytest.approx(0.25, abs=0.005)
    assert 0 < found["lower"] < found["median"] < found["upper"] < 1
    unclear = proportion_mediated(rng.normal(0, 0.1, 4000), np.full(4000, 0.1))
    assert unclear["p_signs_agree"] == pytest.approx(0.5, abs=0.05)
    assert np.isnan(unclear["median"])


def test_paragraph_and_tables_of_a_partial_mediation():
    fit = drawn_fit(SIMPLE, n=400, a=0.6, b=0.5, c=0.4)
    result = mediation(fit, "X", "Y")
    assert result.mediators == ("M",)
    row = result.types[result.types["path"] == "X -> M -> Y"].iloc[0]
    assert row["type"] == "complementary"
    assert row["complementary"] == 1.0
    a, b, c = (parameter(fit, x) for x in "abc")
    share = np.median(a * b / (a * b + c))
    assert result.proportion["median"][0] == pytest.approx(share)
    text = " ".join(str(result).split())
    for phrase in (
        "Mediation of X -> Y by M",
        "The indirect effect of X on Y through M is",
        "The most probable type is complementary (partial) mediation",
        f"Of the total effect, {100 * share:.0f} % is mediated",
        "a standardised direct effect within +-0.1 and an indirect one within +-0.01",
        "By these steps, for M: partial mediation.",
        "c is from the model without the mediators",
    ):
        assert phrase in text, phrase


def test_types_are_judged_on_standardised_effects():
    fit = drawn_fit(SIMPLE, draws=200, spread=0.3, a=0.6, b=0.5, c=0.12)
    result = mediation(fit, "X", "Y", rope=0.12)
    standard = effects(fit, "X", "Y", standardized=True).draws
    direct = standard.sel(effect="X -> Y").values
    indirect = standard.sel(effect="X -> M -> Y").values
    expected = type_probabilities(direct, indirect, rope=0.12, rope_indirect=0.0144)
    assert 0.05 < expected["indirect-only"] < 0.95
    row = result.types.iloc[0]
    assert {name: row[name] for name in TYPES} == pytest.approx(expected)
    assert result.rope_indirect == pytest.approx(0.0144)


def test_serial_and_parallel_mediators():
    model = measured("X", "M", "N", "Y") + "\nM ~ X\nN ~ M + X\nY ~ N + M + X\n"
    result = mediation(drawn_fit(model), "X", "Y")
    assert result.mediators == ("M", "N")
    assert set(result.types["path"]) == {
        "X -> M -> Y", "X -> N -> Y", "X -> M -> N -> Y", "total indirect",
    }  # fmt: skip
    assert set(result.steps["relation"]) >= {"X -> M", "X -> N", "M -> Y, given X"}
    assert "through M and N is" in " ".join(str(result).split())


def test_full_mediation_without_a_direct_path():
    fit = drawn_fit(measured("X", "M", "Y") + "\nM ~ a*X\nY ~ b*M\n", a=0.6, b=0.5)
    result = mediation(fit, "X", "Y")
    assert result.types["indirect-only"][0] == 1.0
    assert "The model has no direct effect." in " ".join(str(result).split())
    assert np.isnan(result.proportion["median"][0])


@pytest.mark.parametrize(("model", "labels"), [(FIRST, "hb"), (SECOND, "ah")], ids=["a3 b", "a b3"])
def test_index_of_moderated_mediation(model, labels):
    """Hayes (2015): the slope of omega(w) is a3 b (first stage) or a b3 (second stage)."""
    fit = drawn_fit(model, draws=100, a=0.5, b=0.4, c=0.1, g=0.2, h=0.3)
    result = mediation(fit, "X", "Y", at=(-1, 2))
    index = result.index[result.index["path"] == "X -> M -> Y"].iloc[0]
    product = parameter(fit, labels[0]) * parameter(fit, labels[1])
    assert index["mean"] == pytest.approx(product.mean())
    assert [index["lower"], index["upper"]] == pytest.approx(np.quantile(product, [0.025, 0.975]))
    structure = fit.prepared.structure
    w = structure.variables.index("W")
    sd = np.sqrt(model_moments(structure, fit.elements).latent_covariance[..., w, w])
    a, b, h = (parameter(fit, x) for x in "abh")
    rows = result.conditional[result.conditional["path"] == "X -> M -> Y"].set_index("value_sd")
    for z in (-1, 2):
        omega = (a + h * z * sd) * b if model is FIRST else a * (b + h * z * sd)
        assert rows.loc[z, "mean"] == pytest.approx(omega.mean())
    assert "index by W" in str(result)


def test_no_index_where_both_stages_are_moderated():
    fit = drawn_fit(BOTH, draws=100, a=0.5, b=0.4, c=0.1, h=0.3, k=-0.2)
    result = mediation(fit, "X", "Y", at=(1,))
    assert result.index.empty
    assert "moderates more than one stage of X -> M -> Y" in " ".join(result.notes)
    structure = fit.prepared.structure
    w = structure.variables.index("W")
    sd = np.sqrt(model_moments(structure, fit.elements).latent_covariance[..., w, w])
    a, b, h, k = (parameter(fit, x) for x in "abhk")
    omega = (a + h * sd) * (b + k * sd)
    assert result.conditional["mean"].iloc[0] == pytest.approx(omega.mean())


def test_no_index_where_x_bends_the_moderated_stage():
    model = measured("X", "W", "M", "Y") + "\nM ~ X + X:X\nY ~ M + X + W + M:W\n"
    result = mediation(drawn_fit(model), "X", "Y")
    assert result.index.empty
    assert "depends on W and on X at once" in " ".join(result.notes)
    assert len(result.conditional)


def test_groups_have_paragraphs_of_their_own():
    model = measured("X", "M", "Y") + "\nM ~ c(a1, a2)*X\nY ~ b*M + X\n"
    fit = drawn_fit(model, groups=("p", "q"), a1=0.6, a2=0.0, b=0.5)
    result = mediation(fit, "X", "Y")
    kinds = result.types[result.types["path"] == "X -> M -> Y"].set_index("group")["type"]
    assert kinds.to_dict() == {"p": "complementary", "q": "direct-only"}
    text = str(result)
    assert "In group p: the indirect effect" in text
    assert "In group q: the indirect effect" in text
    assert "p - q" in text
    assert set(mediation(fit, "X", "Y", group="q").steps["group"]) == {"q"}


def test_without_a_mediator_there_is_nothing_to_say():
    fit = drawn_fit(measured("X", "Y") + "\nY ~ X\n")
    with pytest.raises(ModelError, match="no variable lies between X and Y"):
        mediation(fit, "X", "Y")
