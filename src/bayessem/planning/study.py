"""`bayessem.design`: draw, fit and judge data sets under each condition, wherever they run."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from os import PathLike
from typing import Any

from bayessem.arguments import check_shared, flag, probability, shown, whole_number
from bayessem.errors import FitError, ModelError
from bayessem.execution import check_executor, run
from bayessem.model.check import check
from bayessem.model.pooling import Pooling
from bayessem.model.priors import Prior
from bayessem.model.thresholds import refuse_answers
from bayessem.planning.conditions import MOST_CELLS, Condition, conditions
from bayessem.planning.population import population
from bayessem.planning.replicate import (
    Setting,
    compile_setting,
    draw_data,
    prepared_for,
    replicate,
)
from bayessem.planning.result import Design
from bayessem.planning.summary import (
    conditions_table,
    piece_name,
    replicates_frame,
    sizes_table,
)
from bayessem.planning.targets import Points, read_targets, values_of
from bayessem.posterior.settings import Sampling
from bayessem.results.versions import installed_versions
from bayessem.store import Store, read_store
from bayessem.syntax.specification import Specification
from bayessem.text.progress import Bar

KIND = "design"
MODES = ("quick", "full")
# Data sets under a condition: half an interval of 4 points, and of 10.
QUICK, FULL = 500, 100


@check_shared
def design(
    sem: Specification,
    truth: Any,
    *,
    n: int | Sequence[int] | None = None,
    targets: Mapping[str, str] | Sequence[str] | str,
    standardized: bool = False,
    reliability: float | Sequence[float] | None = None,
    groups: int | Sequence[int] | None = None,
    missing: float | Sequence[float] = 0.0,
    categories: int | Sequence[int] | None = None,
    clusters: int | Sequence[int] | None = None,
    cluster_size: int | Sequence[int] | None = None,
    rope: float | tuple[float, float] | None = None,
    assurance: float | Sequence[float] = 0.8,
    mode: str = "quick",
    replicates: int | None = None,
    priors: Mapping[str, str | Prior] | None = None,
    pooling: Pooling | None = None,
    draws: int = 500,
    tune: int = 500,
    chains: int = 2,
    target_accept: float | None = None,
    ci_prob: float = 0.95,
    random_seed: int = 0,
    executor: Any = None,
    store: str | PathLike[str] | None = None,
    progress: bool = True,
) -> Design:
    """Simulate a study of each size before doing one: what it would find, and how precisely.

    Data sets are drawn from a population that the model describes, the model is fitted to each, and
    what was found is counted: assurance, false findings, bias, width and coverage of intervals, by
    sample size and whatever else is crossed with it.

    Parameters
    ----------
    sem : SEM
        The model; the same for drawing and for fitting.
    truth : mapping, Fit or MLFit
        Values of the parameters by name, those of means 0 where they are left out; or a fit of the
        model: its maximum, or posterior draws, one for each data set, so that the assurance is
        averaged over what is known (O'Hagan, Stevens & Campbell 2005, doi:10.1002/pst.175).
        Several by name, {"as expected": {...}, "no effect": {...}}, are crossed with the rest.
    n : int or sequence of int
        Respondents, of all groups together. Of a two-level model in clusters of `cluster_size`;
        `clusters` may be given in its place.
    targets : str, sequence or mapping of str
        What is looked for: "y ~ x" (its interval leaves out 0, or the `rope`), a claim such as
        "a*b > 0.05" or "-0.1 < y ~ x < 0.1" (its interval lies inside), an effect "x -> m -> y", a
        shape "inverted U: x -> y" or "U: x -> y"; with groups "y ~ x [g1]", or a target for each.
    standardized : bool
        Values by name are standardised loadings (of markers, too; "loading" for all that have none
        of their own), paths (of a square: of the square of the standardised construct) and
        correlations. Variances follow; estimates are in the units of the model's markers.
    reliability : float or sequence of float, optional
        Composite reliability of every construct, by larger or smaller residuals.
    groups : int or sequence of int, optional
        Groups of equal size with the same values; a group's own by "y~x[g2]".
    missing : float or sequence of float
        Share of the answers that are missing completely at random.
    categories : int or sequence of int, optional
        Items are answered in so many categories of equal width, and analysed as numbers.
    clusters, cluster_size : int or sequence of int, optional
        Of a two-level model: how many clusters there are in all (in place of n), and how many
        respondents each has (sizes differ by one where n is no multiple).
    rope : float or (float, float), optional
        Region of practical equivalence: what "y ~ x" has to lie beyond.
    assurance : float or sequence of float
        Shares of which the smallest n is sought.
    mode : {"quick", "full"}
        Maximum likelihood with Wald intervals, or a posterior of each data set.
    replicates : int, optional
        Data sets under each condition: 500 in quick mode, 100 in full mode.
    priors, pooling, draws, tune, chains, target_accept
        As in `SEM.fit`; in full mode only.
    ci_prob : float
        Probability of the intervals.
    random_seed : int
        Each data set has random numbers of its own, by condition and replicate: the result is the
        same wherever, in whatever order and in however many parts it is computed.
    executor : optional
        Where data sets are fitted: None (here), "processes" (on all cores of this machine), a
        `concurrent.futures.Executor`, a `dask.distributed.Client` or "tcp://host:port", the address
        of its scheduler (the extra `cluster`).
    store : path, optional
        File (SQLite) to which each finished data set is written at once. The same call continues
        there after an interruption, with more sizes, conditions or replicates, too;
        `read_design` reads it.
    progress : bool
        Show a progress bar on standard error.

    Returns
    -------
    Design

    Raises
    ------
    BayessemError
        For a truth, target or condition that the model cannot have, and, as FitError, for an
        executor or store that cannot be used; before the first fit.
    """
    sampling = _sampling(
        mode, priors, pooling,
        draws=draws, tune=tune, chains=chains, target_accept=target_accept,
    )  # fmt: skip
    asked = read_targets(targets, rope)
    truths = _scenarios(truth)
    cells = conditions(
        truths, n,
        reliability=reliability, groups=groups, missing=missing, categories=categories,
        clusters=clusters, cluster_size=cluster_size,
    )  # fmt: skip
    _check_levels(sem, cells)
    count = whole_number(
        "replicates",
        (FULL if sampling else QUICK) if replicates is None else replicates,
        FitError,
    )
    if len(cells) * count > MOST_CELLS:
        raise ModelError(f"{len(cells)} conditions of {count} data sets each are too many")
    wanted = _shares(assurance)
    standardized = flag("standardized", standardized, ModelError)
    populations = {
        (name, size): population(sem, one, groups=size, standardized=standardized)
        for name, one in truths.items()
        for size in dict.fromkeys(cell.groups for cell in cells)
    }
    setting = Setting(
        sem, populations, asked, sampling, ci_prob, priors, pooling, random_seed
    )  # fmt: skip
    check_executor(executor)
    _try(setting, cells)
    settings = _settings(setting, truths, targets, rope=rope, standardized=standardized)
    wanted_pieces = [(cell, number) for number in range(count) for cell in cells]
    pieces = _pieces(
        setting, settings, wanted_pieces,
        executor=executor, store=store, progress=flag("progress", progress, FitError),
    )  # fmt: skip
    return _result(settings, pieces, wanted)


@check_shared
def read_design(path: str | PathLike[str], *, assurance: float | Sequence[float] = 0.8) -> Design:
    """Read a study from its store, finished or not.

    Parameters
    ----------
    path : path
        The file that `design` wrote, or is writing.
    assurance : float or sequence of float
        Shares of which the smallest n is sought.

    Raises
    ------
    FitError
        For a file that is no such store, is damaged, or has no finished data set yet.
    """
    wanted = _shares(assurance)
    settings, pieces = read_store(path, KIND)
    if not pieces:
        raise FitError(f"no data set is finished yet in {path}")
    return _result(settings, pieces, wanted)


def _check_levels(sem: Specification, cells: Sequence[Condition]) -> None:
    """Two levels need cluster sizes, and cluster sizes two levels.

    Raises
    ------
    ModelError
        Saying which of the two is missing.
    """
    sizes = {cell.cluster_size for cell in cells}
    if sem.table.levels > 1 and None in sizes:
        raise ModelError(
            "the model has two levels: cluster_size= says how many respondents a cluster has, and "
            "n= or clusters= how many of them there are"
        )
    if sem.table.levels == 1 and sizes != {None}:
        raise ModelError(
            "clusters= and cluster_size= are for two-level models ('level: 1', 'level: 2'); leave "
            "them out"
        )


def _shares(assurance: float | Sequence[float]) -> list[float]:
    several = isinstance(assurance, Sequence) and not isinstance(assurance, str)
    values: Sequence[Any] = assurance if several else [assurance]  # type: ignore[assignment]
    return [probability("assurance", x) for x in values]


def _sampling(mode: str, priors: object, pooling: object, **options: Any) -> Sampling | None:
    """How posteriors are sampled; None in quick mode."""
    if mode not in MODES:
        raise FitError(f"mode is 'quick' or 'full', not {shown(mode)}")
    sampling = Sampling(**options, cores=1, progress=False)
    if mode == "full":
        return sampling
    if priors is not None or pooling is not None:
        raise FitError("priors and pooling are of posteriors: use mode='full', or leave them out")
    return None


def _scenarios(truth: Any) -> dict[str, Any]:
    """Truths by name; "" is the only one."""
    if not isinstance(truth, Mapping):
        return {"": truth}
    if not truth:
        raise ModelError("the truth is empty; give values by name, as in {'y ~ x': 0.3}")
    if not any(hasattr(x, "__float__") or isinstance(x, str) for x in truth.values()):
        return {str(name): one for name, one in truth.items()}
    return {"": truth}


def _try(setting: Setting, cells: Sequence[Condition]) -> None:
    """Refuse what no data set could do, with one of them.

    Raises
    ------
    BayessemError
        Of the model, its identification, or a target.
    """
    if setting.sampling is None:
        refuse_answers(setting.specification.table, "quick mode (maximum likelihood)")
    tried = {(cell.truth, cell.groups, cell.categories): cell for cell in cells}
    for cell in tried.values():  # of equal ones the last, with most respondents
        data, elements = draw_data(setting, cell, 0)
        prepared = prepared_for(setting, cell, data)
        if setting.sampling is not None:
            prepared.check_sampling()
        check(prepared).raise_errors()
        if (
            prepared.structure.offsets
            != setting.populations[cell.truth, cell.groups].structure.offsets
        ):
            raise ModelError("the truth is of a model with other variables or groups")
        for target in setting.targets:
            values_of(target, Points(prepared, elements[None, None]))


def _settings(
    setting: Setting,
    truths: Mapping[str, Any],
    targets: Any,
    *,
    rope: Any,
    standardized: bool,
) -> dict[str, Any]:
    """All that a data set's result depends on besides its condition and number, as JSON has it."""
    records = {}
    for name, one in truths.items():
        if isinstance(one, Mapping):
            records[name] = {"".join(str(k).split()): float(v) for k, v in one.items()}
        else:
            drawn = next(p for (n, _), p in setting.populations.items() if n == name)
            records[name] = drawn.record()
    made = {
        "model": setting.specification.text,
        "options": setting.specification.options,
        "truths": records,
        "standardized": standardized,
        # pairs, since positions count
        "targets": [[t.name, x] for t, x in zip(setting.targets, _texts(targets), strict=True)],
        "rope": rope,
        "sampling": None if setting.sampling is None else setting.sampling.recorded(),
        "ci_prob": setting.ci_prob,
        "priors": setting.priors and {k: str(v) for k, v in setting.priors.items()},
        "pooling": None if setting.pooling is None else asdict(setting.pooling),
        "random_seed": setting.random_seed,
        "version": installed_versions()["bayessem"],
    }
    return json.loads(json.dumps(made))


def _texts(targets: Mapping[str, str] | Sequence[str] | str) -> list[str]:
    if isinstance(targets, Mapping):
        return list(targets.values())
    return [targets] if isinstance(targets, str) else list(targets)


def _pieces(
    setting: Setting,
    settings: Mapping[str, Any],
    wanted: Sequence[tuple[Condition, int]],
    *,
    executor: Any,
    store: str | PathLike[str] | None,
    progress: bool,
) -> dict[str, Any]:
    """The results of data sets by name, those of the store and those that were missing there."""
    names = {piece_name(*one): (one[0].key, one[1]) for one in wanted}
    with ExitStack() as stack:
        kept = None if store is None else stack.enter_context(Store(store, KIND, settings))
        there = {} if kept is None else kept.pieces()
        out = {name: there[name] for name in names if name in there}
        left = [name for name in names if name not in there]
        bar = Bar("data sets", len(names), sys.stderr) if progress else None
        workers = run(
            replicate, setting, [names[name] for name in left],
            executor=executor, ready=compile_setting,
        )  # fmt: skip
        with closing(workers) as results:
            for k, piece in results:
                out[left[k]] = piece
                if kept is not None:
                    kept.add(left[k], piece)
                if bar is not None:
                    bar.show(len(out))
    return out


def _result(settings: dict[str, Any], pieces: Mapping[str, Any], wanted: Sequence[float]) -> Design:
    targets = read_targets(dict(settings["targets"]), settings["rope"])
    replicates = replicates_frame(pieces, targets, settings["ci_prob"])
    table = conditions_table(replicates)
    sizes = sizes_table(table, wanted, random_seed=settings["random_seed"])
    return Design(table, sizes, replicates, settings)
