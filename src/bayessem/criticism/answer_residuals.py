"""What a model leaves of pairs of answers: correlations of latent responses, cells of tables.

Residual correlations are polychoric (or polyserial) ones of the data less what these estimate under
the model. The table of two answers is compared with the one that the model expects by its
chi-square, as an index of local dependence (Chen & Thissen 1997, doi:10.3102/10769986022003265),
and cell by cell in standard errors (Maydeu-Olivares & Joe 2014, doi:10.1080/00273171.2014.911075).
With covariates, correlations are those given these, beside the slopes of the latent responses on
the covariates (Muthen 1984, doi:10.1007/BF02294210), and expected tables those of the respondents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayessem.criticism.answer_indices import thinned
from bayessem.model.prepare import Prepared
from bayessem.results.answer_margins import Margins, margins_of, points_of, scores_of
from bayessem.results.fitted import Fitted
from bayessem.results.given_margins import rows_of
from bayessem.results.given_polychoric import expected_regressions, observed_sums, regressions
from bayessem.results.given_tables import expected_tables_given
from bayessem.results.polychoric import (
    Tables,
    expected_correlations,
    expected_tables,
    observed_correlations,
    observed_tables,
)

# Draws whose expected tables are averaged, or whose correlations have to be found from tables.
DRAWS = 100
# The same with covariates, where each respondent has tables of their own.
TABLE_DRAWS, SEARCHES = 20, 40


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
    slopes : ndarray (p, q)
        On the covariates: of latent responses (of numbers), in units of their residual's sd, a sd
        of the covariate; nan of one that does not vary.
    implied_slopes : ndarray (chain, draw, p, q)
    """

    names: tuple[str, ...]
    rows: np.ndarray
    columns: np.ndarray
    observed: np.ndarray
    implied: np.ndarray
    x2: np.ndarray
    x2_df: np.ndarray
    cells: pd.DataFrame
    slopes: np.ndarray
    implied_slopes: np.ndarray


def pair_residuals(fit: Fitted) -> list[PairResiduals]:
    """Residuals of all pairs of variables, by group.

    Raises
    ------
    NotSupported
        For what `margins_of` refuses.
    """
    prepared, sample = fit.prepared, fit.prepared.sample
    margins = margins_of(prepared, "residual analysis")
    used = fit.elements
    if not margins.normal:  # found by a search for each draw
        used = used[:, thinned(used, SEARCHES if margins.given else DRAWS)]
    of = _given if margins.given else _plain
    labels = [list(map(str, sample.categories[j])) for j in margins.columns]
    first, second = margins.pairs
    out = []
    for g in range(len(sample.groups)):
        found = of(margins, prepared, g, used)
        x2, df = np.full(len(first), np.nan), np.full(len(first), np.nan)
        for c, pair in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
            if pair in found.counts:
                observed, expected = found.counts[pair], found.expected[pair]
                x2[c] = np.sum((observed - expected) ** 2 / expected)
                df[c] = np.prod(np.array(observed.shape) - 1)
        out.append(
            PairResiduals(
                names=margins.names,
                rows=second,
                columns=first,
                observed=found.observed,
                implied=found.implied.reshape(*used.shape[:2], -1),
                x2=x2,
                x2_df=df,
                cells=cell_residuals(
                    margins.names, labels, found.counts, found.expected, found.variance
                ),
                slopes=found.slopes,
                implied_slopes=found.implied_slopes.reshape(*used.shape[:2], *found.slopes.shape),
            )
        )
    return out


@dataclass(frozen=True)
class _Found:
    """Correlations (pair,) and (draw, pair), tables by pair, slopes (p, q) and (draw, p, q)."""

    observed: np.ndarray
    implied: np.ndarray
    counts: Tables
    expected: Tables
    variance: Tables
    slopes: np.ndarray
    implied_slopes: np.ndarray


def _some(flat: np.ndarray, most: int) -> np.ndarray:
    return flat[np.linspace(0, len(flat) - 1, min(most, len(flat))).round().astype(int)]


def _plain(margins: Margins, prepared: Prepared, group: int, used: np.ndarray) -> _Found:
    """Without covariates."""
    points, flat = points_of(margins), used.reshape(-1, used.shape[-1])
    scores = scores_of(margins, prepared.sample.values[prepared.sample.group == group])
    counts = observed_tables(margins, scores)
    expected = {
        pair: table.mean(axis=0) * counts[pair].sum()
        for pair, table in expected_tables(margins, _some(flat, DRAWS), group, points).items()
    }
    p = len(margins.names)
    return _Found(
        observed=observed_correlations(margins, scores),
        implied=expected_correlations(margins, flat, group, points),
        counts=counts,
        expected=expected,
        variance={pair: e * (1.0 - e / counts[pair].sum()) for pair, e in expected.items()},
        slopes=np.zeros((p, 0)),
        implied_slopes=np.zeros((len(flat), p, 0)),
    )


def _given(margins: Margins, prepared: Prepared, group: int, used: np.ndarray) -> _Found:
    """Given the covariates."""
    sample, flat = prepared.sample, used.reshape(-1, used.shape[-1])
    scores = scores_of(margins, sample.values[sample.group == group])
    rows = rows_of(margins, prepared, group)
    found = regressions(observed_sums(margins, rows, scores))
    slopes, implied = expected_regressions(margins, rows, flat, group)
    expected, variance = expected_tables_given(margins, rows, _some(flat, TABLE_DRAWS), group)
    sd = np.array([sample.sds[sample.variables.index(name)] for name in margins.given])
    sd[np.ptp(rows.x, axis=0) == 0] = np.nan  # nothing is known of a slope
    return _Found(
        observed=found.correlations,
        implied=implied,
        counts=observed_tables(margins, scores),
        expected=expected,
        variance=variance,
        slopes=found.slopes * sd,
        implied_slopes=slopes * sd,
    )


def cell_residuals(
    names: Sequence[str],
    labels: Sequence[Sequence[str]],
    counts: Tables,
    expected: Tables,
    variance: Tables,
) -> pd.DataFrame:
    """Cells of all tables, those furthest from what is expected first.

    counts, expected, variance : (a, b) each, the last of the counts;  z : in their sd.
    """
    frames = []
    for (i, j), table in counts.items():
        rows, columns = (k.ravel() for k in np.indices(table.shape))
        e = expected[i, j].ravel()
        sd = np.sqrt(np.maximum(variance[i, j].ravel(), 0.0))
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
