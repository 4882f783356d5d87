"""How much each respondent counts in a model with heavy tails, and who is outlying.

Lange, Little & Taylor (1989), doi:10.1080/01621459.1989.10478852, section 2: given the parameters a
respondent counts by (nu + p) / (nu + d), p the variables that are known and d their squared
Mahalanobis distance by the scale matrix: about 1 for most, near 0 far out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import chdtrc

from bayessem.arguments import check_shared, whole_number
from bayessem.errors import FitError, NotSupported
from bayessem.model.covariance_input import require_respondents
from bayessem.results.cell_weights import CellWeights, cell_weights
from bayessem.results.estimates import tail_probability
from bayessem.results.simulate import Estimated
from bayessem.results.tails import degrees_of_freedom, distances, weights_of
from bayessem.syntax.responses import STUDENT
from bayessem.text.columns import column, intervals, labels, marks, more_rows
from bayessem.text.described import Described
from bayessem.text.document import Document, Notes, Paragraph, Table
from bayessem.text.numbers import number

if TYPE_CHECKING:
    import pandas as pd

DRAWS = 400
# Probability that any respondent of a normal sample is as far out as one that is called outlying.
ANY = 0.05
# Rows that are printed, and respondents that are named.
SHOWN, NAMED = 15, 12


@dataclass(frozen=True, repr=False)
class RespondentWeights(Described):
    """How much respondents count; `print` it for those that count least.

    Attributes
    ----------
    table : DataFrame
        A row a respondent, those that count least first: respondent (label), group where there are
        several, weight (posterior mean; of maximum likelihood at the estimates), lower, upper,
        distance (root of the squared Mahalanobis distance by the scale matrix over the number of
        variables, about 1 for most), outlying.
    outlying : tuple of str
        Labels of respondents so far out that a normal sample of this size would have any with a
        probability of 5 % only.
    nu : float
        Degrees of freedom (posterior mean).
    ci_prob : float
        Probability of the intervals.
    """

    table: pd.DataFrame
    outlying: tuple[str, ...]
    nu: float
    ci_prob: float

    def document(self) -> Document:
        """Who is outlying, and the respondents that count least."""
        t, count = self.table, len(self.outlying)
        named = ", ".join(self.outlying[:NAMED]) + (", ..." if count > NAMED else "")
        who = (
            f"{count} of {len(t)} respondents {'is' if count == 1 else 'are'} outlying: {named}."
            if count
            else f"None of {len(t)} respondents is outlying."
        )
        return Document.of(
            Paragraph(f"{who} nu = {number(self.nu, 1)}."),
            Table(
                (
                    *labels(t.head(SHOWN), [x for x in ("respondent", "group") if x in t]),
                    column(t.head(SHOWN), "weight"),
                    *(
                        [intervals(t.head(SHOWN), f"{100 * self.ci_prob:g} %")]
                        if t["lower"].notna().any()
                        else []
                    ),
                    column(t.head(SHOWN), "distance"),
                    marks(t.head(SHOWN), "outlying", "outlying"),
                ),
                "Respondents that count least",
            ),
            more_rows(t, SHOWN),
            Notes(
                (
                    "Weight: by how much a respondent counts, 1 on average; distance: in standard "
                    "deviations of most respondents. Outlying: further out than any respondent of "
                    "a normal sample of this size would be, with a probability of 95 %.",
                )
            ),
        )


@check_shared
def respondent_weights(
    fit: Estimated, *, draws: int = DRAWS, ci_prob: float = 0.95
) -> RespondentWeights | CellWeights:
    """How much each respondent counts, or each value of variables with tails of their own.

    Arguments, result and errors: `Fit.weights`; of maximum likelihood at its estimates.
    """
    import pandas as pd

    prepared = fit.prepared
    structure, sample = prepared.structure, prepared.sample
    if STUDENT in structure.table.responses.others.values():
        return cell_weights(fit, draws=draws, ci_prob=ci_prob)
    if not structure.table.heavy_tailed:
        raise NotSupported(
            "respondents of this model all count alike; SEM(model, family='student') has heavy "
            "tails, with weights by respondent, and family={'x1': 'student'} with weights by value"
        )
    require_respondents(sample, "a weight")
    draws = whole_number("draws", draws, FitError)
    tail = tail_probability(ci_prob)
    flat = np.atleast_2d(fit.elements)
    flat = flat.reshape(-1, flat.shape[-1])
    chosen = np.unique(np.linspace(0, len(flat) - 1, min(draws, len(flat))).round().astype(int))
    weights = weights_of(structure, flat[chosen], sample)
    distance, count = distances(structure, flat[chosen], sample)
    nu = degrees_of_freedom(structure, flat[chosen])
    scaled = distance * (nu / (nu - 2.0))[:, None]
    known = np.where(count > 0, count, 1.0)
    surprise = chdtrc(known, scaled).mean(axis=0)
    columns: dict[str, Any] = {"respondent": [str(x) for x in sample.rows]}
    if len(sample.groups) > 1:
        columns["group"] = [sample.groups[g] for g in sample.group]
    columns |= {"weight": weights.mean(axis=0)}
    single = len(chosen) == 1
    ends = np.quantile(weights, [tail, 1.0 - tail], axis=0)
    if single:
        ends = np.full_like(ends, np.nan)
    columns |= {"lower": ends[0], "upper": ends[1]}
    columns["distance"] = np.sqrt(scaled / known).mean(axis=0)
    columns["outlying"] = surprise < -np.expm1(np.log1p(-ANY) / sample.size)
    table = pd.DataFrame(columns, index=sample.rows).sort_values("weight", kind="stable")
    named = tuple(table.loc[table["outlying"], "respondent"])
    return RespondentWeights(table, named, float(nu.mean()), ci_prob)
