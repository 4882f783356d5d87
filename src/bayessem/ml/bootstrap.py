"""Nonparametric bootstrap of maximum likelihood: estimates of resampled respondents.

Efron & Tibshirani (1993), doi:10.1007/978-1-4899-4541-9; percentile intervals, which for indirect
effects need no symmetry.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TextIO

import numpy as np

from bayessem.arguments import check_shared, seed, whole_number
from bayessem.errors import BayessemError, FitError, ModelError, NotSupported
from bayessem.ml.constrained import climb, named_values, read_constraints
from bayessem.ml.estimate import MLFit, fit_ml
from bayessem.ml.levels import level_turn
from bayessem.ml.maximum import find_maximum
from bayessem.ml.sample import with_sample
from bayessem.model.conditioning import has_means
from bayessem.model.covariance_input import made_from_moments
from bayessem.model.prepare import Prepared
from bayessem.model.signs import Turn, bounded_names, free_turns
from bayessem.model.thresholds import refuse_answers
from bayessem.posterior.assemble import likelihood_density
from bayessem.syntax.parameters import ParameterTable
from bayessem.text.columns import column, intervals
from bayessem.text.described import Described
from bayessem.text.document import Column, Document, Heading, Table
from bayessem.text.formats import fixed, interval, percent_text
from bayessem.text.progress import Bar
from bayessem.threads import one_blas_thread, side_by_side

if TYPE_CHECKING:
    import pandas as pd


FINE, FINE_INTERVAL = fixed(4), interval(4)


@dataclass(frozen=True, repr=False)
class Bootstrap(Described):
    """Bootstrap estimates.

    Attributes
    ----------
    names : tuple of str
        Free parameters, then definitions.
    estimate : ndarray (names,)
        Of the data themselves.
    draws : ndarray (sample, names)
        Of the bootstrap samples that converged.
    failed : int
        Bootstrap samples without a maximum; they are left out.
    """

    names: tuple[str, ...]
    estimate: np.ndarray
    draws: np.ndarray
    failed: int

    @check_shared
    def summary(self, *, level: float = 0.95) -> pd.DataFrame:
        """Estimate, bootstrap standard error, bias and percentile interval of each name."""
        import pandas as pd

        low, high = np.quantile(self.draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return pd.DataFrame(
            {
                "est": self.estimate,
                "se": self.draws.std(axis=0, ddof=1),
                "bias": self.draws.mean(axis=0) - self.estimate,
                "ci_lower": low,
                "ci_upper": high,
            },
            index=list(self.names),
        )

    def document(self) -> Document:
        """How many samples, and the table."""
        head = f"{len(self.draws)} bootstrap samples"
        if self.failed:
            head += f"; {self.failed} more had no maximum and are left out"
        table = self.summary()
        numbers = [column(table, name, how=FINE) for name in ("est", "se", "bias")]
        interval = intervals(
            table, percent_text(0.95), FINE_INTERVAL, ends=("ci_lower", "ci_upper")
        )
        return Document.of(Heading(head), Table((Column("", list(self.names)), *numbers, interval)))


@one_blas_thread()
def bootstrap(
    prepared: Prepared,
    n: int = 1000,
    *,
    cores: int | None = None,
    random_seed: int | np.random.Generator | None = None,
    progress: bool = True,
    stream: TextIO | None = None,
) -> Bootstrap:
    """Bootstrap the parameters and definitions of a model; respondents are drawn within groups.

    Parameters
    ----------
    prepared : Prepared
        Model and data.
    n : int
        Number of bootstrap samples.
    cores : int, optional
        Bootstrap samples at once; by default as many as the machine has.
    random_seed : int or Generator, optional
        For the same samples again, however many cores.
    progress : bool
        Show a progress bar on `stream` (standard error by default).

    Raises
    ------
    NotSupported
        For data made from a covariance matrix.
    FitError
        When the model does not converge on the data themselves, or on 9 of 10 samples.
    """
    n = whole_number("n, the number of bootstrap samples,", n, ModelError, least=2, most=1_000_000)
    if cores is not None:
        cores = whole_number("cores", cores, ModelError)
    if not isinstance(random_seed, np.random.Generator):
        random_seed = seed(random_seed, ModelError)
    refuse_answers(
        prepared.table,
        "a bootstrap",
        'sem.ml(data, se="robust") has standard errors that hold for a wrong model, too, and '
        "sem.fit has intervals",
    )
    if made_from_moments(prepared.sample):
        raise NotSupported("a bootstrap needs the raw data, not a covariance matrix")
    fit = fit_ml(prepared, se="expected" if not prepared.structure.products else "observed")
    if not fit.converged:
        raise FitError(f"no bootstrap: {fit.problems[0]}")
    table = fit.prepared.table
    names = (*table.parameters, *(row.lhs for row in table.defined))
    density = likelihood_density(fit.prepared.structure, fit.prepared.space, fit.prepared.sample)
    root = None  # without standard errors samples are fitted as the data were
    if np.isfinite(fit.covariance).all():
        root = _root(fit.covariance, level_turn(fit.prepared.structure, density, fit.x))
    constraints = read_constraints(table)
    plain = not (constraints.curved or constraints.at_least)
    turns = _free_turns(fit)

    def estimated(rng: np.random.Generator) -> np.ndarray | None:
        x = _estimate(fit, _resampled(fit.prepared, rng), root, plain=plain)
        return None if x is None else _with_definitions(table, oriented(x, fit, turns))

    rng = np.random.default_rng(random_seed)
    samples = (rng.spawn(1)[0] for _ in range(n))  # numbers of its own for each
    bar = Bar("bootstrap", n, stream or sys.stderr) if progress else None
    kept: list[np.ndarray] = []
    with closing(side_by_side(estimated, samples, cores=cores)) as estimates:
        for done, x in enumerate(estimates, start=1):
            if x is not None:
                kept.append(x)
            if bar is not None:
                failed = done - len(kept)
                bar.show(done, f", {failed} without a maximum" if failed else "")
    if len(kept) < max(2, n // 10):
        raise FitError(f"only {len(kept)} of {n} bootstrap samples have a maximum")
    return Bootstrap(names, _with_definitions(table, fit.x), np.array(kept), n - len(kept))


def _free_turns(fit: MLFit) -> tuple[Turn, ...]:
    """Turns of constructs that no bound or inequality forbids."""
    structure = fit.prepared.structure
    held = bounded_names(structure)
    return tuple(turn for turn in free_turns(structure) if not turn.parameters & held)


def oriented(x: np.ndarray, fit: MLFit, turns: Sequence[Turn]) -> np.ndarray:
    """Estimates of a bootstrap sample with constructs running as in the estimates of the data.

    A construct without a marker has two equally high maxima, and that of a weak one may be found on
    either side. Nearer, in standard errors, is the one that counts.

    Parameters
    ----------
    x : ndarray (D,)
        Estimates of the sample.
    fit : MLFit
        Of the data themselves.
    turns : sequence of Turn
        What may turn round.
    """
    names = fit.prepared.table.parameters
    se = np.sqrt(np.diag(fit.covariance))
    near = fit.x / np.where(se > 0, se, np.where(fit.x, np.abs(fit.x), 1.0)) ** 2
    changes = [np.array([name in turn.parameters for name in names]) for turn in turns]
    x = x.copy()
    for _ in range(len(turns) + 1):  # one turn may make another worth while
        worse = [change for change in changes if (x[change] @ near[change]) < 0]
        if not worse:
            break
        x[worse[0]] *= -1.0
    return x


def _root(covariance: np.ndarray, turn: np.ndarray | None = None) -> np.ndarray:
    """R (D, k) with R R' the covariance of the estimates, which equalities may make singular.

    What counts as 0 is judged of the correlations, so that it does not depend on units, and of
    slopes about the means (`turn`, from `levels.level_turn`), so that it does not on where 0 is.
    """
    if turn is not None:
        back = 2.0 * np.eye(len(turn)) - turn
        return turn @ _root(back @ covariance @ back.T)
    sd = np.sqrt(np.diag(covariance))
    unit = np.where(sd > 0, sd, 1.0)
    roots, vectors = np.linalg.eigh(covariance / np.outer(unit, unit))
    useful = roots > 1e-12 * roots[-1]
    return unit[:, None] * vectors[:, useful] * np.sqrt(roots[useful])


def _with_definitions(table: ParameterTable, x: np.ndarray) -> np.ndarray:
    values = named_values(table, x)
    return np.concatenate([x, [float(values[row.lhs]) for row in table.defined]])


def _resampled(prepared: Prepared, rng: np.random.Generator) -> Prepared:
    """The model with respondents drawn with replacement within their groups."""
    sample = prepared.sample
    members = [np.flatnonzero(sample.group == g) for g in range(len(sample.groups))]
    chosen = np.concatenate([rng.choice(m, size=len(m)) for m in members])
    drawn = replace(
        sample,
        values=sample.values[chosen],
        group=sample.group[chosen],
        rows=np.arange(len(chosen)),
    )
    if not has_means(prepared.table):
        means = np.array([drawn.values[drawn.group == g].mean(axis=0) for g in range(len(members))])
        drawn = replace(drawn, values=drawn.values - means[drawn.group])
    if prepared.table.exogenous:  # their moments are part of the model
        return with_sample(prepared, drawn)
    return replace(prepared, sample=drawn)


def _estimate(
    fit: MLFit, again: Prepared, root: np.ndarray | None, *, plain: bool
) -> np.ndarray | None:
    """Estimates of one bootstrap sample, None where there is no maximum.

    root : (D, k) of the covariance of the estimates, the unit in which the likelihood is round.
    """
    try:
        density = likelihood_density(again.structure, again.space, again.sample)
        if plain and root is not None:
            x = climb(density, fit.x, root)
            if x is not None:
                return x
        spread = np.sqrt(np.diag(fit.covariance))
        known = dict(zip(fit.prepared.table.parameters, spread, strict=True))
        found, _ = find_maximum(again, density, start=fit.x, known=known)
    except (BayessemError, np.linalg.LinAlgError):
        return None
    return found.x if found.converged else None
