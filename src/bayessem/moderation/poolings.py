"""The same model with complete, no and partial pooling, side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from bayessem.comparison.compare import Comparison, compare
from bayessem.moderation.pooling import (
    complete_pooling,
    no_pooling,
    partial,
    pooled_parameters,
)
from bayessem.moderation.report import PoolingReport, pooling_report
from bayessem.results.estimates import summarise
from bayessem.syntax.listing import aligned, number, prose

if TYPE_CHECKING:
    from bayessem.fit import Fit
    from bayessem.sem import SEM

KINDS = ("complete", "none", "partial")
NAMES = {"complete": "complete pooling", "none": "no pooling", "partial": "partial pooling"}
COLUMNS = ["parameter", "group", "pooling"]


@dataclass(frozen=True)
class Poolings:
    """Three poolings of the same parameters; `print` them, or `plots.plot_poolings` them.

    Attributes
    ----------
    parameters, groups : tuple of str
    fits : dict of str to Fit
        By `KINDS`.
    table : DataFrame
        A row a parameter, group and pooling, and its summary.
    report : PoolingReport
        Of partial pooling.
    comparison : Comparison or None
        By leave-one-out cross-validation, on the same respondents.
    ci_prob : float
        Probability of the equal-tailed intervals.
    """

    parameters: tuple[str, ...]
    groups: tuple[str, ...]
    fits: dict[str, Fit]
    table: pd.DataFrame
    report: PoolingReport
    comparison: Comparison | None
    ci_prob: float

    def __str__(self) -> str:
        percent = f"{100 * self.ci_prob:g} %"
        body = []
        keys = self.table[["parameter", "group"]].drop_duplicates().to_dict("records")
        by = self.table.set_index(COLUMNS)
        for key in keys:
            cells = [key["parameter"], key["group"]]
            for kind in KINDS:
                r = by.loc[(key["parameter"], key["group"], kind)]
                cells.append(f"{number(r['mean'], 2)} [{number(r['lower'], 2)}, ")
                cells[-1] += f"{number(r['upper'], 2)}]"
            body.append(cells)
        header = ["", "group", *NAMES.values()]
        lines = [f"Three poolings: posterior mean and {percent} interval", ""]
        lines.append(aligned(header, body, left=2))
        troubled = [NAMES[k] for k, f in self.fits.items() if not f.diagnosis.ok]
        if troubled:
            said = f"Look at the diagnosis of {' and '.join(troubled)} before using it."
            lines += ["", prose(said)]
        if self.comparison is not None:
            lines += ["", str(self.comparison)]
        return "\n".join(lines)


def compare_poolings(
    sem: SEM,
    data: pd.DataFrame,
    *parameters: str,
    group: str,
    by: str | None = None,
    correlated: bool = False,
    loo: bool = True,
    ci_prob: float = 0.95,
    **options: Any,
) -> Poolings:
    """Fit a model with complete, no and partial pooling of the same parameters.

    Everything else is equal across groups, unless the model's `group_equal` says otherwise.

    Parameters
    ----------
    sem : SEM
        The model.
    data : DataFrame
        One row a respondent.
    *parameters : str
        What differs between groups, such as "RAD ~ AMC".
    group : str
        Column with the groups.
    by, correlated
        Of partial pooling, see `partial`.
    loo : bool
        Compare the three by leave-one-out cross-validation.
    ci_prob : float
        Probability of the equal-tailed intervals.
    **options
        Of `SEM.fit`: priors, draws, random_seed, ...

    Returns
    -------
    Poolings
    """
    asked = {
        "complete": complete_pooling(),
        "none": no_pooling(*parameters),
        "partial": partial(*parameters, by=by, correlated=correlated),
    }
    priors = options.pop("priors", None) or {}
    fits = {}
    for kind, pooling in asked.items():
        own = priors
        if kind != "partial":  # priors of the population mean, tau and delta are for partial only
            own = {k: v for k, v in priors.items() if "sd(" not in k and "|" not in k}
        fits[kind] = sem.fit(data, group=group, pooling=pooling, priors=own, **options)
    return Poolings(
        parameters=asked["partial"].parameters,
        groups=fits["partial"].prepared.sample.groups,
        fits=fits,
        table=_table(fits, asked["partial"].parameters, ci_prob),
        report=pooling_report(fits["partial"], ci_prob=ci_prob),
        comparison=compare({NAMES[k]: f for k, f in fits.items()}) if loo else None,
        ci_prob=ci_prob,
    )


def _table(fits: dict[str, Fit], parameters: Sequence[str], ci_prob: float) -> pd.DataFrame:
    """Every parameter in every group under each pooling."""
    frames = []
    partial_pooling = fits["partial"].prepared.pooling
    assert partial_pooling is not None
    for kind, fit in fits.items():
        groups = fit.prepared.sample.groups
        labels = [(p, g, kind) for p in parameters for g in groups]
        if kind == "complete":
            names = [p for p in parameters for _ in groups]
        else:
            pooling = dataclasses.replace(partial_pooling, how=kind)
            found = pooled_parameters(fit.prepared.structure, pooling)
            names = [member for p in found for member in p.members]
        draws = fit.parameters.sel(parameter=names).values
        frame = pd.DataFrame(labels, columns=COLUMNS)
        frames.append(pd.concat([frame, summarise(draws, ci_prob=ci_prob)], axis=1))
    return pd.concat(frames, ignore_index=True)
