"""Counts, durations, shares and other numbers beside those that a model draws.

How often each count occurs in the data and in data drawn from the model (a rootogram, whose bars
are square roots of frequencies); the share of durations that exceed each time, from the data
without a model (Kaplan & Meier's estimate, with intervals Turnbull's) and from the model; the share
of shares, tobit outcomes or numbers with heavy tails that are at most so large, limits included.

Kleiber, C., & Zeileis, A. (2016). Visualizing count data regressions using rootograms. American
Statistician, 70, 296-303. doi:10.1080/00031305.2016.1173590
Kaplan, E. L., & Meier, P. (1958). Journal of the American Statistical Association, 53, 457-481.
Turnbull, B. W. (1976). Journal of the Royal Statistical Society B, 38, 290-295.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayessem.arguments import check_shared, whole_number
from bayessem.criticism.replicate import replicate, spaced_draws, with_predictors
from bayessem.errors import FitError, ModelError
from bayessem.likelihood.families import FAMILIES
from bayessem.model.companions import Beside
from bayessem.results.estimates import tail_probability
from bayessem.results.fitted import Fitted
from bayessem.syntax.responses import Responses
from bayessem.text.columns import column, intervals, labels
from bayessem.text.described import Described
from bayessem.text.document import Document, Heading, Notes, Paragraph, Table
from bayessem.text.formats import COUNT, INTERVAL, NUMBER, TENTHS, interval, percent_text

# Counts that have a row of their own, at most; those above are one.
LARGEST = 30
# Times at which survival is compared.
TIMES = 40
# Passes of Turnbull's self-consistency, at most, and when it stands still.
PASSES, STILL = 5000, 1e-8
# Values at which distributions are compared.
QUANTILES = 20
# Rows that print.
SHOWN = 15


@dataclass(frozen=True, eq=False, repr=False)
class ResponseCheck(Described):
    """A response of the data beside the model's; `print` it, `.plot()` shows it.

    Attributes
    ----------
    y : str
        The response.
    check : str
        "counts", "survival" or "distribution".
    table : DataFrame
        For "counts" a row a count: count, (group,) observed (how many respondents), mean, lower,
        upper of replicated data, surprising. For "survival" a row a time: time, (group,) observed
        (share of durations that exceed it, without a model), mean, lower, upper of the model's
        survival curve, whose interval is that of the parameters; respondents known to be waiting
        at that time (at_risk). For "distribution" a row a value: value, (group,) observed (share of
        respondents at or below it), mean, lower, upper of replicated data, surprising.
    ci_prob : float
        Probability of the equal-tailed intervals.
    """

    y: str
    check: str
    table: pd.DataFrame
    ci_prob: float

    def document(self) -> Document:
        """How far data and model are apart, and the table."""
        percent = percent_text(self.ci_prob)
        first = {"counts": "count", "survival": "time", "distribution": "value"}[self.check]
        # frequencies are whole numbers in the data, averages over draws in the model
        counts = self.check == "counts"
        known, drawn, ends = (COUNT, TENTHS, interval(1)) if counts else (NUMBER, NUMBER, INTERVAL)
        shown = self.table
        if self.check == "survival" and len(shown) > SHOWN:
            at = np.linspace(0, len(shown) - 1, SHOWN).round().astype(int)
            shown = shown.iloc[at]
        columns = [
            *(labels(shown, [first]) if first == "count" else [column(shown, first)]),
            *labels(shown, ["group"] if "group" in shown else []),
            column(shown, "observed", "data", known),
            column(shown, "mean", "model", drawn),
            intervals(shown, percent, ends),
        ]
        title = {
            "counts": f"How often each count of {self.y} occurs",
            "survival": f"Share of {self.y} that exceeds a time",
            "distribution": f"Share of respondents whose {self.y} is at most a value",
        }[self.check]
        return Document.of(
            Heading(f"Posterior predictive check: {self.y}"),
            Paragraph(self._sentence()),
            Table(tuple(columns), title),
            Notes(self._notes()),
        )

    def _sentence(self) -> str:
        if self.check != "survival":
            out = int(self.table["surprising"].sum())
            what = "frequencies" if self.check == "counts" else "shares"
            return (
                f"{out} of {len(self.table)} {what} lie outside the "
                f"{percent_text(self.ci_prob)} of data drawn from the model."
            )
        gap = (self.table["observed"] - self.table["mean"]).abs()
        worst = self.table.loc[gap.idxmax()]
        return (
            f"Data and model differ most at {worst['time']:.3g}, where {worst['observed']:.3f} of "
            f"the durations of the data and {worst['mean']:.3f} of the model's are longer."
        )

    def _notes(self) -> tuple[str, ...]:
        if self.check == "distribution":
            return (
                "Replicated data have the covariates of the data, and its limits; the values are "
                "quantiles of the data, and limits.",
            )
        if self.check == "counts":
            return ("Replicated data have the exposures and covariates of the data.",)
        return (
            "The data's share is Kaplan and Meier's estimate (of intervals Turnbull's), "
            "which takes censoring to be independent of the duration. The model's is averaged over "
            "respondents; its interval is that of the parameters, without sampling error.",
        )


@check_shared
def response_check(
    fit: Fitted, y: str, *, draws: int = 400, ci_prob: float = 0.95, random_seed: int = 0
) -> ResponseCheck:
    """A response of the data beside the model's.

    Arguments, result and errors: `Fit.response_check`.
    """
    check = _check_of(fit.prepared.table.responses, y)
    elements = spaced_draws(fit.elements, whole_number("draws", draws, FitError))
    rng = np.random.default_rng(whole_number("random_seed", random_seed, FitError, least=0))
    make = {"counts": _counts, "survival": _survival, "distribution": _distribution}[check]
    return ResponseCheck(y, check, make(fit, y, elements, tail_probability(ci_prob), rng), ci_prob)


def _check_of(responses: Responses, y: str) -> str:
    """Which check suits a response.

    Raises
    ------
    ModelError
        Where none does.
    """
    others = responses.others
    if y not in others:
        raise ModelError(
            "response_check is about counts, durations, shares and other responses with families "
            f"of their own ({', '.join(others) or 'none'}), not {y!r}; "
            'fit.predictive_check("indicators") has the others'
        )
    reads = FAMILIES[others[y]].reads
    how = responses.censored.get(y)
    limits = isinstance(how, tuple) and not any(isinstance(x, str) for x in how)
    if reads == "limited" and not limits:
        raise ModelError(
            f"response_check has tobit outcomes with limits; which values of {y!r} are censored "
            "says a column, and replicated data have none: where the limits are the same for all, "
            f"censored={{{y!r}: (0, None)}}"
        )
    return {"count": "counts", "duration": "survival"}.get(reads, "distribution")


def _by_group(fit: Fitted, frames: list[pd.DataFrame]) -> pd.DataFrame:
    """The frames of the groups as one, with their names where there are several."""
    groups = fit.prepared.table.groups
    if len(groups) > 1:
        for name, frame in zip(groups, frames, strict=True):
            frame.insert(1, "group", name)
    return pd.concat(frames, ignore_index=True)


def _beside(
    name: str, at: np.ndarray, observed: np.ndarray, copies: np.ndarray, tail: float
) -> pd.DataFrame:
    """The data's numbers (place,) beside those of replicated data (draw, place)."""
    lower, upper = np.quantile(copies, [tail, 1.0 - tail], axis=0)
    return pd.DataFrame(
        {
            name: at,
            "observed": observed,
            "mean": copies.mean(axis=0),
            "lower": lower,
            "upper": upper,
            "surprising": (observed < lower) | (observed > upper),
        }
    )


def _counts(
    fit: Fitted, y: str, elements: np.ndarray, tail: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Frequencies of the counts in the data and in replicated data."""
    sample = fit.prepared.sample
    j = sample.variables.index(y)
    drawn = replicate(fit.prepared, elements, random_seed=rng)[:, :, j]
    frames = []
    for g in range(len(sample.groups)):
        own = (sample.group == g) & ~np.isnan(sample.values[:, j])
        values = sample.values[own, j].astype(np.int64)
        most = min(int(values.max(initial=0)), LARGEST)
        observed = np.bincount(np.minimum(values, most + 1), minlength=most + 2)
        copies = np.minimum(drawn[:, own], most + 1.0).astype(np.int64)
        counted = np.stack([np.bincount(c, minlength=most + 2) for c in copies])
        counts = np.array([*map(str, range(most + 1)), f"> {most}"])
        frames.append(_beside("count", counts, observed, counted, tail))
    return _by_group(fit, frames)


def _distribution(
    fit: Fitted, y: str, elements: np.ndarray, tail: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Shares of respondents at or below values, in the data and in replicated data."""
    sample = fit.prepared.sample
    j = sample.variables.index(y)
    drawn = replicate(fit.prepared, elements, random_seed=rng)[:, :, j]
    frames = []
    for g in range(len(sample.groups)):
        own = (sample.group == g) & ~np.isnan(sample.values[:, j])
        values = sample.values[own, j]
        at = np.unique(np.quantile(values, np.linspace(0.0, 0.95, QUANTILES)))
        observed = (values[:, None] <= at).mean(axis=0)
        copies = (drawn[:, own, None] <= at).mean(axis=1)
        frames.append(_beside("value", at, observed, copies, tail))
    return _by_group(fit, frames)


def _survival(
    fit: Fitted, y: str, elements: np.ndarray, tail: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Survival curves of the data and of the model."""
    prepared = fit.prepared
    sample, family = prepared.sample, FAMILIES[prepared.table.responses.others[y]]
    assert family.survival is not None
    j = sample.variables.index(y)
    frames = []
    for g in range(len(sample.groups)):
        members = np.flatnonzero((sample.group == g) & ~np.isnan(sample.values[:, j]))
        ends = np.exp(sample.beside[y].kept(members).columns)
        finite = ends[np.isfinite(ends) & (ends > 0)]
        times = np.linspace(0.0, finite.max(), TIMES + 1)[1:]
        curves = np.empty((len(elements), len(times)))
        for d in range(len(elements)):
            part = elements[d : d + 1]
            eta, numbers = with_predictors(prepared, part, g, members, rng)
            at = family.survival(times, eta[0, :, j, None], float(numbers[y][0][0]))
            curves[d] = at.mean(axis=0)
        lower, upper = np.quantile(curves, [tail, 1.0 - tail], axis=0)
        frames.append(
            pd.DataFrame(
                {
                    "time": times,
                    "observed": survival_curve(sample.beside[y].kept(members), times),
                    "mean": curves.mean(axis=0),
                    "lower": lower,
                    "upper": upper,
                    "at_risk": (ends[:, 0] >= times[:, None]).sum(axis=1),
                }
            )
        )
    return _by_group(fit, frames)


def survival_curve(beside: Beside, times: np.ndarray) -> np.ndarray:
    """Share of durations that exceed times, by maximum likelihood without a model.

    Turnbull's self-consistent estimate; where values are observed or right-censored it is Kaplan
    and Meier's. An interval's mass lies at its upper end.

    Parameters
    ----------
    beside : Beside
        Logs of the ends of the intervals.
    times : ndarray (time,)
        When.
    """
    lower, upper = np.exp(beside.columns).T
    exact = lower == upper
    points = np.append(np.unique(upper[np.isfinite(upper)]), np.inf)
    inside = (points > lower[:, None]) & (points <= upper[:, None])
    inside |= exact[:, None] & (points == upper[:, None])
    mass = np.full(len(points), 1.0 / len(points))
    for _ in range(PASSES):
        share = inside * mass
        new = (share / share.sum(axis=1, keepdims=True)).mean(axis=0)
        moved = np.abs(new - mass).max()
        mass = new
        if moved < STILL:
            break
    return 1.0 - np.array([mass[points <= t].sum() for t in times])
