"""Nonparametric bootstrap of maximum likelihood: estimates of resampled respondents.

Efron & Tibshirani (1993), doi:10.1007/978-1-4899-4541-9; percentile intervals, which for indirect
effects need no symmetry.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import batched
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from bayessem.arguments import check_shared, seed, whole_number
from bayessem.errors import BayessemError, FitError, ModelError, NotSupported
from bayessem.execution import run
from bayessem.ml.constrained import climb, named_values, read_constraints
from bayessem.ml.estimate import MLFit, fit_ml, maximum_likelihood
from bayessem.ml.information import covariance_root
from bayessem.ml.levels import level_turn
from bayessem.ml.maximum import find_maximum
from bayessem.ml.ordered import Theta, climb_again, theta_maximum
from bayessem.ml.sample import with_sample
from bayessem.model.companions import kept_beside
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
from bayessem.threads import cores_here, one_blas_thread

if TYPE_CHECKING:
    import pandas as pd


# Samples that a worker elsewhere gets together, and into how many parts they are split at least.
TOGETHER, FEWEST = 25, 20
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


@dataclass(frozen=True)
class _Resampling:
    """What all bootstrap samples have in common.

    root : (D, k) with the covariance of the estimates as its product with itself, if there is one.
    plain : no constraints that climbing could not keep.  theta : maximum with ordered answers.
    """

    fit: MLFit
    root: np.ndarray | None
    plain: bool
    turns: tuple[Turn, ...]
    theta: Theta | None = None


@one_blas_thread()
def bootstrap(
    prepared: Prepared,
    n: int = 1000,
    *,
    cores: int | None = None,
    executor: Any = None,
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
    executor : optional
        Where samples are fitted (`bayessem.execution.run`); None: in threads of this process.
    random_seed : int or Generator, optional
        For the same samples again, wherever and on however many cores.
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
        ordered=False,
    )
    if made_from_moments(prepared.sample):
        raise NotSupported("a bootstrap needs the raw data, not a covariance matrix")
    shared = _what_is_shared(prepared)
    fit, table = shared.fit, shared.fit.prepared.table
    names = (*table.parameters, *(row.lhs for row in table.defined))
    rng = np.random.default_rng(random_seed)
    together = 1 if executor is None else min(TOGETHER, -(-n // FEWEST))
    # numbers of its own for each sample, however many go to a worker together
    parts = ([rng.spawn(1)[0] for _ in part] for part in batched(range(n), together))
    bar = Bar("bootstrap", n, stream or sys.stderr) if progress else None
    found: dict[int, list[np.ndarray | None]] = {}
    done, failed = 0, 0
    workers = run(_estimated, shared, parts, executor=executor, cores=cores_here(cores))
    with closing(workers) as estimates:
        for k, some in estimates:
            found[k] = some
            done += len(some)
            failed += sum(x is None for x in some)
            if bar is not None:
                bar.show(done, f", {failed} without a maximum" if failed else "")
    kept = [x for k in sorted(found) for x in found[k] if x is not None]
    if len(kept) < max(2, n // 10):
        raise FitError(f"only {len(kept)} of {n} bootstrap samples have a maximum")
    return Bootstrap(names, _with_definitions(table, fit.x), np.array(kept), n - len(kept))


def _what_is_shared(prepared: Prepared) -> _Resampling:
    """The maximum of the data, and what climbs of the samples need of it."""
    answered = bool(prepared.table.answered)
    if answered:
        fit = maximum_likelihood(prepared)
    else:
        fit = fit_ml(prepared, se="expected" if not prepared.structure.products else "observed")
    if not fit.converged:
        raise FitError(f"no bootstrap: {fit.problems[0]}")
    constraints = read_constraints(fit.prepared.table)
    plain = not (constraints.curved or constraints.at_least)
    if answered:
        theta = theta_maximum(prepared)
        if theta is None:
            raise FitError("no bootstrap: the estimates have no standard errors (sem.ml says why)")
        return _Resampling(fit, None, plain, _free_turns(fit), theta)
    density = likelihood_density(fit.prepared.structure, fit.prepared.space, fit.prepared.sample)
    root = None  # without standard errors samples are fitted as the data were
    if np.isfinite(fit.covariance).all():
        root = covariance_root(fit.covariance, level_turn(fit.prepared.structure, density, fit.x))
    return _Resampling(fit, root, plain, _free_turns(fit))


def _estimated(
    shared: _Resampling, generators: Sequence[np.random.Generator]
) -> list[np.ndarray | None]:
    """Estimates and definitions of bootstrap samples, None where there is no maximum."""
    fit, out = shared.fit, []
    for rng in generators:
        again = _resampled(fit.prepared, rng)
        if shared.theta is None:
            x = _estimate(fit, again, shared.root, plain=shared.plain)
        else:
            x = _of_answers(again, shared.theta, plain=shared.plain)
        if x is not None:
            x = _with_definitions(fit.prepared.table, oriented(x, fit, shared.turns))
        out.append(x)
    return out


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
        beside=kept_beside(sample.beside, chosen),
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


def _of_answers(again: Prepared, theta: Theta, *, plain: bool) -> np.ndarray | None:
    """The same of a model with ordered answers.

    A sample in which nobody gave an answer that others gave has its threshold at infinity: no
    maximum.
    """
    sample = again.sample
    for name, count in again.table.responses.thresholds.items():
        column = sample.values[:, sample.variables.index(name)]
        for g in range(len(sample.groups)):
            known = column[(sample.group == g) & ~np.isnan(column)]
            if len(np.unique(known)) < count + 1:
                return None
    try:
        return climb_again(again, theta, plain=plain)
    except (BayessemError, np.linalg.LinAlgError):
        return None
