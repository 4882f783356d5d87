"""`bayessem design`: what samples of some sizes would find."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from bayessem.commands.options import Json, Model, ModelOptions, Whole, numbers, whole
from bayessem.commands.outcome import UsedWrongly, conclude, in_terminal, of_the_call

Sizes = Annotated[
    tuple[float, ...] | None,
    Parameter(name="--n", help="respondents, such as 100,200,400", converter=numbers, n_tokens=1),
]


def _crossed(text: str) -> Parameter:
    return Parameter(help=f"{text}, crossed with the rest", converter=numbers, n_tokens=1)


def design(
    model: Model,
    truth: Annotated[
        str, Parameter(help="JSON or TOML file with values by parameter, or folder of a saved run")
    ],
    /,
    *,
    n: Sizes = None,
    target: Annotated[
        list[str],
        Parameter(
            help="such as 'y ~ x', 'a*b > 0.05', 'inverted U: x -> y'; may be repeated",
            negative_iterable="",
        ),
    ],
    options: ModelOptions = ModelOptions(),
    standardized: Annotated[bool, Parameter(help="values are standardised")] = False,
    reliability: Annotated[
        tuple[float, ...] | None, _crossed("composite reliability of every construct")
    ] = None,
    groups: Annotated[tuple[float, ...] | None, _crossed("groups of equal size")] = None,
    missing: Annotated[
        tuple[float, ...] | None, _crossed("shares of the answers that are missing")
    ] = None,
    categories: Annotated[
        tuple[float, ...] | None, _crossed("categories of the items' answers")
    ] = None,
    clusters: Annotated[
        tuple[float, ...] | None, _crossed("clusters of a two-level model, in place of --n")
    ] = None,
    cluster_size: Annotated[tuple[float, ...] | None, _crossed("respondents of a cluster")] = None,
    rope: Annotated[
        float | None, Parameter(help="half the region of practical equivalence")
    ] = None,
    assurance: Annotated[
        tuple[float, ...],
        Parameter(help="to be reached", converter=numbers, n_tokens=1),
    ] = (0.8,),
    mode: Annotated[
        Literal["quick", "full"], Parameter(help="by maximum likelihood, or by sampling")
    ] = "quick",
    replicates: Annotated[
        int | None, Parameter(help="data sets under each condition", converter=whole)
    ] = None,
    seed: Annotated[Whole, Parameter(name="--seed", help="random seed")] = 0,
    store: Annotated[
        str | None, Parameter(help="file that keeps what is finished; continues there")
    ] = None,
    executor: Annotated[
        str | None, Parameter(help="processes, or the address of a Dask scheduler (tcp://...)")
    ] = None,
    report: Annotated[str | None, Parameter(help="page to write, .html")] = None,
    json: Json = False,
) -> int:
    """What samples of some sizes would find: simulate, fit, count."""
    from bayessem import arguments
    from bayessem.disk import require_writable
    from bayessem.errors import FitError
    from bayessem.planning.study import design as study
    from bayessem.report.design import WHAT, read_truth, report_design

    sem = options.model(model)
    with of_the_call():
        if report is not None:
            require_writable(report, WHAT, suffixes=(".html", ".htm"))
        arguments.seed(seed, name="--seed")
        if replicates is not None:
            arguments.whole_number("--replicates", replicates, FitError)
        values = read_truth(truth)

    def whole_numbers(given: tuple[float, ...] | None, what: str) -> list[int] | None:
        if given is None:
            return None
        astray = [x for x in given if x != int(x)]
        if astray:
            raise UsedWrongly(f"--{what} is a list of whole numbers, and {astray[0]:g} is none")
        return [int(x) for x in given]

    found = study(
        sem,
        values,
        n=whole_numbers(n, "n"),
        targets=target,
        standardized=standardized,
        reliability=None if reliability is None else list(reliability),
        groups=whole_numbers(groups, "groups"),
        missing=0.0 if missing is None else list(missing),
        categories=whole_numbers(categories, "categories"),
        clusters=whole_numbers(clusters, "clusters"),
        cluster_size=whole_numbers(cluster_size, "cluster-size"),
        rope=rope,
        assurance=list(assurance),
        mode=mode,
        replicates=replicates,
        random_seed=seed,
        store=store,
        executor=executor,
        progress=in_terminal(),
    )
    saved = [] if report is None else [report_design(found, report)]
    return conclude(found, as_json=json, saved=saved, more=found.more() if json else None)
