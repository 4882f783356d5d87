"""Paths that change with an observed variable: the product of three is exactly what it says."""

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from example_models import prepared
from shown import check

import bayessem as bs
from bayessem.comparison.refits import log_predictive
from bayessem.errors import DataError, FitError, ModelError, NotSupported
from bayessem.model.starts import initial_point, start_values
from bayessem.plots import plot_poolings
from bayessem.posterior.assemble import likelihood_density, posterior_density
from bayessem.text.numbers import number

MODEL = "f =~ x1 + x2\ng =~ y1 + y2\ng ~ f + f:f"
LINEAR = MODEL.replace(" + f:f", "")


def respondents(n=120, seed=1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    f, w = rng.normal(size=n), rng.integers(0, 2, n).astype(float)
    g = (0.3 + 0.3 * w) * f + (0.1 + 0.3 * w) * f**2 + 0.2 * w + 0.6 * rng.normal(size=n)
    columns = {f"x{i}": f + 0.5 * rng.normal(size=n) for i in (1, 2)}
    columns |= {f"y{i}": g + 0.5 * rng.normal(size=n) for i in (1, 2)}
    return pd.DataFrame(columns).assign(w=w, group=np.where(w > 0, "one", "zero"))


def log_likelihood(found, values):
    density = likelihood_density(found.structure, found.space, found.sample)
    x = np.array([values[name.split("[")[0]](name) for name in found.table.parameters])
    return density.value_and_gradient(x)[0]


def test_a_continuous_moderator_of_two_values_is_two_groups():
    """With w in {0, 1}: path b1 + b3 w, square b2 + b4 w, intercept bw w, exactly."""
    data = respondents()
    sem = bs.continuous_moderator(bs.SEM(MODEL), "w", "g ~ f", "g ~ f:f")
    single = sem.prepare(data)
    double = prepared(
        MODEL + "\ng ~ 1\nf ~ 0*1",
        data,
        group="group",
        group_order=["zero", "one"],
        group_equal=["loadings", "intercepts", "residuals"],
    )

    def both(b1, b2, b3, b4, bw, rest):
        plain = {
            "f=~x2": lambda _: rest[0],
            "g=~y2": lambda _: rest[1],
            "f~~f": lambda _: rest[2],
            **{f"{y}~~{y}": lambda _: 0.3 for y in ("x1", "x2", "y1", "y2")},
            **{f"{y}~1": lambda _: 0.1 for y in ("x1", "x2", "y1", "y2")},
        }

        def by_group(zero, one):
            return lambda name: one if name.endswith("[one]") else zero

        one = plain | {
            "g~f": lambda _: b1,
            "g~f:f": lambda _: b2,
            "g~f:w": lambda _: b3,
            "g~f:f:w": lambda _: b4,
            "g~w": lambda _: bw,
            "g~~g": lambda _: rest[3],
        }
        two = plain | {
            "g~f": by_group(b1, b1 + b3),
            "g~f:f": by_group(b2, b2 + b4),
            "g~1": by_group(0.0, bw),
            "g~~g": by_group(rest[3], rest[3]),
        }
        return log_likelihood(single, one), log_likelihood(double, two)

    first = both(0.3, 0.1, 0.2, 0.3, 0.2, (1.1, 0.9, 0.8, 0.4))
    other = both(0.5, -0.2, -0.3, 0.4, -0.1, (0.8, 1.2, 1.1, 0.6))
    # the density of w itself is in the single group's likelihood, the same at both points
    assert first[0] - other[0] == pytest.approx(first[1] - other[1], abs=1e-6)
    assert abs(first[0] - other[0]) > 1.0


def test_a_square_times_a_moderator_needs_one_integral_and_has_its_gradient():
    """The product of three is one square's integral with the respondent's own coefficients."""
    found = bs.continuous_moderator(bs.SEM(MODEL), "w", "g ~ f", "g ~ f:f").prepare(respondents())
    structure = found.structure
    names = [[structure.variables[i] for i in term] for term in structure.products]
    assert ["f", "f", "w"] in names
    plan = structure.product_plan()
    assert (plan.route, plan.integrated, len(plan.factors)) == ("one", 1, 1)
    density = posterior_density(found.space, structure, found.sample)
    values = start_values(structure, found.covariances, found.means)
    x = initial_point(found.space, found.table, values)
    x = x + 0.1 * np.random.default_rng(1).normal(size=len(x))
    numeric = []
    for h in 1e-6 * np.eye(len(x)):
        ends = [density.value_and_gradient(x + s * h)[0] for s in (1, -1)]
        numeric.append((ends[0] - ends[1]) / 2e-6)
    np.testing.assert_allclose(density.value_and_gradient(x)[1], numeric, rtol=1e-6, atol=1e-4)


def test_the_same_as_a_model_in_pymc():
    found = bs.continuous_moderator(bs.SEM(MODEL), "w", "g ~ f", "g ~ f:f").prepare(respondents())
    structure, space = found.structure, found.space
    native = posterior_density(space, structure, found.sample)
    values = start_values(structure, found.covariances, found.means)
    x = initial_point(space, found.table, values)
    elements = native.elements(native.natural(x))
    names = ("loadings", "paths", "disturbances", "residuals", "intercepts", "means", "products")
    matrices = {name: structure.matrices(elements)[name] for name in names}
    frame = pd.DataFrame(found.sample.values, columns=list(structure.observed))
    with pm.Model() as model:
        bs.StructuralModel("y", observed=frame, product_terms=structure.products, **matrices)
    own = native.respondent_log_likelihood(native.natural(x)).sum()
    assert float(model.compile_logp(mode="FAST_COMPILE")({})) == pytest.approx(own, rel=1e-10)


def test_paths_that_are_not_there():
    with pytest.raises(ModelError, match="not a path of the model; its paths: g~f"):
        bs.continuous_moderator(bs.SEM(MODEL), "w", "f ~ g")
    with pytest.raises(ModelError, match="not a path of the model; its paths: g~f"):
        bs.with_main_effects(bs.SEM(MODEL), "w", "f ~ g")
    text = bs.continuous_moderator(bs.SEM(MODEL), "w", "g ~ f").text
    assert text.endswith("g ~ w\ng ~ f:w")


def test_own_effects_are_added_once():
    fair = bs.with_main_effects(bs.SEM(MODEL, std_lv=True), "w", "g ~ f", "g ~ f:f")
    assert fair.text.count("g ~ w") == 1
    assert fair.options["std_lv"]
    assert bs.with_main_effects(fair, "w", "g ~ f").text == fair.text


def test_groups_in_which_the_covariate_is_constant_are_conditioned_on_it():
    """With all equal, log p(y | w) is that of the model without groups, whatever w's moments."""
    data = respondents()
    sem = bs.with_main_effects(bs.SEM(LINEAR), "w", "g ~ f")
    single = sem.prepare(data)
    double = sem.prepare(data, group="group", pooling=bs.complete_pooling())
    assert single.space.names == double.space.names
    everybody = np.arange(len(data))
    rng = np.random.default_rng(1)
    for _ in range(3):
        values = np.exp(0.3 * rng.normal(size=len(single.space.names)))
        one, two = (log_predictive(p, everybody, values) for p in (single, double))
        assert two == pytest.approx(one, abs=1e-6)
    # and the own effect is in it: another value of it, another likelihood
    values[single.space.names.index("g~w")] += 0.5
    assert np.abs(log_predictive(double, everybody, values) - two).max() > 0.01


def test_only_a_covariate_may_be_constant_in_a_group():
    data = respondents()
    flat = data.assign(y1=np.where(data["w"] > 0, 0.0, data["y1"]))
    with pytest.raises(DataError, match="'y1' is constant in group 'one'"):
        bs.SEM(LINEAR).prepare(flat, group="group")
    with pytest.raises(DataError, match="w is constant.*sampling does without"):
        bs.SEM(LINEAR + "\ng ~ w").ml(data, group="group")


def level_effect(n=300, seed=2) -> pd.DataFrame:
    """The path is the same for all; w has a large effect of its own."""
    rng = np.random.default_rng(seed)
    level = np.arange(n) % 4
    f = rng.normal(size=n)
    g = 0.5 * f + 0.6 * level + 0.7 * rng.normal(size=n)
    columns = {f"x{i}": f + 0.5 * rng.normal(size=n) for i in (1, 2)}
    columns |= {f"y{i}": g + 0.5 * rng.normal(size=n) for i in (1, 2)}
    halves = np.where(level > 1, "high", "low")
    return pd.DataFrame(columns).assign(w=1.0 * level, half=halves, level=level.astype(str))


@pytest.fixture(scope="module")
def study():
    return bs.moderation_study(
        bs.SEM(LINEAR),
        level_effect(),
        "g ~ f",
        groupings={"halves": "half", "levels": "level"},
        by={"levels": "w"},
        moderator="w",
        draws=300,
        tune=400,
        random_seed=1,
        progress=False,
    )


def test_an_effect_of_the_moderator_is_no_moderation(study):
    """All models have w's own effect, so none predicts better than the same path for all."""
    table = study.comparison.table
    assert set(table.index) == {
        "halves, no pooling",
        "halves, partial pooling",
        "levels, no pooling",
        "levels, partial pooling",
        "the same for all",
        "continuous w",
    }
    gap = table["elpd"] - table.loc["the same for all", "elpd"]
    assert (gap.abs() < 4.0).all()  # compare's own "no difference"
    assert study.comparison.target.covariates == ("w",)
    assert not any("different covariates" in note for note in study.comparison.notes)
    mean = number(study.standardized["mean"][0], 2)
    check(study, "Every model has the main effect of w on g", mean, parts=True)
    check(study.poolings["levels"], number(study.poolings["levels"].table["mean"][0], 2))
    # without it the models of groups would be far behind, for a reason that is not the slope
    without = bs.SEM(LINEAR).fit(level_effect(), draws=300, tune=400, random_seed=1, progress=False)
    assert without.loo().elpd < table["elpd"].min() - 20.0


def test_the_same_for_all_is_fitted_once(study):
    halves, levels = study.poolings["halves"], study.poolings["levels"]
    assert levels.fits["complete"] is halves.fits["complete"]
    complete = levels.table[levels.table["pooling"] == "complete"]
    assert list(complete["group"]) == ["0", "1", "2", "3"]
    assert complete["mean"].nunique() == 1
    draws = halves.fits["complete"].parameters.sel(parameter="g~f")
    assert complete["mean"].iloc[0] == pytest.approx(float(draws.mean()))


def test_complete_pooling_of_another_model_is_refused(study):
    with pytest.raises(FitError, match="complete= is a fit of another model"):
        bs.compare_poolings(
            bs.SEM(LINEAR),
            level_effect(),
            "g ~ f",
            group="half",
            complete=study.poolings["halves"].fits["complete"],
            loo=False,
            draws=50,
            tune=50,
            random_seed=1,
            progress=False,
        )


def test_the_population_has_no_respondents(study):
    whole = study.poolings["levels"].fits["partial"].population()
    refused = ("loo", "kfold", "loo_pit", "leave_group_out", "indices", "residuals")
    refused += ("modification_indices", "predictive_check", "posterior_predictive", "sensitivity")
    for name in refused:
        with pytest.raises(NotSupported, match="the population of groups has no .* Use the fit"):
            getattr(whole, name)()
    with pytest.raises(NotSupported, match="the population of groups has no cross-validation"):
        bs.compare({"population": whole, "continuous": study.continuous})
    assert len(whole.effects("f", "g").table)


def test_a_study_of_moderation():
    found = bs.moderation_study(
        bs.SEM(LINEAR),
        respondents(),
        "g ~ f",
        groupings={"two values": "group"},
        moderator="w",
        draws=200,
        tune=300,
        random_seed=1,
        progress=False,
    )
    assert set(found.comparison.table.index) == {
        "two values, no pooling",
        "two values, partial pooling",
        "the same for all",
        "continuous w",
    }
    rows = found.standardized.set_index("group")["mean"]
    assert rows["one"] > rows["zero"]
    text = str(found)
    assert "standardised within each group" in text
    assert "2 groups say little" in text
    assert plot_poolings(found.poolings["two values"], parameter="g~f").axes
