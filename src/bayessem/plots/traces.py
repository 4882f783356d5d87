"""Traces and ranks of draws by chain, to see whether the chains agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bayessem.errors import ModelError
from bayessem.plots.style import FAINT, TWO, colour, fit_labels, new_figure, path_name, styled
from bayessem.results.fitted import Fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 20


@styled
def plot_traces(fit: Fitted, parameters: str | Sequence[str]) -> Figure:
    """Draws in their order, and how their ranks spread over the chains, a row a parameter.

    Where the chains agree, each has as many draws of every rank; the band holds 99 % of the
    counts that independent draws would give. Vehtari, Gelman, Simpson, Carpenter & Buerkner (2021),
    doi:10.1214/20-BA1221.

    Parameters
    ----------
    fit : Fitted
        A sampled model.
    parameters : str or sequence of str
        Names as in `fit.summary()`, such as "RAD~AMC" or the label of a defined one.

    Raises
    ------
    ModelError
        For a name that is no parameter, listing some that are.
    """
    names = [parameters] if isinstance(parameters, str) else list(parameters)
    known = [str(n) for n in fit.parameters["parameter"].values]
    for name in names:
        if name not in known:
            listed = ", ".join(known[:15]) + (", ..." if len(known) > 15 else "")
            raise ModelError(f"{name!r} is no parameter of the model; parameters: {listed}")
    if not names:
        raise ModelError("parameters names none; give one or more, such as 'RAD~AMC'")
    figure = new_figure(width=TWO, height=0.45 + 0.95 * len(names))
    axes = figure.subplots(
        len(names), 2, sharex="col", squeeze=False, gridspec_kw={"width_ratios": (2, 1)}
    )
    for (trace, rank), name in zip(axes, names, strict=True):
        draws = fit.parameters.sel(parameter=name).values  # (chain, draw)
        for c, chain in enumerate(draws):
            trace.plot(chain, color=colour(c), linewidth=0.35, alpha=0.8, rasterized=True)
        trace.set_title(readable(name))
        fit_labels(trace, room=0.4)
        trace.margins(x=0)
        _ranks(rank, draws)
    axes[-1, 0].set_xlabel("Draw")
    axes[-1, 1].set_xlabel("Rank among all draws")
    return figure


def _ranks(ax: Axes, draws: np.ndarray) -> None:
    from arviz_stats.base import array_stats

    chains, length = draws.shape
    ranks = array_stats.compute_ranks(draws.ravel()).reshape(draws.shape)
    edges = np.linspace(0, chains * length, BINS + 1)
    expected = length / BINS
    spread = 2.58 * np.sqrt(expected * (1 - 1 / BINS) * (1 - 1 / chains))
    ax.axhspan(expected - spread, expected + spread, color=FAINT, linewidth=0, zorder=0)
    for c, chain in enumerate(ranks):
        counts, _ = np.histogram(chain, edges)
        ax.stairs(counts, edges, color=colour(c), linewidth=0.9, baseline=None)
    ax.set_ylim(0, max(2 * expected, ax.get_ylim()[1]))
    ax.set_xlim(0, chains * length)
    ax.set_ylabel("Draws")


def readable(name: str) -> str:
    """A parameter's name for people: `RAD~AMC[high]` as AMC, arrow, RAD [high]."""
    base, bracket, group = name.partition("[")
    end = f" [{group}" if bracket else ""
    if base.startswith("sd(") and base.endswith(")"):  # of a parameter over the groups
        return f"SD of {readable(base[3:-1])} over the groups{end}"
    if "|" in base:  # how a parameter moves with a predictor of the groups
        parameter, predictor = base.split("|", 1)
        return f"{readable(parameter)} by {predictor}{end}"
    if "<~" in base:
        composite, item = base.split("<~", 1)
        return path_name(f"{item} -> {composite}") + end
    if "=~" in base:
        construct, indicator = base.split("=~", 1)
        return path_name(f"{construct} -> {indicator}") + end
    if "~~" in base:
        one, other = base.split("~~", 1)
        both = f"{one} \N{LEFT RIGHT ARROW} {other}"
        return (f"variance of {one}" if one == other else both) + end
    if base.endswith("~1"):
        return f"intercept of {base.removesuffix('~1')}{end}"
    if "~" in base:
        outcome, predictor = base.split("~", 1)
        return path_name(f"{predictor} -> {outcome}") + end
    return name
