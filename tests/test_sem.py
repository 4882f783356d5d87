"""The model object: what it says about itself, its priors, and one clear error for bad input."""

import numpy as np
import pandas as pd
import pytest
from example_models import ABILITIES, DEMOCRACY, abilities, democracy, noise

from bayessem import SEM
from bayessem.errors import (
    BayessemError,
    BayessemWarning,
    DataError,
    FitError,
    IdentificationError,
    NotSupported,
    PriorError,
    SyntaxProblem,
)
from bayessem.model.priors import Prior

QUICK = {"draws": 5, "tune": 5, "chains": 1, "random_seed": 1, "progress": False}


@pytest.fixture
def never_sample(monkeypatch):
    """Errors have to come before the sampler is reached."""

    def refuse(*_args, **_kwargs):
        raise AssertionError("the sampler was reached")

    monkeypatch.setattr("bayessem.results.estimate.sample", refuse)


def test_str_is_the_table_and_repr_makes_the_model_again():
    sem = SEM(ABILITIES, std_lv=True, meanstructure=False)
    assert "visual   =~  x1" in str(sem)
    assert "std_lv=True" in repr(sem)
    assert "meanstructure=False" in repr(sem)
    assert "growth" not in repr(sem)
    again = eval(repr(sem), {"SEM": SEM})
    assert again.table == sem.table


def test_check_reports_without_sampling(never_sample):
    found = SEM(ABILITIES).check(abilities(), group="school")
    assert found.ok
    assert "2 groups" in found.text


def test_priors_as_used():
    found = (
        SEM(DEMOCRACY).priors(democracy(), priors={"path": "normal(0, 3)"}).set_index("parameter")
    )
    assert len(found) == 42
    assert found.loc["dem60~ind60", "prior"] == "normal(mu=0, sigma=3)"
    assert found.loc["x1~~x1", "kind"] == "residual_sd"
    assert found.loc["x1~~x1", "lower"] == 0.0


DATA = noise("x1 x2 x3 x4 y1 y2 y3 z", n=60)
TWO = "f =~ x1 + x2 + x3\ng =~ y1 + y2 + y3\ng ~ f"


def changed(**columns):
    return DATA.assign(**columns)


BAD = {
    "unknown column": (
        TWO + "\nf =~ x9",
        DATA,
        {},
        DataError,
        r"'x9' is in the model.*columns: x1",
    ),
    "text": (TWO, changed(x2="a"), {}, DataError, "column 'x2' is not numeric: .*'a'"),
    "constant": (TWO, changed(y1=3), {}, DataError, "column 'y1' is constant"),
    "doubled": (
        TWO,
        pd.concat([DATA, DATA[["x3"]]], axis=1),
        {},
        DataError,
        "several columns named 'x3'",
    ),
    "few rows": (TWO, DATA.head(5), {}, DataError, "5 respondents for 6 observed variables"),
    "infinite": (
        TWO,
        changed(x1=DATA["x1"].where(DATA.index != 3, np.inf)),
        {},
        DataError,
        "infinite values in 'x1'",
    ),
    "one indicator with an error": (
        "f =~ x1\ng =~ y1 + y2 + y3\ng ~ f\nx1 ~~ x1",
        DATA,
        {"priors": {"x1~~x1": "flat"}},
        IdentificationError,
        "x1~~x1",
    ),
    "undefined construct": (TWO + "\ng ~ RAD", DATA, {}, DataError, "'RAD' is in the model but"),
    "cycle": (
        TWO + "\nf ~ g",
        DATA,
        {"priors": {"f~g": "flat"}},
        IdentificationError,
        "f~g.*g~f|g~f.*f~g",
    ),
    "not identified": (
        TWO + "\nf ~~ g",
        DATA,
        {"priors": {"g~f": "flat"}},
        IdentificationError,
        "cannot determine these parameters together: .*f~~g",
    ),
    "too many parameters": (
        "f =~ x1 + x2",
        DATA,
        {"priors": {"f=~x2": "flat"}},
        IdentificationError,
        "6 free parameters for 5 sample moments",
    ),
    "prior family": (TWO, DATA, {"priors": {"g~f": "nromal(0, 1)"}}, PriorError, "g~f.*'nromal'"),
    "prior argument": (
        TWO,
        DATA,
        {"priors": {"g~f": "normal(0, sd=1)"}},
        PriorError,
        "prior of g~f: normal has no argument 'sd'",
    ),
    "prior name": (
        TWO,
        DATA,
        {"priors": {"g~ff": "normal(0, 1)"}},
        PriorError,
        r"'g~ff' is neither .* Did you mean 'g~f'\?",
    ),
    "prior in the text": (
        'f =~ x1 + prior("normal(0)")*x2 + x3',
        DATA,
        {},
        (PriorError, SyntaxProblem),
        "needs 'sigma'",
    ),
    "empty column": (TWO, changed(x2=np.nan), {}, DataError, "column 'x2' is empty"),
    "empty rows": (TWO, DATA * np.nan, {}, DataError, "every row has missing values"),
    "missing refused": (
        TWO,
        changed(x1=DATA["x1"].where(DATA.index > 2)),
        {"missing": "error"},
        DataError,
        "missing values in x1 3",
    ),
    "group": (TWO, DATA, {"group": "school"}, DataError, "group='school' is not a column"),
    "constraint": (
        "f =~ x1 + a*x2 + b*x3\na == b^2",
        DATA,
        {},
        NotSupported,
        r"'a == b\^2' is not linear in the parameters",
    ),
    "latents": (TWO, DATA, {"latents": "both"}, FitError, "latents is one of integrated, sampled"),
    "engine": (TWO, DATA, {"engine": "stan"}, FitError, "engine is one of auto, native, pymc"),
    "draws": (TWO, DATA, {"draws": 0}, FitError, "draws has to be at least 1"),
    "cores": (TWO, DATA, {"cores": 0}, FitError, "cores has to be at least 1"),
    "seed": (TWO, DATA, {"random_seed": -1}, FitError, "random_seed has to be 0 or more"),
    "acceptance": (TWO, DATA, {"target_accept": 1.5}, FitError, "target_accept lies between"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_one_clear_error_before_sampling(what, never_sample):
    model, data, options, kind, message = BAD[what]
    with pytest.raises(kind, match=message) as error:
        SEM(model).fit(data, **{**QUICK, **options})
    assert isinstance(error.value, BayessemError)
    assert "Traceback" not in str(error.value)


def test_missing_values_of_some_cells_are_used(never_sample):
    found = SEM(TWO).check(changed(x1=DATA["x1"].where(DATA.index > 2)))
    assert found.ok
    assert "3 respondents have missing values" in found.text


def test_prior_objects_and_text_are_the_same():
    sem = SEM(TWO)
    by_text = sem.priors(DATA, priors={"g~f": "normal(0, 0.25)"})
    by_object = sem.priors(DATA, priors={"g~f": Prior("normal", mu=0, sigma=0.25)})
    pd.testing.assert_frame_equal(by_text, by_object)


def test_what_priors_alone_identify_is_sampled_and_said():
    data = noise("x1 x2", n=150)
    with pytest.warns(BayessemWarning, match="6 free parameters for 5 .*only the priors tell them"):
        fit = SEM("f =~ x1 + x2").fit(
            data, draws=200, tune=300, chains=2, random_seed=1, progress=False
        )
    assert "WARNING [identified by priors]" in str(fit)
    assert np.isfinite(fit.summary()["mean"]).all()
