import numpy as np
import pandas as pd
import pytest

from bayessem.effects.effects import effects
from bayessem.errors import ModelError
from bayessem.results.standardize import model_moments
from bayessem.sem import SEM
from tests.drawn import (
    REFCASES,
    brute_force,
    drawn_fit,
    fit_at,
    fit_with,
    measured,
    parameter,
    printed,
    reference_case,
    with_reference_cases,
)

SERIAL = measured("X", "M", "N", "Y") + "\nM ~ a*X\nN ~ d*M + e*X\nY ~ b*N + f*M + c*X\n"
SERIAL_VALUES = {"a": 0.5, "d": 0.6, "e": -0.2, "b": 0.4, "f": 0.3, "c": 0.25}
CURVED = measured("X", "M", "Y") + "\nM ~ a1*X + a2*X:X\nY ~ b1*M + b2*M:M + c*X\n"
CURVED_VALUES = {"a1": 0.5, "a2": 0.2, "b1": 0.6, "b2": -0.15, "c": 0.25}
MODERATED = measured("X", "W", "M", "Y") + "\nM ~ a*X + g*W + h*X:W\nY ~ b*M + c*X\n"
MODERATED_VALUES = {"a": 0.5, "g": 0.2, "h": 0.3, "b": 0.4, "c": 0.1}


@pytest.fixture(scope="module")
def serial():
    return drawn_fit(SERIAL, **SERIAL_VALUES)


@pytest.fixture(scope="module")
def curved():
    return drawn_fit(CURVED, **CURVED_VALUES)


def of(result, name):
    return result.draws.sel(effect=name).values


def test_each_effect_is_the_product_of_its_paths_draw_by_draw(serial):
    result = effects(serial, "X", "Y")
    a, b, c, d, e, f = (parameter(serial, x) for x in "abcdef")
    expected = {
        "X -> Y": c,
        "X -> M -> Y": a * f,
        "X -> N -> Y": e * b,
        "X -> M -> N -> Y": a * d * b,
        "total indirect": a * f + e * b + a * d * b,
        "total": c + a * f + e * b + a * d * b,
    }
    assert list(result.draws["effect"].values) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(of(result, name), values, atol=1e-12)
    kinds = ["direct", *["indirect"] * 3, "total indirect", "total"]
    assert list(result.table["effect"]) == kinds


def test_the_table_summarises_the_draws(serial):
    result = effects(serial, "X", "Y", ci_prob=0.8)
    drawn = of(result, "X -> M -> Y").ravel()
    row = result.table[result.table["path"] == "X -> M -> Y"].iloc[0]
    assert row["mean"] == pytest.approx(drawn.mean())
    assert [row["lower"], row["upper"]] == pytest.approx(np.quantile(drawn, [0.1, 0.9]))
    assert {"r_hat", "ess_bulk", "ess_tail", "p_positive"} <= set(result.table)
    assert "X -> M -> N -> Y" in str(result)
    assert "80 % interval" in str(result)


def test_standardised_effects_use_model_implied_deviations(serial):
    raw, std = (effects(serial, "X", "Y", standardized=s) for s in (False, True))
    structure = serial.prepared.structure
    covariance = model_moments(structure, serial.elements).latent_covariance
    i, j = (structure.variables.index(v) for v in "XY")
    unit = np.sqrt(covariance[..., i, i] / covariance[..., j, j])
    np.testing.assert_allclose(std.draws.values, raw.draws.values * unit[..., None])


def test_instantaneous_effect_is_that_of_hayes_and_preacher(curved):
    """theta(x) = (a1 + 2 a2 x)(b1 + 2 b2 M(x)), M(x) = i + a1 x + a2 x^2."""
    result = effects(curved, "X", "Y", at=(-1.5, 0, 2))
    a1, a2, b1, b2 = (parameter(curved, x) for x in ("a1", "a2", "b1", "b2"))
    structure = curved.prepared.structure
    i = structure.variables.index("X")
    moments = model_moments(structure, curved.elements)
    sd = np.sqrt(moments.latent_covariance[..., i, i])
    mean = moments.latent_mean[..., i]
    for name, z in (("at -1.5 SD", -1.5), ("at mean", 0.0), ("at +2 SD", 2.0)):
        x = mean + z * sd
        theta = (a1 + 2 * a2 * x) * (b1 + 2 * b2 * (a1 * x + a2 * x**2))
        np.testing.assert_allclose(of(result, f"X -> M -> Y (X {name})"), theta, atol=1e-12)


def test_average_over_x_is_the_mean_over_its_normal_distribution(curved):
    result = effects(curved, "X", "Y")
    a1, a2, b1, b2 = (parameter(curved, x) for x in ("a1", "a2", "b1", "b2"))
    structure = curved.prepared.structure
    moments = model_moments(structure, curved.elements)
    i = structure.variables.index("X")
    nodes, weights = np.polynomial.hermite_e.hermegauss(10)
    x = moments.latent_mean[..., i, None]
    x = x + np.sqrt(moments.latent_covariance[..., i, i, None]) * nodes
    a1, a2, b1, b2 = (v[..., None] for v in (a1, a2, b1, b2))
    theta = (a1 + 2 * a2 * x) * (b1 + 2 * b2 * (a1 * x + a2 * x**2))
    expected = theta @ weights / weights.sum()
    got = of(result, "X -> M -> Y (averaged over X)")
    np.testing.assert_allclose(got, expected, atol=1e-10)


def test_direct_and_indirect_sum_to_the_total_at_every_value(curved):
    result = effects(curved, "X", "Y", at=(-1, 0.5))
    for at in ("X at -1 SD", "X at +0.5 SD", "averaged over X"):
        indirect = of(result, f"total indirect ({at})")
        total = of(result, f"total ({at})")
        np.testing.assert_allclose(total, indirect + of(result, "X -> Y"), atol=1e-12)
    assert "depend on X itself" in " ".join(result.notes)


def test_covariates_are_averaged_over_their_values_in_the_data():
    fit = drawn_fit("m ~ a*x + q*x:x\ny ~ b*m + c*x", a=0.5, q=0.3, b=0.4, c=0.1)
    assert "x" in fit.prepared.table.exogenous
    got = of(effects(fit, "x", "m"), "x -> m (averaged over x)")
    expected = parameter(fit, "a") + 2 * parameter(fit, "q") * fit.data["x"].mean()
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_a_moderator_is_averaged_over_or_set():
    fit = drawn_fit(MODERATED, **MODERATED_VALUES)
    a, b, h = (parameter(fit, x) for x in "abh")
    structure = fit.prepared.structure
    moments = model_moments(structure, fit.elements)
    w = structure.variables.index("W")
    mean, sd = moments.latent_mean[..., w], np.sqrt(moments.latent_covariance[..., w, w])
    average = effects(fit, "X", "Y")
    np.testing.assert_allclose(of(average, "X -> M -> Y"), (a + h * mean) * b, atol=1e-12)
    assert 'at={"W": (-1, 0, 1)}' in " ".join(average.notes)
    chosen = effects(fit, "X", "Y", at={"W": (1,)})
    got = of(chosen, "X -> M -> Y (W at +1 SD)")
    np.testing.assert_allclose(got, (a + h * (mean + sd)) * b, atol=1e-12)
    assert not chosen.notes


def test_groups_are_compared_in_all_pairs():
    model = measured("X", "M", "Y") + "\nM ~ c(a1, a2, a3)*X\nY ~ b*M + X\n"
    fit = drawn_fit(model, groups=("p", "q", "r"), a1=0.2, a2=0.5, a3=0.9, b=0.4)
    result = effects(fit, "X", "Y")
    name = "X -> M -> Y [{}]"
    for one, other in (("p", "q"), ("p", "r"), ("q", "r")):
        difference = of(result, name.format(one)) - of(result, name.format(other))
        np.testing.assert_allclose(of(result, name.format(f"{one} - {other}")), difference)
    assert set(effects(fit, "X", "Y", group="q").table["group"]) == {"q"}
    assert "p - r" in set(effects(fit, "X", "Y", group=("p", "r")).table["group"])
    with pytest.raises(
        ModelError, match="group 's' is not in the model; its groups: 'p', 'q', 'r'"
    ):
        effects(fit, "X", "Y", group="s")


def test_feedback_counts_all_rounds_in_the_total():
    model = measured("X", "M", "Y") + "\nM ~ a*X + r*Y\nY ~ b*M\nX ~ i*1"
    fit = drawn_fit(model, a=0.5, r=0.3, b=0.4, i=0.0)
    result = effects(fit, "X", "Y")
    a, b, r = (parameter(fit, x) for x in "abr")
    np.testing.assert_allclose(of(result, "total"), a * b / (1 - b * r), atol=1e-12)
    np.testing.assert_allclose(of(result, "X -> M -> Y"), a * b, atol=1e-12)
    assert "feedback (M, Y lie on a circle" in " ".join(result.notes)


def test_impossible_requests_are_named(serial):
    with pytest.raises(ModelError, match="no variable does"):
        effects(serial, "X", "Y", at={"M": (0, 1)})
    with pytest.raises(ModelError, match="one or more finite numbers"):
        effects(serial, "X", "Y", at=(float("nan"),))
    with pytest.raises(ModelError, match="no directed path"):
        effects(serial, "Y", "X")


TWO_BENT = (
    measured("X", "M", "N", "Y")
    + """
M ~ a1*X + a2*X:X
N ~ d1*X + d2*X:X
Y ~ b1*M + b2*M:M + e1*N + e2*N:N + f*M:N + c*X
M ~~ .3*N
"""
)
TWO_BENT_VALUES = {
    "a1": 0.5, "a2": 0.2, "d1": -0.4, "d2": 0.15,
    "b1": 0.6, "b2": -0.15, "e1": 0.3, "e2": 0.1, "f": 0.2, "c": 0.25,
}  # fmt: skip
MANY = 200_000


@pytest.fixture(scope="module")
def two_bent():
    return drawn_fit(TWO_BENT, draws=2, spread=0.0, **TWO_BENT_VALUES)


def simulated(fit, x):
    """Respondents with X set to x; the same random numbers for every x."""
    return brute_force(
        fit.prepared.structure, fit.elements[0, 0], ["X", "M", "N", "Y"], set_to={"X": x}, n=MANY
    )


@pytest.mark.parametrize("z", [-1.0, 0.5, 2.0])
def test_two_bent_mediators_that_interact_are_as_simulated(two_bent, z):
    """Every path's effect is the mean product of its slopes, and they sum to the derivative."""
    result = effects(two_bent, "X", "Y", at=(z,))
    v = TWO_BENT_VALUES
    at = f"(X at {z:+g} SD)"  # X has mean 0 and variance 1 here
    drawn = simulated(two_bent, z)
    through_m = (v["a1"] + 2 * v["a2"] * z) * (
        v["b1"] + 2 * v["b2"] * drawn["M"] + v["f"] * drawn["N"]
    )
    through_n = (v["d1"] + 2 * v["d2"] * z) * (
        v["e1"] + 2 * v["e2"] * drawn["N"] + v["f"] * drawn["M"]
    )
    for name, slopes in (("X -> M -> Y", through_m), ("X -> N -> Y", through_n)):
        error = slopes.std() / np.sqrt(MANY)
        assert of(result, f"{name} {at}")[0, 0] == pytest.approx(slopes.mean(), abs=5 * error)

    step = 1e-3
    change = (simulated(two_bent, z + step)["Y"] - simulated(two_bent, z - step)["Y"]) / (2 * step)
    error = change.std() / np.sqrt(MANY)
    assert of(result, f"total {at}")[0, 0] == pytest.approx(change.mean(), abs=5 * error)


def test_average_effects_of_two_bent_mediators_are_as_simulated(two_bent):
    """Averaged over X: the mean over respondents of their slopes, X drawn as in the model."""
    result = effects(two_bent, "X", "Y")
    v = TWO_BENT_VALUES
    drawn = brute_force(
        two_bent.prepared.structure, two_bent.elements[0, 0], ["X", "M", "N", "Y"],
        set_to={}, n=MANY,
    )  # fmt: skip
    x, m, n = drawn["X"], drawn["M"], drawn["N"]
    parts = {
        "X -> M -> Y": (v["a1"] + 2 * v["a2"] * x) * (v["b1"] + 2 * v["b2"] * m + v["f"] * n),
        "X -> N -> Y": (v["d1"] + 2 * v["d2"] * x) * (v["e1"] + 2 * v["e2"] * n + v["f"] * m),
    }
    parts["total"] = v["c"] + parts["X -> M -> Y"] + parts["X -> N -> Y"]
    for name, slopes in parts.items():
        error = slopes.std() / np.sqrt(MANY)
        got = of(result, f"{name} (averaged over X)")[0, 0]
        assert got == pytest.approx(slopes.mean(), abs=5 * error), name


DEFINED = {
    "A04_pd_sem": [("ind60", "dem65", "ind60 -> dem60 -> dem65", "ind"),
                   ("ind60", "dem65", "total", "tot")],
    "A10_openmx_mediation": [("F2", "F3", "F2 -> F1 -> F3", "ind"), ("F2", "F3", "total", "tot")],
    "A14_lifesat_mediation": [
        ("SUP_Parents", "LS", "SUP_Parents -> SE_Academic -> LS", "ind_par_acad"),
        ("SUP_Parents", "LS", "SUP_Parents -> SE_Social -> LS", "ind_par_soc"),
        ("SUP_Friends", "LS", "SUP_Friends -> SE_Academic -> LS", "ind_fri_acad"),
        ("SUP_Friends", "LS", "SUP_Friends -> SE_Social -> LS", "ind_fri_soc"),
        ("SUP_Parents", "LS", "total", "tot_par"),
        ("SUP_Friends", "LS", "total", "tot_fri"),
    ],
    "A15_lifesat_mg": [("SE_Academic", "LS", "SE_Academic -> LS [east - west]", "d_acad"),
                       ("SUP_Parents", "LS", "SUP_Parents -> LS [east - west]", "d_par")],
}  # fmt: skip


@with_reference_cases
@pytest.mark.parametrize("case_id", DEFINED)
def test_reference_cases_at_the_maximum_of_the_likelihood(case_id):
    case = reference_case(case_id)
    options = case["options"]
    data = pd.read_csv(REFCASES / case["data_file"])
    sem = SEM(case["model"], group_equal=options.get("group.equal", ()))
    ml = sem.ml(data, group=options.get("group"), group_order=options.get("group_order"), se="none")
    fit = fit_at(ml.prepared, ml.elements)
    for x, y, name, defined in DEFINED[case_id]:
        row = next(r for r in case["expected"] if r["op"] == ":=" and r["lhs"] == defined)
        group = ("east", "west") if "west" in name else None
        result = effects(fit, x, y, group=group)
        got = float(of(result, name).mean())
        assert got == pytest.approx(row["est"], abs=row["tol_ml"]), defined


@with_reference_cases
def test_conditional_indirect_effects_of_the_planned_behaviour_case():
    """B04: INT ~ ATT + SN + PBC, BEH ~ INT + PBC + INT:PBC, at the printed estimates.

    The effect of ATT through INT is a (b + d PBC), that of PBC itself c + d INT + a' (b + d PBC).
    """
    case = reference_case("B04_tpb")
    known = printed(case, "LMS")
    fit = fit_with(case, known)
    sd = np.sqrt(known["PBC~~PBC"])
    b, d = known["BEH~INT"], known["BEH~INT:PBC"]
    for x in ("ATT", "SN"):
        result = effects(fit, x, "BEH", at={"PBC": (-1, 0, 1)})
        for z, at in ((-1, "-1 SD"), (0, "mean"), (1, "+1 SD")):
            expected = known[f"INT~{x}"] * (b + d * z * sd)
            got = of(result, f"{x} -> INT -> BEH (PBC at {at})")
            np.testing.assert_allclose(got, expected, atol=1e-12)
    result = effects(fit, "PBC", "BEH", at=(-1, 1))
    for z, at in ((-1, "-1 SD"), (1, "+1 SD")):
        pbc = z * sd
        expected = known["BEH~PBC"] + known["INT~PBC"] * (b + 2 * d * pbc)
        np.testing.assert_allclose(of(result, f"total (PBC at {at})"), expected, atol=1e-12)
