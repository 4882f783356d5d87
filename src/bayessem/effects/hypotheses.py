"""Directed hypotheses: the posterior probability that each is true, and a verdict."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.arguments import check_shared, flag, real_number
from bayessem.effects.effects import EffectRow, effect_rows
from bayessem.effects.hypotheses_result import VERDICTS, Hypotheses
from bayessem.effects.statements import (
    Comparison,
    Hypothesis,
    is_number,
    number_of,
    read_hypotheses,
)
from bayessem.errors import FitError, ModelError, SyntaxProblem, did_you_mean
from bayessem.results.estimates import defined_draws, free_draws, tail_probability
from bayessem.results.fitted import Fitted
from bayessem.results.standardize import standardised
from bayessem.syntax.expression import evaluate, names, parse_expression
from bayessem.syntax.rows import row_key, row_name_key
from bayessem.syntax.tokens import tokenize

IN_GROUP = re.compile(r"(.+?)\s*\[(.+)\]")
EFFECT = re.compile(r"(?:(total|indirect)\s+)?(.+->.+)")
WAYS = (
    "a path or another parameter as in the model (y ~ x, x ~~ z), an effect (x -> m -> y, "
    "total x -> y, indirect x -> y), a label or what := defines"
)


# Draws (chain, draw) by group; "" where all groups have the same.
Drawn = dict[str, np.ndarray]


@dataclass(frozen=True)
class Quantities:
    """Finds what the sides of hypotheses name.

    Attributes
    ----------
    fit : Fitted
        Or anything with its `prepared`, `elements` (chain, draw, elements) and `row_draws`.
    standardized : bool
    """

    fit: Fitted
    standardized: bool

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups; ("",) for one."""
        return self.fit.prepared.table.groups

    @cached_property
    def rows(self) -> np.ndarray:
        """Draws of the table's rows (chain, draw, row)."""
        if self.standardized:
            return standardised(self.fit.prepared.structure, self.fit.elements)
        return self.fit.row_draws

    @cached_property
    def by_key(self) -> dict[tuple[str, str, str], list[int]]:
        """Rows of the table by what they are, a row a group."""
        out: dict[tuple[str, str, str], list[int]] = {}
        for k, row in enumerate(self.fit.prepared.table.rows):
            if row.group >= 0:
                out.setdefault(row_key(row.lhs, row.op, row.rhs), []).append(k)
        return out

    @cached_property
    def by_name(self) -> dict[str, np.ndarray]:
        """Draws of labels and of what := defines."""
        table = self.fit.prepared.table
        free = free_draws(self.fit.prepared.structure, self.fit.row_draws)
        known = {
            name: free[..., at] if isinstance(at, int) else np.full(free.shape[:-1], at)
            for name, at in table.names.items()
        }
        return known | defined_draws(table, free)

    def find(self, text: str, where: str) -> Drawn:
        """A side of a comparison."""
        if is_number(text):
            return {"": np.full(self.fit.elements.shape[:2], number_of(text))}
        if found := IN_GROUP.fullmatch(text):
            every = self.find(found[1], where)
            if found[2] not in self.groups or self.groups == ("",):
                known = ", ".join(map(repr, self.groups)) if self.groups != ("",) else "none"
                raise ModelError(
                    f"{where}: {found[2]!r} is no group of the model; its groups: {known}"
                )
            return {"": in_group(every, found[2])}
        if found := EFFECT.fullmatch(text):
            return self._effect(found[1] or "", found[2], where)
        key = row_name_key(text)
        if key in self.by_key:
            return self._row(self.by_key[key], text, where)
        return self._expression(text, key is not None, where)

    def _row(self, rows: list[int], text: str, where: str) -> Drawn:
        table = self.fit.prepared.table
        if all(table.rows[k].free < 0 and table.rows[k].value is not None for k in rows):
            raise ModelError(
                f"{where}: {text!r} is fixed at {table.rows[rows[0]].value:g} in the model, not "
                "estimated"
            )
        return self._once({self.groups[table.rows[k].group]: self.rows[..., k] for k in rows})

    def _once(self, found: Drawn) -> Drawn:
        """One entry where all groups have the same."""
        first, *others = found.values()
        same = all(np.array_equal(first, other) for other in others)
        return {"": first} if same and len(found) == len(self.groups) else found

    def _effect(self, kind: str, text: str, where: str) -> Drawn:
        chain = [part.strip() for part in text.split("->")]
        try:
            rows = effect_rows(
                self.fit, chain[0], chain[-1], standardized=self.standardized, at=(0.0,)
            )
        except ModelError as problem:
            raise ModelError(f"{where}: {problem}") from None
        if kind and len(chain) > 2:
            raise ModelError(
                f"{where}: {kind} effects have no variables between; write "
                f"'{kind} {chain[0]} -> {chain[-1]}'"
            )
        path = " -> ".join(chain)
        wanted = [r for r in rows if _is(r, kind, path) and r.group in self.groups]
        if not wanted:
            known = list(dict.fromkeys(r.path for r in rows if r.path and r.group in self.groups))
            raise ModelError(
                f"{where}: {path!r} is no path of the model; it has {', '.join(known)}."
                f"{did_you_mean(path, known)}"
            )
        return self._once({r.group: r.values for r in wanted})

    def _expression(self, text: str, is_row: bool, where: str) -> Drawn:
        try:
            expression, after = parse_expression(tokenize(text), text=text)
            known = after == len(tokenize(text)) and all(
                name in self.by_name for name in names(expression)
            )
        except (SyntaxProblem, IndexError):
            known = False
        if not known or is_row:
            parameters = [f"{lhs} {op} {rhs}".strip() for lhs, op, rhs in self.by_key if op != "~1"]
            listed = [name for name in self.by_name if "~" not in name]
            paths = ", ".join(p for p in parameters if " ~ " in p) or "none"
            raise ModelError(
                f"{where}: {text!r} is not in the model; write {WAYS}. Its paths: {paths}."
                f"{did_you_mean(text, [*parameters, *listed])}"
            )
        if self.standardized:
            raise ModelError(
                f"{where}: {text!r} has no standardised value; write the path instead, or "
                "standardized=False"
            )
        return {"": np.broadcast_to(evaluate(expression, self.by_name), self.rows.shape[:2])}


def in_group(drawn: Drawn, group: str) -> np.ndarray:
    """The draws of a group, or those that all groups have."""
    return drawn[group] if group in drawn else drawn[""]


def _is(row: EffectRow, kind: str, path: str) -> bool:
    """Whether an effect is the one that is meant; where it depends on x, averaged over x."""
    general = not row.at or row.at.startswith("averaged")
    if kind:
        return general and row.effect == {"indirect": "total indirect"}.get(kind, kind)
    return general and row.path == path and row.effect in ("direct", "indirect")


@check_shared
def hypotheses(
    fit: Fitted,
    statements: Mapping[str, str] | Sequence[str] | str,
    *,
    threshold: float = 0.95,
    standardized: bool = False,
    ci_prob: float = 0.95,
) -> Hypotheses:
    """Posterior probability and verdict of directed hypotheses.

    Arguments, result and errors: `Fit.hypotheses`.
    """
    least = real_number("threshold", threshold, FitError)
    if not 0.5 < least < 1.0:
        raise FitError(f"threshold lies between .5 and 1, not {threshold!r}")
    quantities = Quantities(fit, flag("standardized", standardized, FitError))
    rows, truths = [], []
    for hypothesis in read_hypotheses(statements):
        for group, truth, estimate in _judged(quantities, hypothesis):
            chance = float(truth.mean())
            rows.append(
                {
                    "name": hypothesis.name,
                    "hypothesis": hypothesis.text,
                    "group": group,
                    **_summary(estimate, ci_prob),
                    "probability": chance,
                    "verdict": _verdict(chance, least),
                }
            )
            truths.append(truth)
    table = pd.DataFrame(rows)
    marked = table["name"] + table["group"].map(lambda g: f" [{g}]" if g else "")
    draws = xr.DataArray(
        np.stack(truths, axis=-1).astype(float),
        dims=("chain", "draw", "hypothesis"),
        coords={"hypothesis": marked.tolist()},
        name="hypotheses",
    )
    return Hypotheses(table, draws, least, standardized, ci_prob)


def _verdict(chance: float, threshold: float) -> str:
    supported, undecided, contradicted = VERDICTS
    if chance >= threshold:
        return supported
    return contradicted if chance <= 1.0 - threshold else undecided


def _summary(estimate: np.ndarray | None, ci_prob: float) -> dict[str, float]:
    if estimate is None:
        return dict.fromkeys(("mean", "lower", "upper"), float("nan"))
    tail = tail_probability(ci_prob)
    lower, upper = np.quantile(estimate, [tail, 1.0 - tail])
    return {"mean": float(estimate.mean()), "lower": float(lower), "upper": float(upper)}


def _judged(
    quantities: Quantities, hypothesis: Hypothesis
) -> list[tuple[str, np.ndarray, np.ndarray | None]]:
    """Group, truth (chain, draw) and what is estimated; once where no group differs."""
    where = f"hypothesis {hypothesis.name}, {hypothesis.text!r}"
    found = [
        [quantities.find(side, where) for side in comparison.sides]
        for comparison in hypothesis.comparisons
    ]
    named = {group for sides in found for drawn in sides for group in drawn}
    groups = [g for g in quantities.groups if g in named] or [""]
    if named == {""}:
        groups = [""]
    out = []
    for group in groups:
        truth: np.ndarray | None = None
        for comparison, sides in zip(hypothesis.comparisons, found, strict=True):
            values = [in_group(drawn, group) for drawn in sides]
            _refuse_undefined(values, comparison, where)
            for left, sign, right in zip(values, comparison.signs, values[1:], strict=False):
                holds = left < right if sign == "<" else left > right
                truth = holds if truth is None else truth & holds
        assert truth is not None
        first = [in_group(drawn, group) for drawn in found[0]]
        single = len(hypothesis.comparisons) == 1
        out.append((group, truth, _compared(hypothesis.comparisons[0], first) if single else None))
    return out


def _refuse_undefined(values: list[np.ndarray], comparison: Comparison, where: str) -> None:
    for value, side in zip(values, comparison.sides, strict=True):
        share = float(np.isnan(value).mean())
        if share:
            raise ModelError(
                f"{where}: {side!r} has no value in {share:.1%} of the draws, so the hypothesis is "
                "neither true nor false there"
            )


def _compared(comparison: Comparison, values: list[np.ndarray]) -> np.ndarray | None:
    """What a comparison is about: the one side that is estimated, or the difference of two."""
    estimated = [
        value for value, side in zip(values, comparison.sides, strict=True) if not is_number(side)
    ]
    if len(estimated) == 1:
        return estimated[0]
    return estimated[0] - estimated[1] if len(values) == 2 else None
