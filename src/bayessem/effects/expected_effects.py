"""Effects on the expected value of a count, a duration, a share, and exp(path) as a ratio.

On the link scale an effect is a number; what it does to an expected count depends on where a
respondent starts, so that it is averaged over respondents, as effects on categories are
(category_effects.py): natural direct and total indirect effects, as differences and as ratios.

Pearl, J. (2001). Direct and indirect effects. UAI-17, 411-420. Muthen, B., & Asparouhov, T. (2015).
Structural Equation Modeling, 22, 12-23, doi:10.1080/10705511.2014.935843.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayessem.arguments import check_shared
from bayessem.effects.category_effects import (
    EFFECTS,
    check_reached,
    counterfactuals,
    settings,
    where_set,
)
from bayessem.effects.effects import chosen_groups
from bayessem.effects.pathways import position
from bayessem.errors import ModelError
from bayessem.likelihood.families import FAMILIES
from bayessem.likelihood.family_weibull import VARIANCE
from bayessem.results.dispersions import shapes_of
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted
from bayessem.results.standardize import model_moments
from bayessem.text.columns import column, intervals, labels, summary
from bayessem.text.described import Described
from bayessem.text.document import Block, Document, Heading, Notes, Paragraph, Table
from bayessem.text.formats import percent_text
from bayessem.text.numbers import number

# What is expected of a response, by what its column holds.
EXPECTED = {
    "count": "count",
    "duration": "duration",
    "share": "share",
    "limited": "value (as it would be without limits)",
    "number": "value",
}


@dataclass(frozen=True, eq=False, repr=False)
class ExpectedEffects(Described):
    """What setting x to another value changes in the expected value of y.

    Attributes
    ----------
    x, y : str
        Cause, and a response with a family of its own.
    table : DataFrame
        A row an effect: effect ("direct", "indirect", "total"), (group,) mean, sd, lower, upper,
        p_positive of the change of the expected value.
    ratios : DataFrame
        The same of the ratio of expected values; p_positive is P(ratio > 1). Empty for limited
        outcomes.
    expected : DataFrame
        A row a value of x: value ("from", "to"), (group,) mean, sd, lower, upper.
    change : str
        From where to where x is set, in words.
    what : str
        What is expected: "count", "duration", "share".
    ci_prob : float
        Probability of the equal-tailed intervals.
    """

    x: str
    y: str
    table: pd.DataFrame
    ratios: pd.DataFrame
    expected: pd.DataFrame
    change: str
    what: str
    ci_prob: float

    def document(self) -> Document:
        """A sentence, the changes, the ratios, and the expected values that they are between."""
        percent = percent_text(self.ci_prob)
        names = ("effect", *(["group"] if "group" in self.table else []))
        where = tuple("value" if n == "effect" else n for n in names)
        table, ratios = (self._distinct(t) for t in (self.table, self.ratios))
        blocks: list[Block] = [
            Heading(f"Effects of {self.x} on the expected {self.what} of {self.y}"),
            Paragraph(self._sentence()),
            Table(
                (*labels(table, names), *summary(table, self.ci_prob)),
                f"Changes of the expected {self.what}",
            ),
        ]
        if len(ratios):
            shown = (
                *labels(ratios, names),
                column(ratios, "mean", "ratio"),
                intervals(ratios, percent),
                column(ratios, "p_positive", "P(>1)"),
            )
            blocks.append(Table(shown, f"Ratios of expected {self.what}s"))
        blocks += [
            Table(
                (
                    *labels(self.expected, where, titles={"value": self.x}),
                    column(self.expected, "mean", "expected"),
                    intervals(self.expected, percent),
                ),
                f"Expected {self.what}s",
            ),
            Notes(
                (
                    f"{self.x} is set {self.change} for all respondents. Direct: mediators stay "
                    "where they were; indirect: they move, too; differences add up to the total, "
                    "and ratios multiply. Covariates are those of the respondents"
                    + (", counts are per unit of exposure." if self.what == "count" else "."),
                )
            ),
        ]
        return Document.of(*blocks)

    def _distinct(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table without an effect that no path has, and without a total that is the other."""
        if not len(table):
            return table
        size = self.table["mean"].abs().groupby(self.table["effect"]).max()
        kept = [e for e in ("direct", "indirect") if size[e] > 0]
        return table[table["effect"].isin([*kept, *(["total"] if len(kept) > 1 else [])])]

    def _sentence(self) -> str:
        """The total effect in words."""
        parts = []
        for k, row in self.table[self.table["effect"] == "total"].reset_index().iterrows():
            ends = self.expected.iloc[2 * int(str(k)) : 2 * int(str(k)) + 2]["mean"].to_numpy()
            label = f"{row['group']}: " if "group" in row else ""
            parts.append(
                f"{label}the expected {self.what} of {self.y} goes from {number(ends[0], 3)} to "
                f"{number(ends[1], 3)}, a change of {number(row['mean'], 3)} "
                f"[{number(row['lower'], 3)}, {number(row['upper'], 3)}]"
            )
        return f"With {self.x} set {self.change} {'; '.join(parts)}."


@check_shared
def expected_effects(
    fit: Fitted,
    x: str,
    y: str,
    *,
    values: Sequence[float] = (0.0, 1.0),
    group: str | Sequence[str] | None = None,
    draws: int = 400,
    ci_prob: float = 0.95,
    random_seed: int = 0,
) -> ExpectedEffects:
    """Effects of x on the expected value of a count, duration or share y.

    Arguments, result and errors: `Fit.expected_effects`.
    """
    prepared = fit.prepared
    structure, table = prepared.structure, prepared.table
    i = position(structure, x)
    others = table.responses.others
    if y not in others:
        raise ModelError(
            f"{y!r} is no count, duration or share; those are {', '.join(others) or 'none'}. Of "
            "ordered variables fit.category_effects, of normal ones fit.effects has the effects"
        )
    check_reached(prepared, i, x, y)
    elements, ends_of = settings(fit, i, values, draws)
    rng = np.random.default_rng(random_seed)
    family = FAMILIES[others[y]]
    changes, ratios, ends = [], [], []
    for g in chosen_groups(table.groups, group):
        found = np.empty((len(elements), 3))
        for d, (own, at) in enumerate(zip(elements, ends_of, strict=True)):
            etas, dispersion, matrices = counterfactuals(prepared, own, g, i, y, at, rng)
            numbers = (dispersion, *shapes_of(structure, matrices, y))
            nothing = np.zeros((len(etas[0]), 2))
            found[d] = [family.mean(nothing, eta, *numbers).mean() for eta in etas]
        label = table.groups[g] if len(table.groups) > 1 else ""
        steps = found[:, [1, 2, 2]] - found[:, [0, 1, 0]]
        changes.append(_summary(steps, "effect", EFFECTS, label, ci_prob))
        if family.reads not in ("limited", "number"):
            logs = np.log(found[:, [1, 2, 2]] / found[:, [0, 1, 0]])
            ratios.append(_ratio_summary(logs, "effect", EFFECTS, label, ci_prob))
        both = _summary(found[:, [0, 2]], "value", ("from", "to"), label, ci_prob)
        ends.append(both.drop(columns="p_positive"))
    return ExpectedEffects(
        x,
        y,
        pd.concat(changes, ignore_index=True),
        pd.concat(ratios, ignore_index=True) if ratios else pd.DataFrame(),
        pd.concat(ends, ignore_index=True),
        f"from {where_set(values[0])} to {where_set(values[1])}",
        EXPECTED[family.reads],
        ci_prob,
    )


def _summary(
    values: np.ndarray, title: str, kinds: Sequence[str], group: str, ci_prob: float
) -> pd.DataFrame:
    """Summaries of draws (draw, kind)."""
    out = summarise(values[None], ci_prob=ci_prob, quality=False)
    out.insert(0, title, list(kinds))
    if group:
        out.insert(1, "group", group)
    return out


def _ratio_summary(
    logs: np.ndarray, title: str, kinds: Sequence[str], group: str, ci_prob: float
) -> pd.DataFrame:
    """Summaries of ratios from draws of their logs (draw, kind); p_positive is P(ratio > 1)."""
    out = _summary(np.exp(logs), title, kinds, group, ci_prob)
    out["p_positive"] = (logs > 0).mean(axis=0)
    return out


@dataclass(frozen=True, eq=False, repr=False)
class Ratios(Described):
    """exp(path) of counts, durations and shares.

    Attributes
    ----------
    table : DataFrame
        A row a path and ratio: outcome, predictor, (group,) ratio ("rate ratio", "time ratio",
        "hazard ratio", "odds ratio"), per ("unit", "SD" of the predictor), mean, sd, lower, upper,
        p_positive = P(ratio > 1).
    ci_prob : float
        Probability of the equal-tailed intervals.
    """

    table: pd.DataFrame
    ci_prob: float

    def document(self) -> Document:
        """The ratios."""
        names = ("outcome", "predictor", *(["group"] if "group" in self.table else []))
        return Document.of(
            Heading("Paths as ratios"),
            Table(
                (
                    *labels(self.table, (*names, "ratio", "per"), titles={"ratio": ""}),
                    column(self.table, "mean"),
                    intervals(self.table, percent_text(self.ci_prob)),
                    column(self.table, "p_positive", "P(>1)"),
                )
            ),
            Notes(
                (
                    "Rate ratio: by what the expected count is multiplied when the predictor is a "
                    "unit (or a standard deviation) higher and all other predictors are as they "
                    "were; time ratio: the duration; hazard ratio: the rate at which what is "
                    "waited for happens (Weibull durations); odds ratio: expected share over its "
                    "complement.",
                )
            ),
        )


@check_shared
def ratios(fit: Fitted, *, ci_prob: float = 0.95) -> Ratios:
    """Paths and loadings of counts, durations and shares as ratios; see `Fit.ratios`."""
    structure, table = fit.prepared.structure, fit.prepared.table
    others = table.responses.others
    if not any(FAMILIES[f].ratio for f in others.values()):
        raise ModelError(
            "the model has no counts, durations or shares, whose paths are ratios: family="
        )
    products = {name for name, _ in table.products}
    chains = fit.elements.shape[:-1]
    frames = []
    for k, place in structure.places.items():
        row = table.rows[k]
        y, x = (row.rhs, row.lhs) if row.op == "=~" else (row.lhs, row.rhs)
        family = FAMILIES.get(others.get(y, ""))
        if family is None or row.op not in ("~", "=~") or not family.ratio or x in products:
            continue
        path = fit.elements[..., structure.element(place)[0]]
        moments = model_moments(structure, fit.elements, group=place.group)
        j = structure.variables.index(x)
        sd = np.sqrt(moments.latent_covariance[..., j, j])
        kinds = [(family.ratio, path)]
        if family.name == "weibull":
            matrix = "disturbances" if y in structure.variables else "residuals"
            names = structure.variables if matrix == "disturbances" else structure.observed
            own = names.index(y)
            at = structure.element_of(matrix, own, own, place.group)[0]
            shape = np.sqrt(VARIANCE / fit.elements[..., at])
            kinds.append(("hazard ratio", -path * shape))
        for name, log in kinds:
            for per, logs in (("unit", log), ("SD", log * sd)):
                flat = logs.reshape(math.prod(chains), 1)
                own_frame = _ratio_summary(flat, "ratio", [name], "", ci_prob)
                own_frame.insert(0, "outcome", y)
                own_frame.insert(1, "predictor", x)
                own_frame.insert(3, "per", per)
                if len(table.groups) > 1:
                    own_frame.insert(2, "group", table.groups[place.group])
                frames.append(own_frame)
    if not frames:
        raise ModelError(
            "nothing explains the counts, durations and shares of the model but products, whose "
            "effects depend on where a respondent is: fit.expected_effects has them"
        )
    return Ratios(pd.concat(frames, ignore_index=True), ci_prob)
