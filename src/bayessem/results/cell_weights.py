"""How much single values count where variables have heavy tails of their own, and what is outlying.

Given the parameters and the linear predictor a value counts by (nu + 1) / (nu + z^2), z its
distance in scales of the t (Lange, Little & Taylor 1989, doi:10.1080/01621459.1989.10478852); the
constructs behind the predictor are averaged over, given all that the respondent answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr

from bayessem.arguments import check_shared, whole_number
from bayessem.errors import FitError
from bayessem.likelihood.family_student import weights as values_weights
from bayessem.model.covariance_input import require_respondents
from bayessem.model.data import Sample
from bayessem.model.structure import Structure
from bayessem.results.answer_predictions import predictor
from bayessem.results.answer_scores import AnswerScores, known_values
from bayessem.results.dispersions import shapes_of
from bayessem.results.estimates import tail_probability
from bayessem.results.simulate import Estimated
from bayessem.syntax.responses import STUDENT
from bayessem.text.columns import column, intervals, labels, marks, more_rows
from bayessem.text.described import Described
from bayessem.text.document import Document, Notes, Paragraph, Table
from bayessem.text.numbers import number

if TYPE_CHECKING:
    import pandas as pd

# Probability that any value of normal variables is as far out as one that is called outlying.
ANY = 0.05
# Rows that are printed, and values that are named.
SHOWN, NAMED = 15, 12


@dataclass(frozen=True, repr=False)
class CellWeights(Described):
    """How much single values count; `print` it for those that count least.

    Attributes
    ----------
    table : DataFrame
        A row a value, those that count least first: respondent (label), group where there are
        several, variable, value, weight (posterior mean; of maximum likelihood at the estimates),
        lower, upper, distance (from what the model expects, in residual standard deviations of most
        values), outlying.
    outlying : tuple of (str, str)
        Respondent and variable of values so far out that normal variables would have any in a
        sample of this size with a probability of 5 % only.
    nu : dict
        Degrees of freedom by variable (posterior means; the smallest of several groups).
    ci_prob : float
        Probability of the intervals.
    """

    table: pd.DataFrame
    outlying: tuple[tuple[str, str], ...]
    nu: dict[str, float]
    ci_prob: float

    def document(self) -> Document:
        """What is outlying, and the values that count least."""
        count = len(self.outlying)
        named = "; ".join(f"{x} of {who}" for who, x in self.outlying[:NAMED])
        said = (
            f"{count} of {len(self.table)} values {'is' if count == 1 else 'are'} outlying: "
            f"{named}{'; ...' if count > NAMED else ''}."
            if count
            else f"None of {len(self.table)} values is outlying."
        )
        tails = ", ".join(f"{number(nu, 1)} ({name})" for name, nu in self.nu.items())
        t = self.table.head(SHOWN)
        return Document.of(
            Paragraph(f"{said} nu = {tails}."),
            Table(
                (
                    *labels(t, [x for x in ("respondent", "group", "variable") if x in t]),
                    column(t, "value"),
                    column(t, "weight"),
                    *(
                        [intervals(t, f"{100 * self.ci_prob:g} %")]
                        if t["lower"].notna().any()
                        else []
                    ),
                    column(t, "distance"),
                    marks(t, "outlying", "outlying"),
                ),
                "Values that count least",
            ),
            more_rows(self.table, SHOWN),
            Notes(
                (
                    "Weight: by how much a value counts, 1 on average; distance: in residual "
                    "standard deviations of most values. Outlying: further out than any value of "
                    "normal variables would be in a sample of this size, with a probability of "
                    "95 %.",
                )
            ),
        )


@check_shared
def cell_weights(fit: Estimated, *, draws: int, ci_prob: float = 0.95) -> CellWeights:
    """How much single values count; see `Fit.weights`."""
    import pandas as pd

    prepared = fit.prepared
    structure, sample = prepared.structure, prepared.sample
    require_respondents(sample, "a weight")
    draws = whole_number("draws", draws, FitError)
    tail = tail_probability(ci_prob)
    names = [x for x, kind in structure.table.responses.others.items() if kind == STUDENT]
    flat = np.atleast_2d(fit.elements)
    flat = flat.reshape(-1, flat.shape[-1])
    chosen = np.unique(np.linspace(0, len(flat) - 1, min(draws, len(flat))).round().astype(int))
    weights, distances, nu = _weights(structure, sample, flat[chosen], names)
    ends = np.quantile(weights, [tail, 1.0 - tail], axis=0)
    if len(chosen) == 1:
        ends = np.full_like(ends, np.nan)
    mean, far = weights.mean(axis=0), distances.mean(axis=0)
    frames = []
    for c, name in enumerate(names):
        values = sample.values[:, sample.variables.index(name)]
        columns: dict[str, Any] = {"respondent": [str(x) for x in sample.rows]}
        if len(sample.groups) > 1:
            columns["group"] = [sample.groups[g] for g in sample.group]
        columns |= {"variable": name, "value": values, "weight": mean[:, c]}
        columns |= {"lower": ends[0, :, c], "upper": ends[1, :, c], "distance": far[:, c]}
        frames.append(pd.DataFrame(columns)[~np.isnan(values)])
    table = pd.concat(frames, ignore_index=True)
    surprise = 2.0 * ndtr(-table["distance"].to_numpy())
    table["outlying"] = surprise < -np.expm1(np.log1p(-ANY) / len(table))
    table = table.sort_values("weight", kind="stable", ignore_index=True)
    named = table[table["outlying"]]
    outlying = tuple(zip(named["respondent"], named["variable"], strict=True))
    return CellWeights(table, outlying, nu, ci_prob)


def _weights(
    structure: Structure, sample: Sample, elements: np.ndarray, names: list[str]
) -> tuple[np.ndarray, np.ndarray, dict[str, float]]:
    """Weights and distances (draw, respondent, variable) of values, and nu by variable."""
    scores = AnswerScores(structure, sample, elements.mean(axis=0))
    weights = np.ones((len(elements), sample.size, len(names)))
    distances = np.zeros_like(weights)
    least = dict.fromkeys(names, np.inf)
    for d, one in enumerate(elements):
        for members, pattern, found in scores.at(one, d):
            known = known_values(structure, sample, members)
            matrices = structure.matrices(one, int(sample.group[members[0]]))
            points = np.repeat(known[:, None, :], found.points.shape[1], axis=1)
            points[..., list(scores.latents)] = found.points[pattern]
            for c, name in enumerate(names):
                values = sample.values[members, sample.variables.index(name)]
                eta, square = predictor(structure, matrices, name, points)
                (nu,) = shapes_of(structure, matrices, name)
                at = values_weights(values[:, None], eta, square, float(nu))
                by = found.weights[pattern]
                weights[d, members, c] = np.einsum("np,np->n", by, at)
                middle = np.einsum("np,np->n", by, eta)
                distances[d, members, c] = np.abs(values - middle) / np.sqrt(square)
    for g in range(len(sample.groups)):
        matrices = structure.matrices(elements, g)
        for name in names:
            least[name] = min(least[name], float(shapes_of(structure, matrices, name)[0].mean()))
    return weights, distances, least
