"""What a model leaves of pairs of answers: correlations of latent responses, cells of tables.

Residual correlations are polychoric (or polyserial) ones of the data less what these estimate under
the model. The table of two answers is compared with the one that the model expects by its
chi-square, as an index of local dependence (Chen & Thissen 1997, doi:10.3102/10769986022003265),
and cell by cell in standard errors (Maydeu-Olivares & Joe 2014, doi:10.1080/00273171.2014.911075).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayessem.criticism.answer_indices import thinned
from bayessem.results.answer_margins import margins_of, points_of, scores_of
from bayessem.results.fitted import Fitted
from bayessem.results.polychoric import (
    Tables,
    expected_correlations,
    expected_tables,
    observed_correlations,
    observed_tables,
)

# Draws whose expected tables are averaged, or whose correlations have to be found from tables.
DRAWS = 100


@dataclass(frozen=True)
class PairResiduals:
    """Of one group.

    Attributes
    ----------
    names : tuple of str
    rows, columns : ndarray (pair,)
        Positions of the second and the first variable of each pair.
    observed : ndarray (pair,)
    implied : ndarray (chain, draw, pair)
    x2, x2_df : ndarray (pair,)
        Chi-square of the table of both and its degrees of freedom; nan where one is a number.
    cells : DataFrame
        A row a cell: lhs, rhs, lhs_answer, rhs_answer, observed and expected count, z.
    """

    names: tuple[str, ...]
    rows: np.ndarray
    columns: np.ndarray
    observed: np.ndarray
    implied: np.ndarray
    x2: np.ndarray
    x2_df: np.ndarray
    cells: pd.DataFrame


def pair_residuals(fit: Fitted) -> list[PairResiduals]:
    """Residuals of all pairs of variables, by group.

    Raises
    ------
    NotSupported
        For what `margins_of` refuses.
    """
    prepared, sample = fit.prepared, fit.prepared.sample
    margins = margins_of(prepared, "residual analysis")
    points = points_of(margins)
    first, second = margins.pairs
    labels = [list(map(str, sample.categories[j])) for j in margins.columns]
    used = fit.elements
    if not margins.normal:  # found by a search for each draw
        used = used[:, thinned(used, DRAWS)]
    flat = used.reshape(-1, used.shape[-1])
    some = flat[np.linspace(0, len(flat) - 1, min(DRAWS, len(flat))).round().astype(int)]
    out = []
    for g in range(len(sample.groups)):
        scores = scores_of(margins, sample.values[sample.group == g])
        implied = expected_correlations(margins, flat, g, points)
        counts = observed_tables(margins, scores)
        expected = {
            pair: table.mean(axis=0) * counts[pair].sum()
            for pair, table in expected_tables(margins, some, g, points).items()
        }
        x2, df = np.full(len(first), np.nan), np.full(len(first), np.nan)
        for c, pair in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
            if pair in counts:
                x2[c] = np.sum((counts[pair] - expected[pair]) ** 2 / expected[pair])
                df[c] = np.prod(np.array(counts[pair].shape) - 1)
        out.append(
            PairResiduals(
                names=margins.names,
                rows=second,
                columns=first,
                observed=observed_correlations(margins, scores),
                implied=implied.reshape(*used.shape[:2], -1),
                x2=x2,
                x2_df=df,
                cells=cell_residuals(margins.names, labels, counts, expected),
            )
        )
    return out


def cell_residuals(
    names: Sequence[str], labels: Sequence[Sequence[str]], counts: Tables, expected: Tables
) -> pd.DataFrame:
    """Cells of all tables, those furthest from what is expected first.

    counts, expected : (a, b) each;  z : (observed - expected) / sqrt(expected (1 - share)).
    """
    frames = []
    for (i, j), table in counts.items():
        rows, columns = (k.ravel() for k in np.indices(table.shape))
        e = expected[i, j].ravel()
        sd = np.sqrt(e * (1.0 - e / table.sum()))
        frames.append(
            pd.DataFrame(
                {
                    "lhs": names[i],
                    "rhs": names[j],
                    "lhs_answer": [labels[i][int(k)] for k in rows],
                    "rhs_answer": [labels[j][int(k)] for k in columns],
                    "observed": table.ravel().astype(int),
                    "expected": e,
                    "z": (table.ravel() - e) / np.where(sd > 0, sd, np.inf),
                }
            )
        )
    if not frames:
        return pd.DataFrame()
    out = pd.concat(frames, ignore_index=True)
    return out.iloc[np.argsort(-out["z"].abs().to_numpy(), kind="stable")].reset_index(drop=True)
