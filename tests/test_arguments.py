"""Arguments of other programs: refused with what would work, never dropped."""

import importlib
import inspect

import pytest
from example_models import ABILITIES, abilities

import bayessem
from bayessem import SEM, Fit
from bayessem.errors import BayessemError, FitError, NotSupported, did_you_mean
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
        ("mediation", "effects.mediation.mediation"),
        ("shape", "shapes.shape.shape"),
        ("what_if", "effects.whatif.what_if"),
        ("simple_slopes", "effects.slopes.simple_slopes"),
        ("johnson_neyman", "effects.slopes.johnson_neyman"),
        ("measurement", "measurement.quality.measurement"),
        ("scores", "results.scores.scores"),
        ("predict", "results.predict.predict"),
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
        ({"ordered": True}, NotSupported, "does not have ordered"),
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
        ({"ordered": ["x1"]}, NotSupported, "does not have ordered"),
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
