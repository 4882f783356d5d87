"""What PLS users ask of a composite: weights, loadings, collinearity of its items.

Weights and loadings are those of standardised items and a composite of variance 1: a loading is
the correlation of an item with its composite (Henseler, Hubona & Ray 2016,
doi:10.1108/IMDS-09-2015-0382).
The variance inflation factor of an item is 1 / (1 - R2) of its regression on the composite's other
items, in the data; above 5 its weight is hardly known (Hair, Hult, Ringle & Sarstedt 2022).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from bayessem.model.prepare import Prepared
from bayessem.results.estimates import summarise
from bayessem.results.standardize import model_moments, standardised

COLLINEAR = 5.0


def variance_inflation(covariance: np.ndarray) -> np.ndarray:
    """Variance inflation factors (k,) of variables with this covariance matrix (k, k)."""
    return np.diag(covariance) * np.diag(np.linalg.inv(covariance))


def weights_table(
    prepared: Prepared,
    elements: np.ndarray,
    labels: Mapping[str, str],
    *,
    group: int,
    ci_prob: float,
) -> pd.DataFrame:
    """Weights and loadings of the items of composites, a row an item; `Measurement.weights`.

    Parameters
    ----------
    prepared : Prepared
        The model with its data.
    elements : ndarray (chain, draw, elements)
        Draws of the flat model matrices.
    labels : mapping
        Labels of variables.
    group : int
        Which group.
    ci_prob : float
        Probability of the intervals.
    """
    structure, table = prepared.structure, prepared.table
    columns = ["composite", "item", "label", "group"]
    own = [c for c in structure.composites if c.group == group]
    if not own:
        return pd.DataFrame(columns=columns)
    values = standardised(structure, elements)
    moments = model_moments(structure, elements, group=group)
    rows, weights, loadings, inflation = [], [], [], []
    for c in own:
        items = list(c.items)
        name = structure.variables[c.variable]
        block = moments.observed_covariance[..., items, :][..., :, items]
        sd = np.sqrt(np.diagonal(block, axis1=-2, axis2=-1))
        w = np.stack([values[..., k] for k in c.weights], axis=-1)
        # of standardised items: Cov(item, composite) = R w
        correlation = block / (sd[..., :, None] * sd[..., None, :])
        covariance = np.einsum("...ij,...j->...i", correlation, w)
        sample = prepared.sample.values[prepared.sample.group == group][:, items]
        inflation += variance_inflation(np.cov(sample.T, bias=True)).tolist()
        for i, item in enumerate(items):
            x = structure.observed[item]
            rows.append((name, x, labels.get(x, ""), table.groups[group]))
            weights.append(w[..., i])
            loadings.append(covariance[..., i])
    out = pd.DataFrame(rows, columns=columns)
    main = summarise(np.stack(weights, axis=-1), ci_prob=ci_prob)
    second = summarise(np.stack(loadings, axis=-1), ci_prob=ci_prob, quality=False)
    for name in ("mean", "sd", "lower", "upper"):
        main[f"loading_{name}"] = second[name]
    main["vif"] = inflation
    return pd.concat([out, main], axis=1)
