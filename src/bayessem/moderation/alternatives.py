"""Ways to say that paths depend on a variable: by groups of it, or continuously; and their study.

A continuous observed moderator w makes the path b1 + b3 w (the product x:w), and the square's
coefficient b2 + b4 w (the product of three, x:x:w). The integrated likelihood takes an observed
factor as data, so neither needs a further integral.

A fair comparison of the two has one difference alone: how the path depends on w. The product needs
w's own effect on the outcome (without it a difference in level would pass for one in slope), so in
a study with a continuous moderator every model has it, those by groups and the one that is the same
for all too: all predict the same respondents given the same w, and only their slopes differ.

How a study uses it::

    sem = bs.SEM(TEXT)
    found = bs.moderation_study(
        sem, data, "RAD ~ AMC", "INC ~ AMC",
        groupings={"high and low": "diversity", "number of partner types": "k"},
        by={"number of partner types": "apd"}, moderator="apd", random_seed=1,
    )
    print(found)                                   # tables and LOO of everything
    found.poolings["high and low"].report          # a PoolingReport
    found.standardized                             # beside a paper's numbers
    plot_poolings(found.poolings["high and low"])
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayessem.arguments import check_shared
from bayessem.comparison.compare import compare
from bayessem.comparison.compare_result import Comparison
from bayessem.errors import ModelError
from bayessem.model.prepare import prepare
from bayessem.model.prior_checks import priors_that_apply
from bayessem.model.priors import Prior
from bayessem.moderation.poolings import NAMES, Poolings, compare_poolings, rows_of
from bayessem.posterior.settings import DEFAULTS, Sampling
from bayessem.results.estimate import estimate
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted
from bayessem.results.standardize import standardised
from bayessem.syntax.rows import row_key, row_name_key
from bayessem.syntax.specification import Specification
from bayessem.text.columns import column, intervals, labels
from bayessem.text.described import Described
from bayessem.text.document import Block, Document, Heading, Paragraph, Table
from bayessem.text.formats import SHORT, SHORT_INTERVAL


@dataclass(frozen=True, repr=False)
class Moderation(Described):
    """Paths by groups with three poolings, and by a continuous moderator; `print` it.

    Attributes
    ----------
    parameters : tuple of str
    poolings : dict of str to Poolings
        By grouping.
    standardized : DataFrame
        Under partial pooling, standardised within each group: grouping, parameter, group, and its
        summary.
    continuous : Fitted or None
        With the continuous moderator.
    comparison : Comparison or None
        Of all by leave-one-out cross-validation, on the same respondents.
    moderator : str or None
        The continuous moderator, whose main effect on the outcomes is in every model.
    """

    parameters: tuple[str, ...]
    poolings: dict[str, Poolings]
    standardized: pd.DataFrame
    continuous: Fitted | None
    comparison: Comparison | None
    moderator: str | None = None

    def document(self) -> Document:
        """The poolings of each grouping, the continuous moderator, and the comparison of all."""
        return Document.of(_parts(self))


def _parts(result: Moderation) -> Iterator[Block]:
    if result.moderator is not None:
        outcomes = " and ".join(dict.fromkeys(p.split("~")[0] for p in result.parameters))
        yield Paragraph(
            f"Every model has the main effect of {result.moderator} on {outcomes}: they differ "
            f"only in how {' and '.join(result.parameters)} depend"
            f"{'s' if len(result.parameters) == 1 else ''} on it."
        )
    for name, poolings in result.poolings.items():
        yield Heading(name, 2)
        yield from poolings.document().within(3)
        yield from poolings.report.document().within(3)
    own, untitled = result.standardized, {"grouping": "", "parameter": ""}
    yield Table(
        (
            *labels(own, ("grouping", "parameter", "group"), titles=untitled),
            column(own, "mean", how=SHORT),
            intervals(own, "interval", SHORT_INTERVAL),
        ),
        "Partial pooling, standardised within each group",
    )
    if result.continuous is not None:
        yield Heading("Continuous moderator", 2)
        yield from result.continuous.document().within(3)
    if result.comparison is not None:
        yield from result.comparison.document().within(2)


def with_main_effects[S: Specification](sem: S, moderator: str, *paths: str) -> S:
    """The model with a variable's own effect on the outcomes of these paths.

    What models of a path by groups of a variable need to be compared with `continuous_moderator`,
    which has these effects.

    Parameters
    ----------
    sem : Specification
        The model.
    moderator : str
        Column of the data; it may be constant within groups.
    *paths : str
        "RAD ~ AMC" adds "RAD ~ moderator", unless the model has it.

    Raises
    ------
    ModelError
        For a path that is not in the model.
    """
    there = {(r.lhs, r.rhs) for r in sem.table.rows if r.op == "~"}
    outcomes = dict.fromkeys(outcome for outcome, _ in _outcomes_and_causes(sem, paths))
    return sem.extended(f"{y} ~ {moderator}" for y in outcomes if (y, moderator) not in there)


def continuous_moderator[S: Specification](sem: S, moderator: str, *paths: str) -> S:
    """The model in which paths change with an observed, exogenous variable.

    Parameters
    ----------
    sem : Specification
        The model.
    moderator : str
        Column of the data; its own effect on the outcomes is added too.
    *paths : str
        "RAD ~ AMC" gets AMC:moderator, "RAD ~ AMC:AMC" gets the product of three.

    Raises
    ------
    ModelError
        For a path that is not in the model.
    """
    lines = [f"{y} ~ {x}:{moderator}" for y, x in _outcomes_and_causes(sem, paths)]
    return with_main_effects(sem, moderator, *paths).extended(lines)


def _outcomes_and_causes(sem: Specification, paths: Sequence[str]) -> list[tuple[str, str]]:
    """Both sides of each path as the model writes them."""
    known = {row_key(r.lhs, r.op, r.rhs): r for r in sem.table.rows if r.op == "~"}
    out = []
    for text in paths:
        key = row_name_key(text)
        if key is None or key not in known:
            listed = ", ".join(dict.fromkeys(r.name for r in known.values()))
            raise ModelError(f"{text!r} is not a path of the model; its paths: {listed}")
        out.append((known[key].lhs, known[key].rhs))
    return out


@check_shared
def moderation_study(
    sem: Specification,
    data: pd.DataFrame,
    *parameters: str,
    groupings: Mapping[str, str],
    by: Mapping[str, str] | None = None,
    moderator: str | None = None,
    loo: bool = True,
    ci_prob: float = 0.95,
    missing: str = "fiml",
    priors: Mapping[str, str | Prior] | None = None,
    sampling: Sampling = DEFAULTS,
    executor: Any = None,
) -> Moderation:
    """Do paths depend on a variable? By its groups with three poolings, and continuously.

    Arguments and result: `bayessem.moderation_study`.
    """
    common = sem if moderator is None else with_main_effects(sem, moderator, *parameters)
    poolings: dict[str, Poolings] = {}
    for name, group in groupings.items():
        poolings[name] = compare_poolings(
            common,
            data,
            *parameters,
            group=group,
            by=(by or {}).get(name),
            complete=_the_same_for_all(common, poolings),
            loo=False,
            ci_prob=ci_prob,
            missing=missing,
            priors=priors,
            sampling=sampling,
            executor=executor,
        )
    continuous = None
    if moderator is not None:
        wider = continuous_moderator(sem, moderator, *parameters)
        own = priors and priors_that_apply(priors, prepare(wider, data, missing=missing).kinds)
        continuous = estimate(prepare(wider, data, missing=missing, priors=own), sampling)
    comparison = None
    if loo:
        models = {
            f"{name}, {NAMES[kind]}": fit
            for name, found in poolings.items()
            for kind, fit in found.fits.items()
            if kind != "complete"
        }
        first = next(iter(poolings.values()))
        models["the same for all"] = first.fits["complete"]
        if continuous is not None:
            models[f"continuous {moderator}"] = continuous
        comparison = compare(models, executor=executor)
    frames = [_standardized(name, found, ci_prob) for name, found in poolings.items()]
    return Moderation(
        parameters=next(iter(poolings.values())).parameters,
        poolings=poolings,
        standardized=pd.concat(frames, ignore_index=True),
        continuous=continuous,
        comparison=comparison,
        moderator=moderator,
    )


def _the_same_for_all(sem: Specification, found: Mapping[str, Poolings]) -> Fitted | None:
    """Complete pooling of an earlier grouping: with all equal the groups do not matter."""
    if not found or sem.options["group_equal"] or sem.options["group_partial"]:
        return None
    return next(iter(found.values())).fits["complete"]


def _standardized(name: str, found: Poolings, ci_prob: float) -> pd.DataFrame:
    """Partially pooled parameters in standard deviations of each group."""
    fit = found.fits["partial"]
    table = fit.prepared.table
    values = standardised(fit.prepared.structure, fit.elements)
    labels, draws = [], []
    for parameter in found.parameters:
        for k in rows_of(table, parameter):
            group = table.groups[table.rows[k].group]
            labels.append({"grouping": name, "parameter": parameter, "group": group})
            draws.append(values[..., k])
    numbers = summarise(np.stack(draws, axis=-1), ci_prob=ci_prob)
    return pd.concat([pd.DataFrame(labels), numbers], axis=1)
