"""The steps of Baron & Kenny (1986, doi:10.1037/0022-3514.51.6.1173), beside the posterior answer.

The total effect c of X on Y comes from the model without the mediators, fitted by maximum
likelihood to the same data; a, b and c' are those of the fit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bayessem.arguments import check_shared
from bayessem.effects.effects import EffectRow, effect_rows
from bayessem.effects.pathways import arrows
from bayessem.errors import BayessemError
from bayessem.ml.estimate import fit_ml
from bayessem.model.prepare import prepare
from bayessem.model.structure import Structure
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted
from bayessem.syntax.expression import names as names_in
from bayessem.syntax.statements import Statement


def overall(rows: Sequence[EffectRow], effect: str, *, path: str | None = None) -> list[EffectRow]:
    """The rows of an effect that hold for everyone: constant, or averaged over X."""
    return [
        row
        for row in rows
        if row.effect == effect
        and (path is None or row.path == path)
        and (not row.at or row.at.startswith("averaged"))
    ]


def statements_without(
    statements: Sequence[Statement], structure: Structure, mediators: Sequence[str], x: str, y: str
) -> list[Statement]:
    """The statements of a model of y on x (and y's other causes) without the mediators.

    Kept are y, what causes it when the mediators are gone, and the measurement of all of these.
    """
    kept = _causes_without(structure, mediators, x, y)
    measured = set(kept)
    while True:
        wider = measured | {s.rhs for s in statements if s.op == "=~" and s.lhs in measured}
        if wider == measured:
            break
        measured = wider
    out: list[Statement] = []
    for s in statements:
        match s.op:
            case "=~" | "~1":
                keep = s.lhs in measured
            case "~":
                keep = s.lhs in measured and set(s.factors or (s.rhs,)) <= kept
            case "~~":
                keep = s.lhs in measured and s.rhs in measured and {s.lhs, s.rhs} != {x, y}
            case _:
                keep = False
        if keep:
            out.append(s)
    if not any(s.op == "~" and s.lhs == y and s.rhs == x for s in out):
        out.append(Statement(y, "~", x))
    labels = {str(v) for s in out for m in s.modifiers for v in m.values}
    out += [
        s
        for s in statements
        if s.op in ("==", "<", ">") and s.expression and set(names_in(s.expression)) <= labels
    ]
    return out


def _causes_without(structure: Structure, mediators: Sequence[str], x: str, y: str) -> set[str]:
    """y, x and all causes of either that are left when the mediators are taken out."""
    names, graph = structure.variables, arrows(structure)
    found = {x, y}
    while True:
        wider = found | {
            names[i]
            for i, children in graph.items()
            if names[i] not in mediators and found & {names[c] for c in children}
        }
        if wider == found:
            return found
        found = wider


@check_shared
def total_without_mediators(
    fit: Fitted, x: str, y: str, mediators: Sequence[str], *, ci_prob: float
) -> tuple[pd.DataFrame, str]:
    """Step 1 by group: estimate, lower, upper of y on x by maximum likelihood, and its source.

    When that model cannot be fitted, the total effect of the fit itself stands in, and the text
    says so.
    """
    from scipy.special import ndtri

    structure, sample = fit.prepared.structure, fit.prepared.sample
    if fit.prepared.table.answered:
        why = "with ordered answers no second model is fitted"
        return _total_of_fit(fit, x, y, ci_prob), f"the total effect of this fit ({why})"
    if fit.prepared.table.levels > 1:
        why = "of two levels"
        return _total_of_fit(fit, x, y, ci_prob), f"the total effect of this fit ({why})"
    if any(s.op == "<~" for s in fit.specification.statements):
        why = "without the mediators composites would have other weights, hence other units"
        return _total_of_fit(fit, x, y, ci_prob), f"the total effect of this fit ({why})"
    kept = statements_without(fit.specification.statements, structure, mediators, x, y)
    frame = pd.DataFrame(sample.values, columns=list(sample.variables))
    grouped = len(sample.groups) > 1
    column = "group"
    while column in frame:
        column += "_"
    if grouped:
        frame[column] = [sample.groups[g] for g in sample.group]
    try:
        # without the exceptions from equality, which name rows that may be gone
        alone = fit.specification.of_statements(kept, options={"group_partial": ()})
        ml = fit_ml(
            prepare(
                alone,
                frame,
                group=column if grouped else None,
                group_order=sample.groups if grouped else None,
            )
        )
    except BayessemError as problem:
        return _total_of_fit(fit, x, y, ci_prob), f"the total effect of this fit ({problem})"
    rows = ml.table[(ml.table["lhs"] == y) & (ml.table["op"] == "~") & (ml.table["rhs"] == x)]
    estimate, error = rows["est"].to_numpy(), rows["se"].to_numpy()
    if not ml.converged or not np.isfinite(error).all():
        why = "without the mediators no proper maximum was found"
        return _total_of_fit(fit, x, y, ci_prob), f"the total effect of this fit ({why})"
    width = float(ndtri(0.5 + ci_prob / 2.0)) * error
    table = pd.DataFrame(
        {
            "group": list(sample.groups) if grouped else [""],
            "mean": estimate,
            "lower": estimate - width,
            "upper": estimate + width,
        }
    )
    return table, "the model without the mediators, by maximum likelihood"


def _total_of_fit(fit: Fitted, x: str, y: str, ci_prob: float) -> pd.DataFrame:
    rows = [r for r in overall(effect_rows(fit, x, y), "total") if " - " not in r.group]
    table = summarise(np.stack([r.values for r in rows], axis=-1), ci_prob=ci_prob)
    return table[["mean", "lower", "upper"]].assign(group=[r.group for r in rows])


@check_shared
def steps(
    fit: Fitted,
    x: str,
    y: str,
    mediators: Sequence[str],
    *,
    groups: Sequence[str],
    ci_prob: float,
) -> tuple[pd.DataFrame, str]:
    """The four steps as a table, a row a relation, and where c comes from.

    Parameters
    ----------
    fit, x, y, mediators
        The model and the variables between x and y.
    groups : sequence of str
        Groups wanted; ("",) for a model of one.
    ci_prob : float
        A step holds when this interval excludes 0 (step 4: when it includes 0).

    Returns
    -------
    DataFrame, str
        step, relation, mediator, group, mean, lower, upper, differs (from 0).
    """
    total, source = total_without_mediators(fit, x, y, mediators, ci_prob=ci_prob)
    parts = [total.assign(step="1 c", relation=f"{x} -> {y}, without mediators", mediator="")]
    for m in mediators:
        rows = overall(effect_rows(fit, x, m, group=groups_or_none(groups)), "total")
        parts.append(_rows_table(rows, "2 a", f"{x} -> {m}", m, ci_prob))
    for m in mediators:
        rows = effect_rows(fit, m, y, group=groups_or_none(groups))
        direct = overall(rows, "direct")
        how = f"{m} -> {y}, given {x}" if direct else f"{m} -> {y}, through later mediators"
        parts.append(_rows_table(direct or overall(rows, "total"), "3 b", how, m, ci_prob))
    rows = overall(effect_rows(fit, x, y, group=groups_or_none(groups)), "direct")
    if rows:
        parts.append(_rows_table(rows, "4 c'", f"{x} -> {y}, given the mediators", "", ci_prob))
    table = pd.concat(parts, ignore_index=True)
    table = table[table["group"].isin(groups)].reset_index(drop=True)
    table["differs"] = (table["lower"] > 0) | (table["upper"] < 0)
    columns = ["step", "relation", "mediator", "group", "mean", "lower", "upper", "differs"]
    return table[columns], source


def groups_or_none(groups: Sequence[str]) -> list[str] | None:
    """Names of groups for a function that takes None for a model of one group."""
    return None if list(groups) == [""] else list(groups)


def _rows_table(
    rows: Sequence[EffectRow], step: str, relation: str, mediator: str, ci_prob: float
) -> pd.DataFrame:
    table = summarise(np.stack([r.values for r in rows], axis=-1), ci_prob=ci_prob)
    groups = [r.group for r in rows]
    labels = {"step": step, "relation": relation, "mediator": mediator}
    return table[["mean", "lower", "upper"]].assign(group=groups, **labels)


def conclusion(table: pd.DataFrame, mediator: str) -> str:
    """What the steps say about one mediator in Baron and Kenny's terms, for one group's rows."""
    rows = table[table["mediator"].isin([mediator, ""])].set_index("step")["differs"]
    for step, reason in (
        ("1 c", "the total effect does not differ from 0"),
        ("2 a", "its path from the cause does not differ from 0"),
        ("3 b", "its path to the outcome does not differ from 0"),
    ):
        if not rows.get(step, False):
            return f"no mediation (step {step[0]}: {reason})"
    return "partial mediation" if rows.get("4 c'", False) else "full mediation"
