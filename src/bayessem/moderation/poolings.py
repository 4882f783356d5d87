"""The same model with complete, no and partial pooling, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayessem.arguments import check_shared
from bayessem.comparison.comparable import check_comparable
from bayessem.comparison.compare import compare
from bayessem.comparison.compare_result import Comparison
from bayessem.comparison.criterion import target_of
from bayessem.errors import FitError
from bayessem.model.pooling import (
    complete_pooling,
    no_pooling,
    partial,
)
from bayessem.model.prepare import Prepared, prepare
from bayessem.model.prior_checks import priors_that_apply
from bayessem.model.priors import Prior
from bayessem.moderation.pooling_report import pooling_report
from bayessem.moderation.pooling_result import PoolingReport
from bayessem.posterior.settings import DEFAULTS, Sampling
from bayessem.results.estimate import estimate_all
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted
from bayessem.syntax.parameters import ParameterTable
from bayessem.syntax.rows import row_key, row_name_key
from bayessem.syntax.specification import Specification
from bayessem.text.columns import intervals, labels
from bayessem.text.described import Described
from bayessem.text.document import Document, Heading, Paragraph, Table
from bayessem.text.formats import SHORT_ESTIMATE, percent_text

KINDS = ("complete", "none", "partial")
NAMES = {"complete": "complete pooling", "none": "no pooling", "partial": "partial pooling"}
COLUMNS = ["parameter", "group", "pooling"]


@dataclass(frozen=True, repr=False)
class Poolings(Described):
    """Three poolings of the same parameters; `print` them, or `plots.plot_poolings` them.

    Attributes
    ----------
    parameters, groups : tuple of str
    fits : dict of str to Fitted
        By `KINDS`.
    table : DataFrame
        A row a parameter, group and pooling, and its summary. Means of latent variables are
        deviations from the average of the groups.
    report : PoolingReport
        Of partial pooling.
    comparison : Comparison or None
        By leave-one-out cross-validation, on the same respondents.
    ci_prob : float
        Probability of the equal-tailed intervals.
    """

    parameters: tuple[str, ...]
    groups: tuple[str, ...]
    fits: dict[str, Fitted]
    table: pd.DataFrame
    report: PoolingReport
    comparison: Comparison | None
    ci_prob: float

    def document(self) -> Document:
        """Every parameter in every group under each pooling, and the comparison."""
        own = [self.table[self.table["pooling"] == kind] for kind in KINDS]
        troubled = [NAMES[k] for k, f in self.fits.items() if not f.diagnosis.ok]
        said = f"Look at the diagnosis of {' and '.join(troubled)} before using it."
        return Document.of(
            Heading(f"Three poolings: posterior mean and {percent_text(self.ci_prob)}"),
            Table(
                (
                    *labels(own[0], ("parameter", "group"), titles={"parameter": ""}),
                    *(
                        intervals(part, name, SHORT_ESTIMATE, ends=("mean", "lower", "upper"))
                        for part, name in zip(own, NAMES.values(), strict=True)
                    ),
                )
            ),
            Paragraph(said, warning=True) if troubled else None,
            None if self.comparison is None else self.comparison.document().within(2),
        )


@check_shared
def compare_poolings(
    sem: Specification,
    data: pd.DataFrame,
    *parameters: str,
    group: str,
    by: str | None = None,
    correlated: bool = False,
    complete: Fitted | None = None,
    loo: bool = True,
    ci_prob: float = 0.95,
    group_order: Sequence[str] | None = None,
    missing: str = "fiml",
    priors: Mapping[str, str | Prior] | None = None,
    sampling: Sampling = DEFAULTS,
    executor: Any = None,
) -> Poolings:
    """Fit a model with complete, no and partial pooling of the same parameters.

    Arguments and result: `bayessem.compare_poolings`.
    """
    asked = {
        "complete": complete_pooling(),
        "none": no_pooling(*parameters),
        "partial": partial(*parameters, by=by, correlated=correlated),
    }
    models: dict[str, Prepared] = {}
    for kind, pooling in asked.items():
        if kind == "complete" and complete is not None:
            continue
        own = dict(priors or {})
        if kind != "partial":  # priors of the population mean, tau and delta are for partial only
            own = {k: v for k, v in own.items() if "sd(" not in k and "|" not in k}
        reading: dict[str, Any] = {
            "group": group,
            "group_order": group_order,
            "missing": missing,
            "pooling": pooling,
        }
        if own:
            own = priors_that_apply(own, prepare(sem, data, **reading).kinds)
        models[kind] = prepare(sem, data, priors=own, **reading)
    sampled = estimate_all(models, sampling, executor=executor)
    fits = sampled if complete is None else {"complete": complete, **sampled}
    if complete is not None:  # of the same respondents, or it says what is wrong
        notes = check_comparable({NAMES[k]: target_of(f.prepared) for k, f in fits.items()})
        if notes:
            raise FitError(f"complete= is a fit of another model. {notes[0]}")
    return Poolings(
        parameters=asked["partial"].parameters,
        groups=fits["partial"].prepared.sample.groups,
        fits=fits,
        table=_table(fits, asked["partial"].parameters, ci_prob),
        report=pooling_report(fits["partial"], ci_prob=ci_prob),
        comparison=compare({NAMES[k]: f for k, f in fits.items()}, executor=executor)
        if loo
        else None,
        ci_prob=ci_prob,
    )


def _table(fits: dict[str, Fitted], parameters: Sequence[str], ci_prob: float) -> pd.DataFrame:
    """Every parameter in every group under each pooling."""
    frames = []
    groups = fits["partial"].prepared.sample.groups
    for kind, fit in fits.items():
        labels = pd.DataFrame([(p, g, kind) for p in parameters for g in groups], columns=COLUMNS)
        zero_mean = fits["partial"].prepared.zero_mean
        draws = [_by_group(fit, p, deviations=p in zero_mean) for p in parameters]
        if kind == "complete":  # which may be of other groups: it is the same in all
            draws = [np.repeat(d[..., :1], len(groups), axis=-1) for d in draws]
        numbers = summarise(np.concatenate(draws, axis=-1), ci_prob=ci_prob)
        frames.append(pd.concat([labels, numbers], axis=1))
    return pd.concat(frames, ignore_index=True)


def rows_of(table: ParameterTable, parameter: str) -> list[int]:
    """Where a parameter stands in the table, a row a group."""
    key = row_name_key(parameter)
    return [
        k for k, r in enumerate(table.rows) if r.group >= 0 and row_key(r.lhs, r.op, r.rhs) == key
    ]


def _by_group(fit: Fitted, parameter: str, *, deviations: bool) -> np.ndarray:
    """Draws (chain, draw, group) of a parameter, free or fixed.

    deviations : from the mean over the groups. That of a latent variable is 0 in the first group
        without pooling, and on average over the population with partial pooling.
    """
    values = fit.row_draws[..., rows_of(fit.prepared.table, parameter)]
    return values - values.mean(axis=-1, keepdims=True) if deviations else values
