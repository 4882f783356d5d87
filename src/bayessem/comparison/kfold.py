"""K-fold cross-validation: refits without each fold in turn, nothing compiled."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayessem.arguments import check_shared
from bayessem.comparison.criterion import (
    CrossValidation,
    design_notes,
    frame_of,
    opening,
    stored_log_likelihood,
    target_of,
)
from bayessem.comparison.importance import log_mean_exp
from bayessem.comparison.refits import log_predictive, refits_without
from bayessem.errors import FitError
from bayessem.model.data import Sample
from bayessem.posterior.clusters import unit_count
from bayessem.results.fitted import Fitted, refuse_population
from bayessem.text.document import Document, Notes
from bayessem.text.progress import Bar


@dataclass(frozen=True, repr=False)
class KFold(CrossValidation):
    """K-fold cross-validation of a fit; `print` it.

    `pointwise` adds `fold`, counted from 1.

    Attributes
    ----------
    k : int
        Number of folds.
    random_seed : int
        Same seed, same folds: compare models on the same ones.
    notes : tuple of str
        Refits that are not to be trusted.
    """

    k: int
    random_seed: int
    notes: tuple[str, ...]

    @property
    def table(self) -> pd.DataFrame:
        """By fold: respondents (or clusters), elpd."""
        by_fold = self.pointwise.groupby("fold")["elpd"]
        return pd.DataFrame({f"{self.target.unit}s": by_fold.size(), "elpd": by_fold.sum()})

    def folds_by_label(self) -> pd.Series:
        """Fold of each respondent in the order of their labels."""
        return self.pointwise["fold"].sort_index(kind="stable")

    def document(self) -> Document:
        """elpd, and the refits behind it."""
        refits = f"{self.k} refits; folds by random_seed={self.random_seed}."
        return Document.of(opening(self), Notes((refits, *self.notes)))


def fold_of_respondents(sample: Sample, k: int, *, random_seed: int) -> np.ndarray:
    """Fold of each respondent, 0 to k - 1, at random; every fold has its share of each group.

    It depends on the number of respondents, their groups and the seed only, (respondent,). Of each
    cluster, in a two-level model.
    """
    rng = np.random.default_rng(random_seed)
    group = sample.group if sample.clusters is None else sample.group[sample.clusters.first()]
    shuffled = rng.permutation(len(group))
    by_group = shuffled[np.argsort(group[shuffled], kind="stable")]
    out = np.empty(len(group), dtype=np.int64)
    out[by_group] = np.arange(len(group)) % k
    return out


@check_shared
def kfold(
    fit: Fitted,
    *,
    k: int = 10,
    random_seed: int | None = None,
    progress: bool = False,
    executor: Any = None,
) -> KFold:
    """K-fold cross-validation, by k refits.

    Arguments, result and errors: `Fit.kfold`.
    """
    refuse_population(fit, "cross-validation")
    sample = fit.prepared.sample
    count, target = unit_count(sample), target_of(fit.prepared)
    if not 2 <= k <= count // 2:
        raise FitError(
            f"k is at least 2 and at most half of the {count} {target.unit}s, not {k}; "
            "fit.loo() leaves out one at a time"
        )
    seed = 0 if random_seed is None else random_seed
    fold = fold_of_respondents(sample, k, random_seed=seed)
    elpd = np.empty(count)
    folds = [np.flatnonzero(fold == f) for f in range(k)]
    bar = Bar("folds", k, sys.stderr) if progress else None
    notes = {}
    left_out = [(out, seed + 1 + f) for f, out in enumerate(folds)]
    with closing(refits_without(fit, left_out, executor=executor)) as refits:
        for done, (f, again) in enumerate(refits, start=1):
            out = folds[f]
            density = log_predictive(fit.prepared, out, again.values)
            elpd[out] = log_mean_exp(density.reshape(-1, len(out)))
            if again.doubtful:
                notes[f] = f"The refit without fold {f + 1}: {again.trouble}"
            if bar is not None:
                bar.show(done)
    point = frame_of(fit, elpd=elpd, lppd=log_mean_exp(stored_log_likelihood(fit)), fold=fold + 1)
    return KFold(
        target,
        f"{k}-fold",
        point,
        k,
        seed,
        (*design_notes(fit), *(notes[f] for f in sorted(notes))),
    )
