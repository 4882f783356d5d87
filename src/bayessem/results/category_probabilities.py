"""How many answers of each category a model expects, beside how many there are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayessem.arguments import check_shared
from bayessem.errors import ModelError
from bayessem.likelihood.family_ordered import probabilities
from bayessem.model.structure import Structure, latent_values
from bayessem.results.estimates import summarise
from bayessem.results.fitted import Fitted
from bayessem.text.columns import column, intervals, labels
from bayessem.text.described import Described
from bayessem.text.document import Document, Heading, Notes, Table
from bayessem.text.formats import percent_text

# Respondents drawn for each draw of the parameters.
RESPONDENTS = 2000


@dataclass(frozen=True, eq=False, repr=False)
class CategoryProbabilities(Described):
    """Shares of the categories of ordered variables, expected and observed.

    Attributes
    ----------
    table : DataFrame
        One row a category: variable, category, (group,) observed share of the answers, and the
        share that the model expects: mean, sd, lower, upper.
    ci_prob : float
        Probability of the equal-tailed intervals.
    """

    table: pd.DataFrame
    ci_prob: float

    def document(self) -> Document:
        """The table."""
        names = [n for n in ("variable", "category", "group") if n in self.table]
        return Document.of(
            Heading("Shares of the categories, observed and expected"),
            Table(
                (
                    *labels(self.table, names),
                    column(self.table, "observed"),
                    column(self.table, "mean", "expected"),
                    intervals(self.table, percent_text(self.ci_prob)),
                )
            ),
            Notes(
                (
                    "Expected are shares among new respondents; intervals are about what is not "
                    "known of the parameters.",
                )
            ),
        )


@check_shared
def category_probabilities(
    fit: Fitted, *, draws: int = 200, ci_prob: float = 0.95, random_seed: int = 0
) -> CategoryProbabilities:
    """Expected and observed shares of the categories of ordered variables.

    Arguments, result and errors: `Fit.category_probabilities`.
    """
    prepared = fit.prepared
    structure, sample, table = prepared.structure, prepared.sample, prepared.table
    if not table.ordered:
        raise ModelError("the model has no ordered variables: SEM(model, ordered=[...])")
    rng = np.random.default_rng(random_seed)
    flat = fit.elements.reshape(-1, fit.elements.shape[-1])
    chosen = flat[np.linspace(0, len(flat) - 1, min(draws, len(flat))).round().astype(int)]
    frames = []
    for g, group in enumerate(table.groups):
        members = np.flatnonzero(sample.group == g)
        expected = [_expected(structure, e, g, sample.values[members], rng) for e in chosen]
        for name in table.ordered:
            j = sample.variables.index(name)
            known = sample.values[members, j]
            known = known[~np.isnan(known)].astype(np.int64)
            codes = sample.categories[j]
            frame = summarise(
                np.array([e[name] for e in expected])[None], ci_prob=ci_prob, quality=False
            ).drop(columns="p_positive")
            frame.insert(0, "variable", name)
            frame.insert(1, "category", list(map(str, codes)))
            if len(table.groups) > 1:
                frame.insert(2, "group", group)
            shares = np.bincount(known, minlength=len(codes)) / max(len(known), 1)
            frame.insert(frame.columns.get_loc("mean"), "observed", shares)
            frames.append(frame)
    return CategoryProbabilities(pd.concat(frames, ignore_index=True), ci_prob)


def _expected(
    structure: Structure,
    elements: np.ndarray,
    group: int,
    values: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Probability of each category in a group at one draw, averaged over new respondents.

    Their covariates are those of respondents (n, p).
    """
    responses = structure.table.responses
    m = {k: v.copy() for k, v in structure.matrices(elements, group).items()}
    variances: dict[str, float] = {}
    for name in responses.families:
        j = structure.observed.index(name)
        variances[name] = float(m["residuals"][j, j])
        if name in structure.variables:  # its own disturbance is in the probability
            i = structure.variables.index(name)
            variances[name] = float(m["disturbances"][i, i])
            m["disturbances"][i, i] = 0.0
    roots, vectors = np.linalg.eigh(m["disturbances"])
    root = vectors * np.sqrt(np.maximum(roots, 0.0))
    own = m["means"] + rng.standard_normal((RESPONDENTS, len(roots))) @ root.T
    rows = rng.integers(len(values), size=RESPONDENTS)
    for name in structure.table.exogenous:
        column = structure.observed.index(name)
        own[:, structure.variables.index(name)] = values[rows, column]
    eta = latent_values(structure, m, own)
    out = {}
    for name in responses.families:
        j, at = structure.observed.index(name), structure.threshold_at[name]
        cut = m["thresholds"][at : at + responses.thresholds[name]]
        mean = m["intercepts"][j] + eta @ m["loadings"][j]
        scale = math.sqrt(variances[name] / responses.residual_variance)
        out[name] = probabilities(responses.link, cut, mean, scale).mean(axis=0)
    return out
