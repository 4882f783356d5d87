import numpy as np
import pytest

from bayessem.errors import FitError, ModelError
from bayessem.results.simulate import elements_at, simulate
from bayessem.results.standardize import model_moments
from bayessem.sem import SEM
from tests.drawn import elements_for, measured, structure_of, values_for

MODEL = measured("X", "W", "Y") + "\nY ~ b*X + q*X:X + i*X:W + W\n"


def test_moments_are_those_the_model_implies():
    structure = structure_of(MODEL)
    elements = elements_for(structure, b=0.4, q=0.3, i=-0.2)
    data = simulate(structure, elements, 200_000, random_seed=3)
    moments = model_moments(structure, elements)
    assert list(data.columns) == list(structure.observed)
    error = np.sqrt(np.diag(moments.observed_covariance) / len(data))
    assert (np.abs(data.mean() - moments.observed_mean) < 5 * error).all()
    np.testing.assert_allclose(np.cov(data.to_numpy().T), moments.observed_covariance, atol=0.03)


def test_latent_values_are_given_on_request_and_explain_the_indicators():
    structure = structure_of(MODEL)
    values = {**values_for(structure, b=0.4, q=0.3, i=0.0), "y1~~y1": 0.0}
    data = simulate(structure, elements_at(structure, values), 50, random_seed=1, latents=True)
    np.testing.assert_allclose(data["y1"], values["y1~1"] + data["Y"], atol=1e-9)


def test_groups_have_their_own_sizes_and_parameters():
    structure = structure_of(measured("X") + "\nx1 ~ c(m1, m2)*1")
    elements = elements_for(structure, m1=0.0, m2=50.0)
    data = simulate(structure, elements, [30, 40], random_seed=1)
    assert data["group"].value_counts().to_dict() == {"group 2": 40, "group 1": 30}
    means = data.groupby("group")["x1"].mean()
    assert means["group 2"] - means["group 1"] == pytest.approx(50, abs=3)


def test_a_seed_repeats_the_data():
    structure = structure_of(MODEL)
    elements = elements_for(structure, b=0.4, q=0.3, i=0.1)
    one, two, other = (simulate(structure, elements, 5, random_seed=s) for s in (1, 1, 2))
    assert one.equals(two)
    assert not one.equals(other)


def test_observed_variables_with_paths_are_columns_too():
    structure = structure_of("y ~ b*x\nx ~~ v*x\ny ~~ e*y")
    data = simulate(structure, elements_for(structure, b=2.0, v=1.0, e=1e-12), 100, random_seed=1)
    slope = np.polyfit(data["x"], data["y"], 1)[0]
    assert slope == pytest.approx(2.0, abs=1e-4)


def test_errors_say_what_is_missing_or_impossible():
    structure = structure_of(MODEL)
    values = values_for(structure, b=0.4, q=0.3, i=0.1)
    with pytest.raises(ModelError, match="no value for Y~X:X"):
        elements_at(structure, {k: v for k, v in values.items() if k != "Y~X:X"})
    with pytest.raises(ModelError, match="'Y~Q' is no free parameter"):
        elements_at(structure, {**values, "Y~Q": 1.0})
    elements = elements_at(structure, {**values, "X~~W": 5.0})
    with pytest.raises(FitError, match="disturbances has an eigenvalue"):
        simulate(structure, elements, 5)
    with pytest.raises(ModelError, match="one size, or one for each of 1 groups"):
        simulate(structure, elements, [5, 5])
    with pytest.raises(ModelError, match="takes one draw"):
        simulate(structure, elements[None], 5)


def test_a_model_simulates_from_values_and_from_its_fit():
    sem = SEM("f =~ x1 + x2 + x3\nf ~ b*z")
    values = {
        "f=~x2": 0.9,
        "f=~x3": 0.8,
        "b": 0.5,
        "x1~~x1": 0.3,
        "x2~~x2": 0.3,
        "x3~~x3": 0.3,
        "f~~f": 0.7,
        "x1~1": 1.0,
        "x2~1": 2.0,
        "x3~1": 3.0,
        "z~~z": 1.0,
        "z~1": 0.0,
    }
    data = sem.simulate(values, 2_000, random_seed=1, latents=True)
    assert list(data.columns) == ["x1", "x2", "x3", "z", "f"]
    ml = sem.ml(data)
    assert ml.table.set_index("label").loc["b", "est"] == pytest.approx(0.5, abs=0.1)
    again = sem.simulate(ml, 2_000, random_seed=2)
    np.testing.assert_allclose(again.mean(), data[again.columns].mean(), atol=0.15)
    with pytest.raises(ModelError, match="one of another model"):
        SEM("f =~ x1 + x2 + x3").simulate(ml, 10)
    with pytest.raises(ModelError, match="has its own groups"):
        sem.simulate(ml, 10, groups=("a",))


def test_groups_are_named_for_values():
    sem = SEM("y ~ c(p, q)*x")
    values = {"p": 1.0, "q": -1.0, "y~~y[a]": 0.1, "y~~y[b]": 0.1, "x~~x": 1.0, "x~1": 0.0}
    values |= {"y~1[a]": 0.0, "y~1[b]": 0.0}
    data = sem.simulate(values, 500, groups=("a", "b"), random_seed=1)
    slopes = {g: np.polyfit(d["x"], d["y"], 1)[0] for g, d in data.groupby("group")}
    assert slopes["a"] == pytest.approx(1.0, abs=0.1)
    assert slopes["b"] == pytest.approx(-1.0, abs=0.1)
