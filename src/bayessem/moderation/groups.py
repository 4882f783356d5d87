"""Do paths differ between groups? The chi-square difference test, and the posterior beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bayessem.arguments import check_shared
from bayessem.errors import ModelError
from bayessem.ml.estimate import MLFit, maximum_likelihood
from bayessem.model.pooling import (
    Pooling,
    no_pooling,
    pooled_parameters,
    table_options,
)
from bayessem.model.prepare import Prepared, prepare
from bayessem.moderation.differences import differences_table, group_differences
from bayessem.moderation.invariance import likelihood_ratio
from bayessem.posterior.settings import DEFAULTS, Sampling
from bayessem.results.estimate import estimate
from bayessem.results.fitted import Fitted
from bayessem.syntax.rows import row_key, row_name_key
from bayessem.syntax.specification import Specification
from bayessem.text.columns import column, labels
from bayessem.text.described import Described
from bayessem.text.document import Document, Heading, Notes, Table
from bayessem.text.formats import COUNT, SHORT

FAMILIES = {"=~": "loadings", "~": "regressions"}


@dataclass(frozen=True, repr=False)
class GroupComparison(Described):
    """Tests of parameters between groups; `print` it.

    Attributes
    ----------
    group : str
    groups : tuple of str
    tests : DataFrame
        A row a parameter, and "all together": chisq_difference, df_difference, p of the equal
        parameter against the free one.
    estimates : DataFrame
        Maximum likelihood in each group when all are free: parameter, group, est, se, std_all.
    differences : DataFrame
        Posterior difference of each two groups: parameter, group, other, summary; p_positive is
        the probability that it is larger in `group`. Empty when nothing was sampled.
    fit : Fitted or None
        The sampled model with the parameters free.
    ci_prob : float
        Probability of the equal-tailed intervals.
    notes : tuple of str
        What makes the maximum likelihood fit doubtful.
    """

    group: str
    groups: tuple[str, ...]
    tests: pd.DataFrame
    estimates: pd.DataFrame
    differences: pd.DataFrame
    fit: Fitted | None
    ci_prob: float
    notes: tuple[str, ...]

    def document(self) -> Document:
        """The tests, the estimates where the parameters are free, and posterior differences."""
        tests, estimates = self.tests, self.estimates
        return Document.of(
            Heading(f"Differences between groups of {self.group} ({', '.join(self.groups)})"),
            Table(
                (
                    *labels(tests, ("parameter",), titles={"parameter": ""}),
                    column(tests, "chisq_difference", "chi-square", SHORT),
                    column(tests, "df_difference", "df", COUNT),
                    column(tests, "p"),
                ),
                "Chi-square difference, equal against free (maximum likelihood)",
            ),
            Table(
                (
                    *labels(estimates, ("parameter", "group"), titles={"parameter": ""}),
                    column(estimates, "est"),
                    column(estimates, "se"),
                    column(estimates, "std_all", "std"),
                ),
                "Estimates where free",
            ),
            differences_table(self.differences, self.ci_prob, title="Posterior differences"),
            Notes(self.notes),
        )


@check_shared
def compare_groups(
    sem: Specification,
    data: pd.DataFrame,
    *,
    group: str,
    parameters: Sequence[str],
    group_order: Sequence[str] | None = None,
    missing: str = "fiml",
    posterior: bool = True,
    ci_prob: float = 0.95,
    sampling: Sampling = DEFAULTS,
) -> GroupComparison:
    """Test whether parameters differ between groups, one by one and together.

    Arguments, result and errors: `SEM.compare_groups`.
    """
    pooling = no_pooling(*((parameters,) if isinstance(parameters, str) else parameters))
    base = _base_options(sem, pooling)
    options: dict[str, Any] = {"group": group, "group_order": group_order, "missing": missing}

    def model(free: Sequence[str]) -> Prepared:
        given = {**base, "group_partial": (*base["group_partial"], *free)}
        return prepare(sem.extended(options=given), data, **options)

    everything = model(pooling.parameters)
    free = maximum_likelihood(everything)
    groups = free.prepared.sample.groups
    if len(groups) < 2:
        raise ModelError(f"{group!r} has one group: there is nothing to compare")
    found = pooled_parameters(free.prepared.structure, pooling)
    kept = {name: [p for p in pooling.parameters if p != name] for name in pooling.parameters}
    if len(kept) > 1:
        kept["all together"] = []
    rows = [
        (name, *likelihood_ratio(maximum_likelihood(model(rest), se="none"), free))
        for name, rest in kept.items()
    ]
    estimates = pd.DataFrame(
        [
            {"parameter": p.name, "group": g, **_estimate(free, member)}
            for p in found
            for g, member in zip(groups, p.members, strict=True)
        ]
    )
    fit = estimate(everything, sampling) if posterior else None
    return GroupComparison(
        group=group,
        groups=groups,
        tests=pd.DataFrame(rows, columns=["parameter", "chisq_difference", "df_difference", "p"]),
        estimates=estimates,
        differences=pd.DataFrame() if fit is None else group_differences(fit, pooling, ci_prob),
        fit=fit,
        ci_prob=ci_prob,
        notes=free.problems,
    )


def _base_options(sem: Specification, pooling: Pooling) -> dict[str, Any]:
    """Table options under which the parameters are equal, and nothing else more than before."""
    options = table_options(pooling, sem.options)
    given = sem.options["group_partial"] or ()
    keep = [given] if isinstance(given, str) else list(given)
    equal = options["group_equal"]
    assert not isinstance(equal, str)
    equal = list(equal)  # type: ignore[call-overload]
    tested = {row_name_key(name) for name in pooling.parameters}
    for op, family in FAMILIES.items():
        if not any(key is not None and key[1] == op for key in tested) or family in equal:
            continue
        equal.append(family)  # all of the family, but for those that are not tested
        rows = [r for r in sem.table.rows if r.op == op and r.group <= 0]
        names = dict.fromkeys(r.name for r in rows if row_key(r.lhs, r.op, r.rhs) not in tested)
        keep += [name for name in names if name not in keep]
    odd = [p for p in pooling.parameters if (row_name_key(p) or ("", "", ""))[1] not in FAMILIES]
    if odd:
        raise ModelError(f"{odd[0]}: paths and loadings can be compared between groups")
    return {**sem.options, "group_equal": tuple(equal), "group_partial": tuple(keep)}


def _estimate(fit: MLFit, member: str) -> dict[str, float]:
    """Estimate, standard error and standardised value of a parameter."""
    free = fit.prepared.table.parameters.index(member)
    k = next(k for k, r in enumerate(fit.prepared.table.rows) if r.free == free)
    row = fit.table.iloc[k]
    return {name: float(row[name]) for name in ("est", "se", "std_all")}
