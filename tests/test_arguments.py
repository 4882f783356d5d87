"""Arguments of other programs: refused with what would work, never dropped."""

import inspect

import pytest
from example_models import ABILITIES, abilities

from bayessem import SEM, Fit
from bayessem.errors import BayessemError, FitError, NotSupported, did_you_mean
from bayessem.moderation.invariance import invariance
from bayessem.syntax.arguments import keyword_arguments, known_options

# The methods of a fit that hand options on, whichever there are.
METHODS = [
    name
    for name, call in vars(Fit).items()
    if inspect.isfunction(call)
    and not name.startswith("_")
    and any(p.kind is p.VAR_KEYWORD for p in inspect.signature(call).parameters.values())
]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"ordered": True}, NotSupported, "does not have ordered"),
        ({"estimator": "MLR"}, NotSupported, 'se="robust"'),
        ({"data": 1}, NotSupported, r"SEM\(model\).fit\(data\)"),
        ({"group": "school"}, TypeError, r"belongs to the method: .*fit\(data, group=...\)"),
        ({"group.equals": "loadings"}, TypeError, r"Did you mean 'group_equal'\?"),
    ],
)
def test_the_model_refuses(options, error, message):
    with pytest.raises(error, match=message):
        SEM(ABILITIES, **options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"ordered": ["x1"]}, NotSupported, "does not have ordered"),
        ({"group.equal": "loadings"}, TypeError, r"SEM\(model, group_equal=...\)"),
        ({"seed": 1}, TypeError, "it is called random_seed here"),
        ({"drawz": 10}, TypeError, r"Did you mean 'draws'\?"),
        ({"draws": "1000"}, FitError, "draws is a whole number, not '1000'"),
        ({"draws": 1e3}, FitError, "draws is a whole number"),
        ({"draws": None}, FitError, "draws is a whole number, not None"),
        ({"random_seed": 1.5}, FitError, "random_seed is a whole number"),
        ({"priors": ["normal(0, 1)"]}, BayessemError, "priors go by name"),
        ({"pooling": "partial", "group": "school"}, BayessemError, r"partial\('y ~ x'\)"),
    ],
)
def test_fit_refuses(options, error, message):
    with pytest.raises(error, match=message):
        SEM(ABILITIES).fit(abilities(), **options)


def test_maximum_likelihood_refuses():
    with pytest.raises(NotSupported, match="leave it out"):
        SEM(ABILITIES).ml(abilities(), estimator="ML")


# Calls of a method by the arguments that it needs, for those that hand their options on.
NEEDED = {
    **dict.fromkeys(("effects", "mediation", "shape", "what_if", "simple_slopes"), ("x1", "x2")),
    "predict": (abilities(),),
    "report": ("report.html",),
}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_of_a_fit_says_which_arguments_it_has(method, hs_fit):
    call = getattr(hs_fit, method)
    with pytest.raises(TypeError, match=f"^{method} has no argument nonsense.*Its arguments: "):
        call(*NEEDED.get(method, ()), nonsense=1)


@pytest.mark.parametrize(
    ("method", "given"),
    [
        *((m, {}) for m in ("check", "priors", "model", "prepare", "ml", "fit", "bootstrap")),
        *((m, {}) for m in ("prior_consequences", "prior_predictive_check", "cross_loadings")),
        ("simulate", {"n": 10}),
        ("invariance", {"group": "school"}),
        ("compare_groups", {"group": "school", "parameters": "visual=~x2", "posterior": False}),
    ],
)
def test_every_method_of_a_model_says_which_arguments_it_has(method, given):
    with pytest.raises(TypeError, match=f"^{method} has no argument nonsense.*Its arguments: "):
        getattr(SEM(ABILITIES), method)(abilities(), **given, nonsense=1)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda f: f.effects("x1", "x2", standardised=True), TypeError, "mean 'standardized'"),
        (lambda f: f.measurement(hdi_prob=0.9), TypeError, "it is called ci_prob here"),
        (lambda f: f.pooling(seed=1), TypeError, "it is called random_seed here"),
        (lambda f: f.sem.bootstrap(abilities(), seed=1), TypeError, "called random_seed here"),
        (lambda f: f.sem.check(abilities(), std_lv=True), TypeError, "belongs to the model"),
        (lambda f: f.sem.check(abilities(), estimator="ML"), NotSupported, "leave it out"),
        (lambda f: f.sem.priors(abilities(), missing="fiml"), TypeError, "belongs to the method"),
        (
            lambda f: f.sem.invariance(abilities(), group="school", draw=10),
            TypeError,
            r"Did you mean 'draws'\?",
        ),
        (
            lambda f: invariance(f.sem, abilities(), group="school", draw=10),
            TypeError,
            r"Did you mean 'draws'\?",
        ),
    ],
)
def test_the_answer_names_what_was_meant(hs_fit, call, error, message):
    with pytest.raises(error, match=message):
        call(hs_fit)


def test_options_that_are_known_pass_unchanged():
    def call(x, *, level=1, other=None):
        return x, level, other

    assert known_options(call, {"level": 3}) == {"level": 3}
    assert known_options(call, {"draws": 5}, passed_on=("draws",)) == {"draws": 5}
    assert keyword_arguments(call) == {"level": 1, "other": None}


def test_cross_loadings_refuse_the_values_that_fit_refuses():
    with pytest.raises(FitError, match="draws is a whole number, not '1000'"):
        SEM(ABILITIES).cross_loadings(abilities(), draws="1000")


def test_priors_are_found_whatever_the_spaces():
    table = SEM("x1 ~ x2").priors(abilities(), priors={"x1 ~ x2": "normal(0, 0.1)"})
    assert table.set_index("parameter")["prior"]["x1~x2"] == "normal(mu=0, sigma=0.1)"


def test_a_name_like_another_is_suggested():
    assert did_you_mean("Visperc", ["visperc", "cubes"]) == " Did you mean 'visperc'?"
    assert did_you_mean("speed", ["visperc", "cubes"]) == ""
