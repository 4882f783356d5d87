"""What the priors say about quantities that people have opinions on, before any data are seen.

Parameters are drawn from their joint prior, with signs, bounds and positive definiteness on, and
turned into standardised loadings, R2, correlations, effects and shapes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from textwrap import fill

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.criticism.headline import Drawn, Quantity, headline
from bayessem.criticism.prior_table import prior_table
from bayessem.errors import FitError
from bayessem.model.prepare import Prepared
from bayessem.posterior.assemble import posterior_density
from bayessem.posterior.prior_draws import prior_draws
from bayessem.results.estimates import tail_probability
from bayessem.text.numbers import number
from bayessem.text.tables import aligned

DRAWS = 2000
SHOWN = ("standardised loading", "standardised path", "correlation", "R2", "effect", "shape")
# A prior that puts more than half its mass where data never are deserves a word.
EXTREME, MOSTLY = 0.95, 0.5


@dataclass(frozen=True)
class PriorConsequences:
    """Implied priors of what people report; `print` it.

    Attributes
    ----------
    table : DataFrame
        A row a quantity: kind, quantity, group, median, lower, upper, p_positive, p_extreme (of
        |standardised| > .95, or R2 > .95; nan where that has no meaning). Of shapes the draws are
        probabilities, and median, lower and upper are nan and p_positive is the prior probability.
    draws : DataArray (draw, quantity)
        Of the quantities, in the order of the table.
    priors : DataFrame
        The priors as used: parameter, kind, prior, lower, upper.
    ci_prob : float
        Probability of the equal-tailed intervals.
    findings : tuple of str
        What deserves a second thought, in words; empty when nothing does.
    """

    table: pd.DataFrame
    draws: xr.DataArray
    priors: pd.DataFrame
    ci_prob: float
    findings: tuple[str, ...]

    def __str__(self) -> str:
        return _text(self)


def prior_consequences(
    prepared: Prepared, *, draws: int = DRAWS, ci_prob: float = 0.95, random_seed: int = 0
) -> PriorConsequences:
    """Draw from the prior and summarise what it implies.

    Arguments, result and errors: `SEM.prior_consequences`.
    """
    if draws < 100:
        raise FitError(f"draws has to be at least 100, not {draws}")
    density = posterior_density(prepared.space, prepared.structure, prepared.sample)
    values = prior_draws(
        prepared.space, prepared.structure, density, draws=draws, random_seed=random_seed
    )
    source = Drawn(prepared, density.elements(values)[None])
    found = [q for q in headline(source) if q.kind != "path"]
    tail = tail_probability(ci_prob)
    table = pd.DataFrame([_row(q, tail) for q in found])
    return PriorConsequences(
        table=table,
        draws=xr.DataArray(
            np.stack([q.values[0] for q in found], axis=-1),
            dims=("draw", "quantity"),
            coords={"quantity": [f"{q.kind}: {q.label}" for q in found]},
            name="prior_consequences",
        ),
        priors=prior_table(prepared),
        ci_prob=ci_prob,
        findings=tuple(_findings(found, prepared)),
    )


def _row(q: Quantity, tail: float) -> dict:
    flat = q.values[np.isfinite(q.values)]
    row = {"kind": q.kind, "quantity": q.name, "group": q.group}
    if q.kind == "probability" or not flat.size:
        p = float(flat.mean()) if flat.size else np.nan
        return {**row, "median": np.nan, "lower": np.nan, "upper": np.nan, "p_positive": p,
                "p_extreme": np.nan}  # fmt: skip
    median, lower, upper = np.quantile(flat, [0.5, tail, 1.0 - tail])
    scaled = q.kind in ("standardised loading", "correlation", "R2")
    return {
        **row,
        "median": float(median),
        "lower": float(lower),
        "upper": float(upper),
        "p_positive": float(np.mean(flat > 0)),
        "p_extreme": float(np.mean(np.abs(flat) > EXTREME)) if scaled else np.nan,
    }


def _findings(found: list[Quantity], prepared: Prepared) -> list[str]:
    """Implications that are hardly anybody's belief."""
    out = []
    shares = {q.label: q.values[np.isfinite(q.values)] for q in found if q.kind == "R2"}
    full = [name for name, v in shares.items() if np.mean(v > EXTREME) > MOSTLY]
    if full:
        out.append(
            f"The priors say that {' and '.join(full)} is most probably above {EXTREME:g}: almost "
            "nothing is left to chance. Narrower priors of the paths, or a wider one of the "
            "disturbance, would say something else."
        )
    none = [name for name, v in shares.items() if np.mean(v < 0.05) > MOSTLY]
    if none:
        out.append(
            f"The priors say that {' and '.join(none)} is most probably below .05: they expect "
            "no effects. Wider priors of the paths would leave more to the data."
        )
    loadings = [q for q in found if q.kind == "standardised loading"]
    perfect = _names(loadings, lambda v: bool(np.mean(np.abs(v) > EXTREME) > MOSTLY))
    if perfect:
        out.append(
            f"The priors expect nearly perfect indicators (standardised loadings beyond "
            f"{EXTREME:g} in most draws): {perfect}. Wider priors of the residual sds would help."
        )
    weak = _names(loadings, lambda v: bool(np.mean(np.abs(v) < 0.2) > MOSTLY))
    if weak:
        out.append(
            f"The priors expect indicators that hardly measure their construct (standardised "
            f"loadings below .2 in most draws): {weak}."
        )
    tied = _names(
        [q for q in found if q.kind == "correlation"],
        lambda v: bool(np.mean(np.abs(v) > EXTREME) > MOSTLY),
    )
    if tied:
        out.append(f"The priors expect correlations near 1 or -1: {tied}.")
    for q in found:
        if q.kind == "probability" and q.values.mean() > 0.9:
            out.append(
                f"The prior probability of {q.label} is already {q.values.mean():.2f}: the data "
                "can hardly add to it."
            )
    flat = [
        c.name
        for c in prepared.space.coordinates
        if c.prior.family in ("normal", "student_t", "cauchy")
        and c.kind in ("loading", "path")
        and _width(c.prior.named) > 1000.0
    ]
    if flat:
        out.append(
            f"Nearly flat priors ({', '.join(flat[:6])}{', ...' if len(flat) > 6 else ''}) are not "
            "neutral: in standardised terms they expect enormous effects."
        )
    return out


def _width(arguments: dict[str, float]) -> float:
    return arguments.get("sigma", arguments.get("beta", 0.0))


def _names(found: list[Quantity], condition: Callable[[np.ndarray], bool]) -> str:
    names = [q.label for q in found if condition(q.values[np.isfinite(q.values)])]
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")


TITLES = {
    "standardised loading": "Standardised loadings",
    "standardised path": "Standardised paths",
    "correlation": "Correlations",
    "R2": "R2",
    "effect": "Standardised indirect and total effects",
    "shape": "Slopes at the ends and turning points",
    "defined": "Defined parameters",
}


def _text(result: PriorConsequences) -> str:
    table = result.table
    percent = f"{100 * result.ci_prob:g} % interval"
    blocks = ["What the priors imply before the data"]
    blocks += [fill(finding, 100) for finding in result.findings] or [
        "Nothing implausible was found: R2, loadings and correlations are spread over their range."
    ]
    for kind, title in TITLES.items():
        part = table[table["kind"] == kind]
        if part.empty:
            continue
        body = [
            [
                r["quantity"] + (f" [{r['group']}]" if r["group"] else ""),
                number(r["median"], 2),
                f"[{number(r['lower'], 2)}, {number(r['upper'], 2)}]",
                number(r["p_positive"], 2),
            ]
            for r in part.head(12).to_dict("records")
        ]
        more = f"\n... and {len(part) - 12} more in .table" if len(part) > 12 else ""
        blocks.append(f"{title}\n" + aligned(["", "median", percent, "P(>0)"], body) + more)
    part = table[table["kind"] == "probability"]
    if len(part):
        body = [
            [r["quantity"] + (f" [{r['group']}]" if r["group"] else ""), number(r["p_positive"], 2)]
            for r in part.to_dict("records")
        ]
        blocks.append("Prior probability of shapes\n" + aligned(["", "P"], body))
    return "\n\n".join(blocks)
