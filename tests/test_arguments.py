"""Arguments of other programs: refused with what would work, never dropped."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest
from example_models import ABILITIES, abilities

import bayessem
from bayessem import SEM, Fit
from bayessem.arguments import SHARED, check_shared, probability
from bayessem.errors import BayessemError, FitError, NotSupported, did_you_mean
from bayessem.ml.bootstrap import Bootstrap
from bayessem.sem import FIT_ARGUMENTS, MODEL_ARGUMENTS

# Every public name of the face that can be called.
CALLS = {
    **{name: getattr(bayessem, name) for name in bayessem.__all__ if name != "__version__"},
    **{
        f"{cls.__name__}.{name}": getattr(cls, name)
        for cls in (SEM, Fit)
        for name in dir(cls)
        if not name.startswith("_") and callable(getattr(cls, name))
    },
}
CALLS = {
    name: call
    for name, call in CALLS.items()
    if not (isinstance(call, type) and issubclass(call, BaseException))
}


@pytest.mark.parametrize("name", CALLS)
def test_every_public_call_has_its_real_signature(name):
    parameters = inspect.signature(CALLS[name]).parameters.values()
    assert not [p.name for p in parameters if p.kind is p.VAR_KEYWORD]
    assert CALLS[name].__doc__


@pytest.mark.parametrize(
    ("method", "room"),
    [
        ("effects", "effects.effects.effects"),
        ("effects_with_population", "moderation.population.effects_with_population"),
        ("hypotheses", "effects.hypotheses.hypotheses"),
        ("mediation", "effects.mediation.mediation"),
        ("shape", "shapes.shape.shape"),
        ("what_if", "effects.whatif.what_if"),
        ("simple_slopes", "effects.slopes.simple_slopes"),
        ("johnson_neyman", "effects.slopes.johnson_neyman"),
        ("measurement", "measurement.quality.measurement"),
        ("scores", "results.scores.scores"),
        ("predict", "results.predict.predict"),
        ("response_surface", "shapes.response_surface.response_surface"),
        ("loo", "comparison.loo.loo"),
        ("kfold", "comparison.kfold.kfold"),
        ("leave_group_out", "comparison.groups_out.leave_group_out"),
        ("loo_pit", "comparison.pit.loo_pit"),
        ("pooling", "moderation.pooling_report.pooling_report"),
        ("population", "moderation.population.population"),
        ("indices", "criticism.indices.fit_indices"),
        ("residuals", "criticism.residuals.residuals"),
        ("modification_indices", "criticism.modification.modification_indices"),
        ("predictive_check", "criticism.predictive.predictive_check"),
        ("posterior_predictive", "criticism.predictive_data.posterior_predictive"),
        ("sensitivity", "criticism.sensitivity.sensitivity"),
        ("report", "report.write.report"),
        ("save", "results.run_folder.save"),
    ],
)
def test_a_method_of_a_fit_has_the_arguments_and_defaults_of_what_it_calls(method, room):
    module, name = room.rsplit(".", 1)
    there = getattr(importlib.import_module(f"bayessem.{module}"), name)
    _, *own = inspect.signature(getattr(Fit, method)).parameters.values()
    _, *called = inspect.signature(there).parameters.values()
    assert [(p.name, p.kind, p.default) for p in own] == [
        (p.name, p.kind, p.default) for p in called
    ]


def test_the_arguments_of_model_and_fit_are_told_apart():
    of_model, of_fit = (inspect.signature(x).parameters for x in (SEM, SEM.fit))
    assert tuple(of_model)[1:] == MODEL_ARGUMENTS
    assert tuple(of_fit)[2:] == FIT_ARGUMENTS


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"sampling.weights": "w"}, TypeError, r"SEM\(model\).fit\(data, weights=...\)"),
        ({"estimator": "MLR"}, NotSupported, 'se="robust"'),
        ({"data": 1}, NotSupported, r"SEM\(model\).fit\(data\)"),
        ({"group": "school"}, TypeError, r"belongs to .*fit\(data, group=...\)"),
        ({"std.lv": True}, TypeError, "it is called std_lv here"),
        ({"group_equals": "loadings"}, TypeError, "unexpected keyword argument 'group_equals'"),
    ],
)
def test_the_model_refuses(options, error, message):
    with pytest.raises(error, match=message):
        SEM(ABILITIES, **options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"ordered": ["x1"]}, TypeError, r"SEM\(model, ordered=...\)"),
        ({"group.equal": "loadings"}, TypeError, r"SEM\(model, group_equal=...\)"),
        ({"seed": 1}, TypeError, "it is called random_seed here"),
        ({"burnin": 10}, TypeError, "it is called tune here"),
        ({"n.chains": 2}, TypeError, "it is called chains here"),
        ({"drawz": 10}, TypeError, "unexpected keyword argument 'drawz'"),
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


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda f: f.effects("x1", "x2", standardised=True), TypeError, "unexpected keyword"),
        (lambda f: f.measurement(hdi_prob=0.9), TypeError, "it is called ci_prob here"),
        (lambda f: f.pooling(seed=1), TypeError, "it is called random_seed here"),
        (lambda f: f.sem.bootstrap(abilities(), seed=1), TypeError, "called random_seed here"),
        (lambda f: f.sem.check(abilities(), std_lv=True), TypeError, "belongs to the model"),
        (lambda f: f.sem.check(abilities(), estimator="ML"), NotSupported, "leave it out"),
        (
            lambda f: f.sem.invariance(abilities(), group="school", seed=10),
            TypeError,
            "it is called random_seed here",
        ),
        (
            lambda f: f.sem.compare_groups(
                abilities(), group="school", parameters="visual=~x2", cluster="class"
            ),
            NotSupported,
            "name the clusters as groups",
        ),
    ],
)
def test_the_answer_names_what_was_meant(hs_fit, call, error, message):
    with pytest.raises(error, match=message):
        call(hs_fit)


def test_cross_loadings_refuse_the_values_that_fit_refuses():
    with pytest.raises(FitError, match="draws is a whole number, not '1000'"):
        SEM(ABILITIES).cross_loadings(abilities(), draws="1000")


def test_priors_are_found_whatever_the_spaces():
    table = SEM("x1 ~ x2").priors(abilities(), priors={"x1 ~ x2": "normal(0, 0.1)"})
    assert table.set_index("parameter")["prior"]["x1~x2"] == "normal(mu=0, sigma=0.1)"


def test_a_name_like_another_is_suggested():
    assert did_you_mean("Visperc", ["visperc", "cubes"]) == " Did you mean 'visperc'?"
    assert did_you_mean("speed", ["visperc", "cubes"]) == ""


def questions():
    """Functions of a fit in the rooms of questions, which can be called without the face."""
    for room in ("criticism", "comparison", "measurement", "effects", "shapes", "moderation"):
        package = importlib.import_module(f"bayessem.{room}")
        for module in pkgutil.iter_modules(package.__path__):
            there = importlib.import_module(f"bayessem.{room}.{module.name}")
            for name, call in inspect.getmembers(there, inspect.isfunction):
                first = next(iter(inspect.signature(call).parameters.values()), None)
                if (
                    call.__module__ == there.__name__
                    and not name.startswith("_")
                    and first is not None
                    and first.annotation == "Fitted"
                ):
                    yield f"{room}.{module.name}.{name}", call


BAD = {
    "ci_prob": (95, 1.5, 0, 1, -0.1, "0.9", None, float("nan")),
    "level": (95, 1.0, "a"),
    "draws": (0, -3, 2.5, "100", True, None, 2**60),
    "replicas": (0, -3, "a"),
    "bootstrap": (0, -3, 1e3),
    "new_groups": (0, -3, 2.5),
    "random_seed": (2**64, "a", -1, 1.5, True),
}
SHARING = {**CALLS, **dict(questions()), "Bootstrap.summary": Bootstrap.summary}
CASES = [
    (name, argument)
    for name, call in SHARING.items()
    for argument in inspect.signature(call).parameters
    if argument in SHARED and not isinstance(SHARING[name], type)  # results are made of data
]


def test_every_kind_of_call_is_among_the_cases():
    assert set(BAD) == set(SHARED)
    assert {argument for _, argument in CASES} == set(SHARED)
    assert {"Fit.indices", "SEM.fit", "SEM.bootstrap", "compare", "moderation_study"} < {
        name for name, _ in CASES
    }
    assert ("effects.mediation.mediation", "ci_prob") in CASES


@pytest.mark.parametrize(("name", "argument"), CASES)
def test_a_shared_argument_is_checked_before_anything_else(name, argument):
    call = SHARING[name]
    signature = inspect.signature(call).parameters
    # nothing of the other arguments could be looked at without another error
    others = {
        p.name: object()
        for p in signature.values()
        if p.default is p.empty and p.kind is not p.VAR_POSITIONAL and p.name != argument
    }
    first = [others.pop("self")] if "self" in others else []
    for value in BAD[argument]:
        if value is None and signature[argument].default is None:
            continue
        if argument == "draws" and "chains" in signature:
            with pytest.raises(FitError, match="^draws"):  # `Sampling` judges
                call(SEM(ABILITIES), **others, draws=value) if first else call(
                    **others, draws=value
                )
            continue
        with pytest.raises(FitError, match=f"^{argument} (is|has|lies|=)"):
            call(*first, **others, **{argument: value})


def test_a_shared_argument_may_be_what_it_is_documented_to_be():
    @check_shared
    def call(fit, *, ci_prob=0.9, draws=None, random_seed: "int | np.random.Generator" = 0):
        return fit, ci_prob, draws, random_seed

    assert call(1) == (1, 0.9, None, 0)
    given = call(1, ci_prob=np.float32(0.5), draws=np.int64(7), random_seed=np.uint64(2**62))
    assert given == (1, 0.5, 7, 2**62)
    assert [type(x) for x in given[1:]] == [float, int, int]
    generator = np.random.default_rng(1)
    assert call(2, random_seed=generator)[3] is generator
    with pytest.raises(TypeError, match="unexpected keyword argument 'drawz'"):
        call(2, drawz=1)
    with pytest.raises(FitError, match=r"lies between 0 and 1, not 95: write 0.95 for 95 %"):
        probability("ci_prob", 95)
