"""Figure of simulation-based calibration: distribution functions of ranks minus the uniform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from bayessem.calibration.sbc import Calibration
from bayessem.plots.style import COLOURS, FAINT, INK, QUIET, TWO, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def _panel(ax: Axes, title: str, calibration: Calibration) -> None:
    joint, single = calibration.joint_band(), calibration.band()
    for band, colour in ((joint, FAINT), (single, "#C9C9C9")):
        ax.fill_between(
            band.points,
            band.lower - band.points,
            band.upper - band.points,
            color=colour,
            linewidth=0,
            step=None,
        )
    shares = calibration.distributions(joint)
    inside = joint.inside(shares)
    for quantity, share, good in zip(calibration.quantities, shares, inside, strict=True):
        last = quantity == calibration.quantities[-1]
        ax.plot(
            joint.points,
            share - joint.points,
            color=COLOURS[1] if not good else INK if last else COLOURS[0],
            linewidth=1.2 if last or not good else 0.6,
            alpha=1.0 if last or not good else 0.6,
        )
    ax.axhline(0.0, color=QUIET, linewidth=0.5)
    ax.set_title(title)
    reach = 1.15 * float(np.max(np.abs([joint.lower - joint.points, joint.upper - joint.points])))
    ax.set_ylim(-max(reach, np.abs(shares - joint.points).max()), None)
    ax.set_ylim(None, -ax.get_ylim()[0])


@styled
def plot_calibration(results: Mapping[str, Calibration]) -> Figure:
    """Distribution of ranks minus the uniform one, a panel a model.

    Blue: a parameter each; black: the log-likelihood; vermilion: outside the joint band. Dark grey:
    band of one quantity, light grey: of all quantities of the panel together, 99 % each.
    """
    columns = min(4, len(results))
    rows = -(-len(results) // columns)
    figure = new_figure(width=TWO, height=1.75 * rows)
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for ax, (name, calibration) in zip(axes, results.items(), strict=False):
        _panel(ax, name.replace("_", " "), calibration)
    for ax in axes[len(results) :]:
        ax.set_visible(False)
    for ax in axes[::columns][:rows]:
        ax.set_ylabel("share of ranks\nless the uniform one")
    for k, ax in enumerate(axes[: len(results)]):
        if k + columns >= len(results):
            ax.set_xlabel("rank of the true value")
    return figure
