"""LOO-PIT: where each answer falls in the predictive distribution made without its respondent.

For each indicator the marginal predictive distribution, given the respondent's covariates and group
but none of his or her other answers: PIT_ij = sum_s w_is P(y_j <= y_ij | x_i, theta_s), with the
weights of PSIS-LOO. Uniform where the model predicts the indicator's distribution well.
Linear models exactly; with products the latent variables are simulated once a draw. Answers in
ordered categories have an interval in the place of a point (answer_pit.py).

Gelman, Meng & Stern (1996); bands of Saeilynoja, Buerkner & Vehtari (2022,
doi:10.1007/s11222-022-10090-6).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr, stdtr

from bayessem.arguments import check_shared
from bayessem.comparison.answer_pit import Steps, chances_below
from bayessem.comparison.criterion import frame_of, stored_values
from bayessem.comparison.loo import loo_weights
from bayessem.model.design import refuse_design
from bayessem.model.level_data import refuse_levels
from bayessem.model.prepare import Prepared
from bayessem.model.structure import latent_values
from bayessem.model.thresholds import WITHOUT_PIT, refuse_answers
from bayessem.posterior.smoothing import good_k
from bayessem.results.fitted import Fitted
from bayessem.results.intervention import normal_root
from bayessem.results.tails import degrees_of_freedom
from bayessem.text.columns import column
from bayessem.text.described import Described
from bayessem.text.document import Column, Document, Notes, Paragraph, Table
from bayessem.text.formats import COUNT, SHORT, WORD
from bayessem.text.numbers import number

SIMULATIONS = 2000


@dataclass(frozen=True, repr=False)
class LooPit(Described):
    """Calibration of the predictions of each indicator; `print` it.

    Attributes
    ----------
    table : DataFrame
        By indicator: n; mean and sd of its PIT values (.5 and .289 when calibrated); largest, the
        largest distance of their distribution from the uniform; outside, whether it leaves the
        band; verdict, in words.
    pointwise : DataFrame
        PIT of each respondent and indicator, of ordered ones a random point of its interval; nan
        where an answer is missing.
    curves : dict
        By indicator: DataFrame with x, difference (empirical distribution less uniform), lower,
        upper (the band).
    ci_prob : float
        Probability with which a calibrated indicator stays inside its band everywhere.
    notes : tuple of str
        What was predicted from what.
    """

    table: pd.DataFrame
    pointwise: pd.DataFrame
    curves: dict[str, pd.DataFrame]
    ci_prob: float
    notes: tuple[str, ...]

    def document(self) -> Document:
        """Which indicators are predicted well, and what is wrong with the others."""
        table = self.table
        wrong = table.index[table["outside"]]
        but = f"; not those of {', '.join(wrong)}." if len(wrong) else "."
        text = (
            f"LOO-PIT of {len(table)} indicators: the predictions of {len(table) - len(wrong)} are "
            f"calibrated{but}"
        )
        indicators = Table(
            (
                Column("", list(table.index)),
                column(table, "n", how=COUNT),
                *(column(table, name, how=SHORT) for name in ("mean", "sd", "largest")),
                column(table, "verdict", "", WORD),
            )
        )
        return Document.of(Paragraph(text), indicators, Notes(self.notes))


@check_shared
def loo_pit(fit: Fitted, *, ci_prob: float = 0.99, random_seed: int | None = None) -> LooPit:
    """LOO-PIT of the modelled indicators.

    Arguments, result and errors: `Fit.loo_pit`.
    """
    refuse_answers(fit.prepared.table, "LOO-PIT", WITHOUT_PIT, tails=False, ordered=False)
    refuse_levels(fit.prepared.table, "LOO-PIT")
    refuse_design(fit.prepared.sample.design, "LOO-PIT")
    prepared = fit.prepared
    seed = fit.settings["random_seed"] if random_seed is None else random_seed
    rng = np.random.default_rng(seed)
    _, log_weights, k = loo_weights(fit)
    weights = np.exp(log_weights)
    elements = fit.density.elements(stored_values(fit))
    elements = elements.reshape(-1, elements.shape[-1])
    ordered = _steps(prepared, elements, weights, rng)
    values = _of_numbers(prepared, elements, weights, rng)
    for name, (who, steps) in ordered.items():
        column = prepared.sample.variables.index(name)
        values[:, column] = np.nan
        values[who, column] = steps.randomised(rng)
    names = [n for n in prepared.sample.variables if n not in prepared.table.exogenous]
    columns = [prepared.sample.variables.index(name) for name in names]
    pits = np.clip(values[:, columns], 0.0, 1.0)
    point = frame_of(fit, **dict(zip(names, pits.T, strict=True)))[names]
    curves = _curves(point[[n for n in names if n not in ordered]], ci_prob, rng)
    curves |= {name: steps.curve(ci_prob, rng) for name, (_, steps) in ordered.items()}
    curves = {name: curves[name] for name in names}
    rows = []
    for name in names:
        known = point[name].dropna()
        mean, sd = float(known.mean()), float(known.std(ddof=0))
        if name in ordered:
            mean, sd = ordered[name][1].moments()
        rows.append(_judge(len(known), mean, sd, curves[name]))
    table = pd.DataFrame(rows, index=names)
    notes = _notes(prepared, k, good_k(weights.shape[1]), ci_prob)
    return LooPit(table, point, curves, ci_prob, notes)


def _of_numbers(
    prepared: Prepared, elements: np.ndarray, weights: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """PIT (respondent, p) of normal indicators; what stands at others means nothing."""
    values = np.full(prepared.sample.values.shape, np.nan)
    modelled = {*prepared.table.exogenous, *prepared.table.ordered}
    if set(prepared.sample.variables) <= modelled:
        return values
    for pattern in _covariate_patterns(prepared):
        cdf = _simulated_cdf if prepared.structure.products else _linear_cdf
        total = np.zeros((len(pattern.members), values.shape[1]))
        for s, chance in enumerate(cdf(prepared, elements, pattern, rng)):
            total += weights[pattern.members, s, None] * chance
        values[pattern.members] = total
    values[np.isnan(prepared.sample.values)] = np.nan
    return values


def _steps(
    prepared: Prepared, elements: np.ndarray, weights: np.ndarray, rng: np.random.Generator
) -> dict[str, tuple[np.ndarray, Steps]]:
    """Of each ordered variable the respondents who answered, and their predictions."""
    sample, table = prepared.sample, prepared.table
    counts = table.responses.thresholds
    below = {name: np.zeros((sample.size, counts[name])) for name in table.ordered}
    for pattern in _covariate_patterns(prepared) if table.ordered else ():
        chances = chances_below(
            prepared, elements, pattern.group, pattern.members, pattern.known.tolist(), rng
        )
        for s, one in enumerate(chances):
            for name, chance in one.items():
                below[name][pattern.members] += weights[pattern.members, s, None] * chance
    out = {}
    for name, inner in below.items():
        codes = sample.values[:, sample.variables.index(name)]
        who = np.flatnonzero(~np.isnan(codes))
        zero = np.zeros((len(who), 1))
        whole = np.concatenate([zero, inner[who], zero + 1.0], axis=1)
        out[name] = (who, Steps(np.minimum(whole, 1.0), codes[who].astype(np.int64)))
    return out


@dataclass(frozen=True)
class _Pattern:
    """Respondents of a group of whom the same covariates are known."""

    group: int
    members: np.ndarray  # respondents
    known: np.ndarray  # covariates, as positions among the sample's variables


def _covariate_patterns(prepared: Prepared) -> Iterator[_Pattern]:
    """The respondents by group and by which covariates are known."""
    sample = prepared.sample
    columns = np.array(
        [sample.variables.index(name) for name in prepared.table.exogenous], dtype=np.int64
    )
    there = ~np.isnan(sample.values[:, columns])
    for g in range(len(sample.groups)):
        inside = np.flatnonzero(sample.group == g)
        for mask in np.unique(there[inside], axis=0):
            same = (there[inside] == mask).all(axis=1)
            yield _Pattern(g, inside[same], columns[mask])


def _linear_cdf(
    prepared: Prepared, elements: np.ndarray, pattern: _Pattern, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """P(y_j <= y_ij | x_i) for each draw in turn, (respondent, p), exactly."""
    y, known = prepared.sample.values[pattern.members], pattern.known
    for draw in elements:
        m = prepared.structure.matrices(draw, pattern.group)
        total = np.linalg.inv(np.eye(len(m["paths"])) - m["paths"])
        design = m["loadings"] @ total
        covariance = design @ m["disturbances"] @ design.T + m["residuals"]
        mean = m["intercepts"] + design @ m["means"]
        slopes = np.linalg.solve(covariance[np.ix_(known, known)], covariance[known])
        centre = mean + (y[:, known] - mean[known]) @ slopes
        variance = np.diag(covariance) - np.sum(slopes * covariance[known], axis=0)
        gap = (y - centre) / np.sqrt(np.maximum(variance, 1e-300))
        if prepared.table.heavy_tailed:
            nu = float(degrees_of_freedom(prepared.structure, draw))
            yield stdtr(nu, gap * np.sqrt(nu / (nu - 2.0)))
        else:
            yield ndtr(gap)


def _simulated_cdf(
    prepared: Prepared, elements: np.ndarray, pattern: _Pattern, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """P(y_j <= y_ij | eta_i) for each draw, with latent variables drawn given x_i."""
    structure = prepared.structure
    y, known = prepared.sample.values[pattern.members], pattern.known
    names = [prepared.sample.variables[j] for j in known]
    given = [structure.variables.index(name) for name in names]
    free = [j for j in range(len(structure.variables)) if j not in given]
    for draw in elements:
        m = structure.matrices(draw, pattern.group)
        zeta = np.zeros((len(y), len(structure.variables)))
        zeta[:, given] = y[:, known] - m["means"][given]
        psi = m["disturbances"]
        slopes = np.linalg.solve(psi[np.ix_(given, given)], psi[np.ix_(given, free)])
        rest = psi[np.ix_(free, free)] - psi[np.ix_(free, given)] @ slopes
        noise = rng.standard_normal((len(y), len(free)))
        zeta[:, free] = zeta[:, given] @ slopes + noise @ normal_root(rest).T
        eta = latent_values(structure, m, m["means"] + zeta)
        gap = y - m["intercepts"] - eta @ m["loadings"].T
        sd = np.sqrt(np.diag(m["residuals"]))
        noisy = sd > 0
        yield np.where(noisy, ndtr(gap / np.where(noisy, sd, 1.0)), (gap >= 0).astype(float))


def _curves(
    point: pd.DataFrame, ci_prob: float, rng: np.random.Generator
) -> dict[str, pd.DataFrame]:
    """Empirical distribution less uniform, with the simultaneous band, by indicator."""
    from arviz_stats.ecdf_utils import ecdf_pit

    out, bands = {}, {}
    for name in point:
        values = np.sort(point[name].dropna().to_numpy())
        n = len(values)
        if n not in bands:  # simulated, and the same for all indicators of so many respondents
            x, _, lower, upper = ecdf_pit(values, ci_prob, SIMULATIONS, rng=rng)
            bands[n] = x, lower - x, upper - x
        x, lower, upper = bands[n]
        difference = np.searchsorted(values, x, side="right") / n - x
        out[name] = pd.DataFrame({"x": x, "difference": difference, "lower": lower, "upper": upper})
    return out


def _judge(n: int, mean: float, sd: float, curve: pd.DataFrame) -> dict[str, object]:
    """A row of the table."""
    outside = bool(
        ((curve["difference"] < curve["lower"]) | (curve["difference"] > curve["upper"])).any()
    )
    return {
        "n": n,
        "mean": mean,
        "sd": sd,
        "largest": float(curve["difference"].abs().max()),
        "outside": outside,
        "verdict": _verdict(mean, sd, n) if outside else "calibrated",
    }


def _verdict(mean: float, sd: float, n: int) -> str:
    """What is wrong with predictions whose PIT values leave the band."""
    uniform = 1.0 / np.sqrt(12.0)
    shift = (mean - 0.5) / (uniform / np.sqrt(n))
    if abs(shift) > 3:
        return "predicted too low" if shift > 0 else "predicted too high"
    width = (sd - uniform) / (uniform * np.sqrt(0.2 / n))  # var of the sd: kurtosis 1.8
    if abs(width) > 3:
        return "predictions too narrow" if width > 0 else "predictions too wide"
    return "another shape than predicted"


def _notes(prepared: Prepared, k: np.ndarray, limit: float, ci_prob: float) -> tuple[str, ...]:
    given = prepared.table.exogenous
    of = f"given {', '.join(given)} and " if given else "given "
    notes = [
        f"Marginal predictive distributions of each indicator, {of}none of the respondent's other "
        f"answers; bands of {100 * ci_prob:g} % for each indicator's whole distribution."
    ]
    if prepared.table.ordered:
        notes.append(
            "An answer in a category has an interval of PIT values, whose mean over the "
            "respondents is judged (Czado, Gneiting & Held 2009)."
        )
    bad = int((k > limit).sum())
    if bad:
        notes.append(
            f"{bad} respondents have a Pareto k above {number(limit, 2)}: their PIT values are "
            "rough."
        )
    return tuple(notes)
