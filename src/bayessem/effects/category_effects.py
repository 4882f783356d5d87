"""Effects on an ordered outcome as changes of the probabilities of its categories.

On the latent response an effect is a number; in probabilities it depends on where a respondent
starts, so that it is averaged over respondents: were x of all set to x0 and then to x1, how would
the shares of the answers change? The direct effect changes x in the outcome's own equation and
leaves the mediators where x0 put them; the indirect effect then moves the mediators to where x1
puts them; the total effect is their sum (natural direct and total indirect effect).

Pearl, J. (2001). Direct and indirect effects. UAI-17, 411-420. Muthen, B., & Asparouhov, T. (2015).
Causal effects in mediation modeling: An introduction with applications to latent variables.
Structural Equation Modeling, 22, 12-23, doi:10.1080/10705511.2014.935843.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayessem.arguments import check_shared
from bayessem.effects.effects import chosen_groups
from bayessem.effects.path_effects import pooled_scale
from bayessem.effects.pathways import descendants, position
from bayessem.errors import ModelError
from bayessem.likelihood.family_ordered import probabilities
from bayessem.model.prepare import Prepared
from bayessem.model.structure import Structure, latent_values
from bayessem.results.answer_predictions import predictor
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted
from bayessem.results.intervention import normal_root
from bayessem.text.columns import column, intervals, labels, summary
from bayessem.text.described import Described
from bayessem.text.document import Document, Heading, Notes, Paragraph, Table
from bayessem.text.formats import percent_text
from bayessem.text.numbers import number

# Respondents drawn for each draw of the parameters; half of them mirror the other half.
RESPONDENTS = 2000
EFFECTS = ("direct", "indirect", "total")


@dataclass(frozen=True, eq=False, repr=False)
class CategoryEffects(Described):
    """What setting x to another value changes in the probabilities of the categories of y.

    Attributes
    ----------
    x, y : str
        Cause and ordered outcome.
    table : DataFrame
        A row an effect and category: effect ("direct", "indirect", "total"), category, (group,)
        mean, sd, lower, upper, p_positive of the change of the probability.
    probabilities : DataFrame
        A row a category and value of x: value ("from", "to"), category, (group,) mean, sd, lower,
        upper of the probability.
    change : str
        From where to where x is set, in words.
    ci_prob : float
        Probability of the equal-tailed intervals.
    """

    x: str
    y: str
    table: pd.DataFrame
    probabilities: pd.DataFrame
    change: str
    ci_prob: float

    def document(self) -> Document:
        """A sentence, the changes, and the probabilities that they are between."""
        percent = percent_text(self.ci_prob)
        table = self._distinct()
        names = ("effect", "category", *(["group"] if "group" in self.table else []))
        where = tuple("value" if n == "effect" else n for n in names)
        return Document.of(
            Heading(f"Effects of {self.x} on the answers to {self.y}"),
            Paragraph(self._sentence()),
            Table(
                (*labels(table, names), *summary(table, self.ci_prob)),
                "Changes of the probabilities of the categories",
            ),
            Table(
                (
                    *labels(self.probabilities, where, titles={"value": self.x}),
                    column(self.probabilities, "mean", "probability"),
                    intervals(self.probabilities, percent),
                ),
                "Probabilities of the categories",
            ),
            Notes(
                (
                    f"{self.x} is set {self.change} for all respondents. Direct: mediators stay "
                    "where they were; indirect: they move, too; the total effect is their sum. "
                    "Covariates are those of the respondents.",
                )
            ),
        )

    def _distinct(self) -> pd.DataFrame:
        """The table without an effect that no path has, and without a total that is the other."""
        size = self.table["mean"].abs().groupby(self.table["effect"]).max()
        kept = [e for e in ("direct", "indirect") if size[e] > 0]
        return self.table[self.table["effect"].isin([*kept, *(["total"] if len(kept) > 1 else [])])]

    def _sentence(self) -> str:
        """The total effect on the highest category."""
        parts = []
        groups = self.table["group"].unique() if "group" in self.table else [""]
        for group in groups:
            total, both = (
                t[t["group"] == group] if "group" in t else t
                for t in (self.table, self.probabilities)
            )
            last = total[total["effect"] == "total"].iloc[-1]
            ends = both[both["category"] == last["category"]].set_index("value")["mean"]
            parts.append(
                f"{f'{group}: ' if group else ''}the probability of the highest answer, "
                f"{last['category']}, goes from {number(ends['from'], 3)} to "
                f"{number(ends['to'], 3)}, a change of {number(last['mean'], 3)} "
                f"[{number(last['lower'], 3)}, {number(last['upper'], 3)}]"
            )
        text = "; ".join(parts)
        return f"With {self.x} set {self.change} {text}."


@check_shared
def category_effects(
    fit: Fitted,
    x: str,
    y: str,
    *,
    values: Sequence[float] = (0.0, 1.0),
    group: str | Sequence[str] | None = None,
    draws: int = 400,
    ci_prob: float = 0.95,
    random_seed: int = 0,
) -> CategoryEffects:
    """Effects of x on an ordered y as changes of the probabilities of its categories.

    Arguments, result and errors: `Fit.category_effects`.
    """
    prepared = fit.prepared
    structure, table = prepared.structure, prepared.table
    i = position(structure, x)
    if y not in table.ordered:
        raise ModelError(
            f"{y!r} is not ordered, so it has no categories; ordered are "
            f"{', '.join(table.ordered) or 'none'}"
        )
    check_reached(prepared, i, x, y)
    elements, ends_of = settings(fit, i, values, draws)
    rng = np.random.default_rng(random_seed)
    category = [str(c) for c in prepared.sample.categories[structure.observed.index(y)]]
    changes, ends = [], []
    for g in chosen_groups(table.groups, group):
        found = np.stack(
            [
                _shares(prepared, own, g, i, y, at, rng)
                for own, at in zip(elements, ends_of, strict=True)
            ]
        )  # (draw, [at from, x moved, all moved], category)
        label = table.groups[g] if len(table.groups) > 1 else ""
        steps = np.stack(
            [found[:, 1] - found[:, 0], found[:, 2] - found[:, 1], found[:, 2] - found[:, 0]],
            axis=1,
        )
        changes.append(_summary(steps, ("effect", EFFECTS), category, label, ci_prob))
        both = _summary(found[:, [0, 2]], ("value", ("from", "to")), category, label, ci_prob)
        ends.append(both.drop(columns="p_positive"))
    return CategoryEffects(
        x,
        y,
        pd.concat(changes, ignore_index=True),
        pd.concat(ends, ignore_index=True),
        f"from {where_set(values[0])} to {where_set(values[1])}",
        ci_prob,
    )


def settings(
    fit: Fitted, i: int, values: Sequence[float], most: int
) -> tuple[np.ndarray, np.ndarray]:
    """What x, at position i, is set to in evenly spaced draws, `most` of them.

    Returns
    -------
    elements : ndarray (draw, elements)
        Flat model matrices.
    at : ndarray (draw, 2)
        From and to, on the scale of x.
    """
    if len(values) != 2 or not np.isfinite(values).all() or values[0] == values[1]:
        raise ModelError(f"values are two different numbers, from and to, not {values!r}")
    mean, sd = pooled_scale(fit, i)
    flat = fit.elements.reshape(-1, fit.elements.shape[-1])
    chosen = np.linspace(0, len(flat) - 1, min(most, len(flat))).round().astype(int)
    at = np.ravel(mean)[chosen, None] + np.ravel(sd)[chosen, None] * np.asarray(values, float)
    return flat[chosen], at


def caused_pairs(structure: Structure, names: Sequence[str]) -> list[tuple[str, str]]:
    """Each outcome of `~` out of these names with every variable that has a path to it."""
    outcomes = [name for name in names if name in structure.variables]
    return [
        (x, y)
        for y in outcomes
        for i, x in enumerate(structure.variables)
        if structure.variables.index(y) in descendants(structure, i) and x != y
    ]


def where_set(sds: float) -> str:
    """So many standard deviations from the mean, in words."""
    if sds == 0:
        return "its mean"
    return f"{abs(sds):g} SD {'above' if sds > 0 else 'below'} its mean"


def check_reached(prepared: Prepared, i: int, x: str, y: str) -> None:
    """Refuse a y that does not depend on x, at position i."""
    structure, table = prepared.structure, prepared.table
    affected = {i, *descendants(structure, i)}
    if y in structure.variables:
        reached = structure.variables.index(y) in affected - {i}
    else:
        reached = any(
            r.op == "=~" and r.rhs == y and structure.variables.index(r.lhs) in affected
            for r in table.rows
        )
    if not reached:
        raise ModelError(f"no path leads from {x!r} to {y!r}")


def _summary(
    values: np.ndarray,
    what: tuple[str, Sequence[str]],
    category: Sequence[str],
    group: str,
    ci_prob: float,
) -> pd.DataFrame:
    """Summaries of draws (draw, kind, category)."""
    out = summarise(values.reshape(1, len(values), -1), ci_prob=ci_prob, quality=False)
    title, kinds = what
    out.insert(0, title, [k for k in kinds for _ in category])
    out.insert(1, "category", list(category) * len(kinds))
    if group:
        out.insert(2, "group", group)
    return out


def _shares(
    prepared: Prepared,
    elements: np.ndarray,
    group: int,
    x: int,
    y: str,
    values: Sequence[float],
    rng: np.random.Generator,
) -> np.ndarray:
    """Shares of the categories with x at the first value, moved itself, and moved altogether.

    (3, category), of new respondents of a group at one draw.
    """
    structure = prepared.structure
    responses = structure.table.responses
    means, variance, m = counterfactuals(prepared, elements, group, x, y, values, rng)
    first = structure.threshold_at[y]
    cut = m["thresholds"][first : first + responses.thresholds[y]]
    scale = np.sqrt(variance / responses.residual_variance)
    return np.stack(
        [probabilities(responses.link, cut, mean, scale).mean(axis=0) for mean in means]
    )


def counterfactuals(
    prepared: Prepared,
    elements: np.ndarray,
    group: int,
    x: int,
    y: str,
    values: Sequence[float],
    rng: np.random.Generator,
) -> tuple[list[np.ndarray], float, dict[str, np.ndarray]]:
    """Linear predictors of y with x at the first value, moved itself, and moved altogether.

    Of new respondents of a group at one draw, (RESPONDENTS,) each; the residual variance (or
    dispersion) of y; and the matrices.
    """
    structure, sample = prepared.structure, prepared.sample
    m = {k: v.copy() for k, v in structure.matrices(elements, group).items()}
    _, variance = predictor(structure, m, y, np.zeros(len(structure.variables)))
    if y in structure.variables:  # its own disturbance is in the probability
        j = structure.variables.index(y)
        m["disturbances"][j, :] = m["disturbances"][:, j] = 0.0
    m["paths"][x] = 0.0
    m["products"][x] = 0.0
    half = rng.standard_normal((RESPONDENTS // 2, len(structure.variables)))
    noise = np.concatenate([half, -half]) @ normal_root(m["disturbances"]).T
    own = m["means"] + noise
    members = np.flatnonzero(sample.group == group)
    rows = sample.values[rng.choice(members, size=RESPONDENTS)]
    for name in structure.table.exogenous:
        own[:, structure.variables.index(name)] = rows[:, sample.variables.index(name)]
    eta = []
    for value in values:
        own[:, x] = value
        eta.append(latent_values(structure, m, own))
    moved = eta[0].copy()
    moved[:, x] = values[1]
    means = [predictor(structure, m, y, at)[0] for at in (eta[0], moved, eta[1])]
    return means, variance, m
