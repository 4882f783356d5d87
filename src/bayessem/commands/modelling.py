"""Commands that take a model and its data: check, fit, ml, invariance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from bayessem.commands.options import (
    Data,
    FileOptions,
    Interval,
    Json,
    Model,
    ModelOptions,
    Names,
    Respondents,
    SamplingOptions,
    Seed,
    Whole,
    one_standard_input,
    probability,
)
from bayessem.commands.outcome import (
    FINE,
    INTERRUPTED,
    NO,
    UsedWrongly,
    conclude,
    of_the_call,
)
from bayessem.errors import IdentificationError, NotSupported

if TYPE_CHECKING:
    from bayessem.model.prepare import Prepared

Out = Annotated[str | None, Parameter(name="--out", help="folder to save the run in")]


def check(
    model: Model,
    data: Data,
    /,
    *,
    json: Json = False,
    how: ModelOptions = ModelOptions(),
    files: FileOptions = FileOptions(),
    respondents: Respondents = Respondents(),
) -> int:
    """Is the model identified, and are the data fit for it? Before sampling, in a second."""
    one_standard_input(model, data)
    sem, frame = how.model(model), files.for_model(data)
    report = sem.check(frame, **respondents.arguments())
    return conclude(report, as_json=json, code=FINE if report.ok else NO)


def fit(
    model: Model,
    data: Data,
    /,
    *,
    out: Out = None,
    seed: Seed = None,
    json: Json = False,
    how: ModelOptions = ModelOptions(),
    files: FileOptions = FileOptions(),
    respondents: Respondents = Respondents(),
    sampling: SamplingOptions = SamplingOptions(),
) -> int:
    """Sample the posterior, print diagnostics and estimates, save the run."""
    one_standard_input(model, data)
    settings = sampling.arguments(seed)
    if out is not None:
        from bayessem.results.run_folder import require_folder

        with of_the_call():
            require_folder(out)
    sem, frame = how.model(model), files.for_model(data)
    found = sem.fit(frame, **respondents.arguments(), **settings)
    saved = [] if out is None else [found.save(out)]
    asked = (sampling.draws, sampling.chains)
    whole_run = (found.settings["draws"], found.settings["chains"]) == asked
    return conclude(found, as_json=json, saved=saved, code=FINE if whole_run else INTERRUPTED)


def ml(
    model: Model,
    data: Data,
    /,
    *,
    se: Annotated[
        Literal["observed", "expected", "robust", "none"] | None,
        Parameter(
            help="where standard errors come from (observed information; robust with weights, or "
            "clusters without levels)"
        ),
    ] = None,
    bootstrap: Annotated[
        Whole | None, Parameter(help="so many bootstrap samples, and their intervals")
    ] = None,
    seed: Seed = None,
    json: Json = False,
    how: ModelOptions = ModelOptions(),
    files: FileOptions = FileOptions(),
    respondents: Respondents = Respondents(),
) -> int:
    """Maximum likelihood: estimates, standard errors and fit measures, as lavaan's."""
    one_standard_input(model, data)
    with of_the_call():
        from bayessem import arguments
        from bayessem.errors import FitError

        arguments.seed(seed, name="--seed")
        if bootstrap is not None:
            arguments.whole_number("--bootstrap", bootstrap, FitError, most=arguments.MOST_DRAWS)
    if bootstrap is not None and {respondents.cluster, respondents.weights} != {None}:
        raise NotSupported("the bootstrap is not there yet for clusters and weights")
    sem, frame = how.model(model), files.for_model(data)
    options = respondents.arguments()
    _require_identified(sem.prepare(frame, robust=True, **options))
    found = sem.ml(frame, se=se, **options)
    if bootstrap is None:
        return conclude(found, as_json=json)
    if not json:  # it is there for whoever interrupts the bootstrap
        print(f"{found}\n", flush=True)
    del options["cluster"], options["weights"]
    boot = sem.bootstrap(frame, bootstrap, random_seed=seed, progress=True, **options)
    return conclude(*([found] if json else []), boot, as_json=json)


def _require_identified(prepared: Prepared) -> None:
    """Refuse what the check finds serious, and what only priors could determine.

    Raises
    ------
    IdentificationError
        With all of it.
    """
    from bayessem.model.check import check
    from bayessem.model.identification import null_space

    check(prepared).raise_errors()
    undetermined = null_space(prepared)
    if undetermined:
        raise IdentificationError(
            "maximum likelihood has no answer, since the covariances and means cannot determine "
            f"these parameters together: {'; '.join(', '.join(x[:12]) for x in undetermined)}"
        )


def invariance(
    model: Model,
    data: Data,
    /,
    *,
    free: Annotated[
        Names, Parameter(help="parameters that differ at every step, such as f=~x2,x3~1")
    ] = (),
    loo: Annotated[bool, Parameter(help="sample every step and compare them by LOO, too")] = False,
    approximate: Annotated[
        float | None,
        Parameter(help="sample nearly equal loadings and intercepts, with this sd (0.1)"),
    ] = None,
    interval: Interval = 0.95,
    seed: Seed = None,
    json: Json = False,
    how: ModelOptions = ModelOptions(),
    files: FileOptions = FileOptions(),
    respondents: Respondents = Respondents(),
    sampling: SamplingOptions = SamplingOptions(),
) -> int:
    """Is the measurement equal across groups? Configural, metric, scalar and strict, in steps."""
    one_standard_input(model, data)
    if respondents.group is None:
        raise UsedWrongly("name the column with the groups: --group COLUMN")
    if {respondents.cluster, respondents.weights} != {None}:
        raise NotSupported("invariance is not there yet for clusters and weights")
    ci_prob, settings = probability(interval), sampling.arguments(seed)
    if settings.pop("latents") != "integrated":
        raise UsedWrongly("the steps of invariance are sampled with --latents integrated only")
    sem, frame = how.model(model), files.for_model(data)
    given = respondents.arguments()
    del given["cluster"], given["weights"]
    steps = sem.invariance(
        frame, free=free, loo=loo, approximate=approximate, ci_prob=ci_prob, **given, **settings
    )
    return conclude(steps, as_json=json)
