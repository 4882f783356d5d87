"""Response surface analysis: how y depends on x and z together, and whether their agreement counts.

Edwards & Parry (1993, doi:10.5465/256822); the conditions of a congruence effect are those of
Humberg, Nestler & Back (2019, doi:10.1177/1948550618757600).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.arguments import check_shared
from bayessem.effects.effects import POINTS, chosen_groups, sd_text
from bayessem.effects.path_effects import pooled_scale
from bayessem.effects.pathways import position
from bayessem.errors import ModelError, NotSupported
from bayessem.results.fitted import Fitted
from bayessem.results.scores import score_draws
from bayessem.shapes.common_metric import Metric, common_metric, differs_by_group
from bayessem.shapes.congruence import Regions, conditions
from bayessem.shapes.response_surface_result import QUANTITIES, ResponseSurface
from bayessem.shapes.surface import COEFFICIENTS, Surface
from bayessem.shapes.surface_coefficients import (
    direct_surface,
    has_surface,
    surface_moderators,
    total_surface,
)
from bayessem.shapes.surface_tables import label, surface_tables
from bayessem.text.numbers import number

# X and Z agree when they are at most this many common SDs apart (Shanock et al. 2010).
AGREE = 0.5
# Draws of factor scores behind a respondent's point in the figure.
SCORE_DRAWS = 25


@dataclass(frozen=True)
class _Part:
    """The surface of one group at one value of the moderator."""

    group: str
    at: str
    surface: Surface
    absent: frozenset[str]


@check_shared
def response_surface(
    fit: Fitted,
    x: str,
    z: str,
    y: str,
    *,
    metric: str | None = None,
    center: float | None = None,
    effect: str | None = None,
    hypothesis: str | None = None,
    rope: float = 0.1,
    rope_ridge: float = 0.25,
    moderator: str | None = None,
    at: Sequence[float] | None = None,
    group: str | Sequence[str] | None = None,
    scores: bool = True,
    ci_prob: float = 0.95,
    random_seed: int = 0,
) -> ResponseSurface:
    """Describe the surface of y over x and z, and judge whether their congruence counts.

    Arguments, result and errors: `Fit.response_surface`.
    """
    if fit.prepared.table.levels > 1:
        raise NotSupported(
            "a response surface has squares and products, which two-level models do not have; "
            "compute them in the data from observed variables (x2 = x**2, xz = x*z), name the "
            "columns in the model, and read their paths in the summary; lines across levels are "
            "fit.what_if(x, y, at=...)"
        )
    structure = fit.prepared.structure
    i, k, j = (position(structure, name) for name in (x, z, y))
    if len({i, k, j}) < 3:
        raise ModelError(f"x, z and y are three different variables, not {x}, {z} and {y}")
    kind = _chosen_effect(fit, i, k, j, effect)
    regions = _regions(rope, rope_ridge)
    if hypothesis not in (None, "highest", "lowest"):
        raise ModelError(f'hypothesis is "highest" or "lowest", not {hypothesis!r}')
    own = surface_moderators(structure, fit.elements, i, k, j, effect=kind)
    w = _moderator(fit, own, moderator, at, (x, z, y))
    used = common_metric(fit, i, k, j, metric=metric, center=center)
    groups = structure.table.groups
    picked = chosen_groups(groups, group)
    parts = [part for g in picked for part in _surfaces(fit, (i, k, j), kind, used, w, at, g)]
    drawn = np.stack([_quantities(p.surface, used) for p in parts], axis=-2)
    highest = _highest(drawn) if hypothesis is None else hypothesis == "highest"
    judged = [conditions(p.surface, highest, regions, used.common_sd, used.sds[2]) for p in parts]
    keys = [{"group": p.group, "at": p.at} for p in parts]
    points = _respondents(fit, (i, k, j), used, picked, random_seed) if scores else None
    return ResponseSurface(
        x=x,
        z=z,
        y=y,
        effect=kind,
        metric=used.name,
        hypothesis="highest" if highest else "lowest",
        rope=rope,
        rope_ridge=rope_ridge,
        **surface_tables(drawn, keys, [p.surface for p in parts], judged, used, ci_prob),
        scores=points if points is not None else pd.DataFrame(columns=["group", x, z]),
        draws=xr.DataArray(
            drawn,
            dims=("chain", "draw", "surface", "quantity"),
            coords={
                "surface": [label(key) or "all" for key in keys],
                "quantity": list(QUANTITIES),
            },
            name="response surface",
        ),
        centers=(float(used.centers[0].mean()), float(used.centers[1].mean())),
        spread=tuple(float(s.mean()) for s in (*used.means, *used.sds)),
        ci_prob=ci_prob,
        notes=_notes(fit, (x, z, y), kind, used, parts, own, w, drawn, points),
    )


def _regions(rope: float, rope_ridge: float) -> Regions:
    for name, value in (("rope", rope), ("rope_ridge", rope_ridge)):
        if not (np.isfinite(value) and value > 0):
            raise ModelError(f"{name} is a positive number, not {value!r}")
    return Regions(float(rope), float(rope_ridge))


def _chosen_effect(fit: Fitted, x: int, z: int, y: int, effect: str | None) -> str:
    if effect not in (None, "direct", "total"):
        raise ModelError(f'effect is "direct" or "total", not {effect!r}')
    own = has_surface(fit.prepared.structure, fit.elements, x, z, y)
    return effect or ("direct" if own else "total")


def _moderator(
    fit: Fitted,
    own: Sequence[int],
    given: str | None,
    at: Sequence[float] | None,
    names: tuple[str, str, str],
) -> int | None:
    """Position of the moderator that is set."""
    x, z, y = names
    listed = [fit.prepared.structure.variables[v] for v in own]
    if given is None and not own:
        if at is not None:
            raise ModelError(f"at: nothing moderates the surface of {y} over {x} and {z}")
        return None
    if given is None and len(own) == 1:
        return own[0]
    if given not in listed:
        said = "more than one moderator" if given is None else f"{given!r} is not a moderator"
        raise ModelError(
            f"{said} of the surface of {y} over {x} and {z}: moderator is one of "
            f"{', '.join(listed) or 'none, as there is no product such as ' + x + ':' + z + ':w'}"
        )
    return position(fit.prepared.structure, given)


def _settings(fit: Fitted, w: int, at: Sequence[float] | None) -> list[tuple[str, np.ndarray]]:
    """Values (...) of the moderator, each with its name."""
    sample, name = fit.prepared.sample, fit.prepared.structure.variables[w]
    mean, spread = pooled_scale(fit, w)
    if at is None and name in sample.variables:
        column = sample.values[:, sample.variables.index(name)]
        found = np.unique(column[np.isfinite(column)])
        if len(found) == 2:  # a dummy: half a standard deviation of it is nobody
            return [(f"{name} = {number(v, 0 if v == round(v) else 3)}", np.full(mean.shape, v))
                    for v in found]  # fmt: skip
    points = [float(v) for v in (POINTS if at is None else at)]
    if not points or not np.isfinite(points).all():
        raise ModelError(f"at needs finite numbers, in standard deviations of {name}, not {at!r}")
    return [(f"{name} at {sd_text(v)}", mean + v * spread) for v in points]


def _surfaces(
    fit: Fitted,
    variables: tuple[int, int, int],
    kind: str,
    metric: Metric,
    w: int | None,
    at: Sequence[float] | None,
    group: int,
) -> list[_Part]:
    """The surfaces of a group in the metric, one for each value of the moderator."""
    structure = fit.prepared.structure
    label = structure.table.groups[group] if len(structure.table.groups) > 1 else ""
    settings = [("", None)] if w is None else _settings(fit, w, at)
    out = []
    for name, value in settings:
        chosen = {} if w is None or value is None else {w: value}
        of = direct_surface if kind == "direct" else total_surface
        found, absent = of(structure, fit.elements, *variables, at=chosen, group=group)
        out.append(_Part(label, name, found.rescaled(metric.centers, metric.scales), absent))
    return out


def _quantities(surface: Surface, metric: Metric) -> np.ndarray:
    """Draws of `QUANTITIES` stacked, (..., quantity)."""
    axes = surface.principal_axes()
    columns = (
        *surface.coefficients,
        *surface.lines(),
        *surface.stationary_point(),
        *axes.equations(),
        axes.first,
        axes.second,
        *axes.ridge(highest=True),
        *axes.ridge(highest=False),
    )
    return np.stack(np.broadcast_arrays(metric.means[0], *columns)[1:], axis=-1)


def _highest(drawn: np.ndarray) -> bool:
    """What the sign of a4 makes more probable, over all surfaces."""
    return bool((drawn[..., QUANTITIES.index("a4")] < 0).mean() >= 0.5)


def _respondents(
    fit: Fitted, variables: tuple[int, int, int], metric: Metric, picked: list[int], seed: int
) -> pd.DataFrame:
    """Values of x and z by respondent in the metric: data, or posterior means of scores."""
    structure, sample = fit.prepared.structure, fit.prepared.sample
    names = [structure.variables[v] for v in variables[:2]]
    if all(name in sample.variables for name in names):
        values = sample.values[:, [sample.variables.index(name) for name in names]]
    else:
        drawn = score_draws(fit, draws=SCORE_DRAWS, random_seed=seed).values
        values = drawn.mean(axis=0)[:, list(variables[:2])]
    columns = {
        name: (values[:, c] - metric.centers[c].mean()) / metric.scales[c].mean()
        for c, name in enumerate(names)
    }
    groups = structure.table.groups
    labels = np.array(groups if len(groups) > 1 else [""], dtype=object)[sample.group]
    frame = pd.DataFrame({"group": labels, **columns}, index=list(sample.rows))
    return frame[np.isin(sample.group, picked)]


def _notes(
    fit: Fitted,
    names: tuple[str, str, str],
    kind: str,
    metric: Metric,
    parts: list[_Part],
    own: Sequence[int],
    w: int | None,
    drawn: np.ndarray,
    points: pd.DataFrame | None,
) -> tuple[str, ...]:
    x, z, y = names
    structure = fit.prepared.structure
    notes = [metric.words]
    if kind == "total":
        notes.append(f"The surface is E[{y} | do({x}, {z})]: all paths from {x} and {z} together.")
    absent = frozenset.intersection(*(p.absent for p in parts))
    if absent:
        of = dict(zip(COEFFICIENTS[1:], (x, z, f"{x}:{x}", f"{x}:{z}", f"{z}:{z}"), strict=True))
        listed = ", ".join(f"{of[b]} ({b})" for b in sorted(absent))
        what = "" if kind == "direct" else ", directly or through others"
        notes.append(f"The model does not have {listed} for {y}{what}; taken as 0.")
    uneven = differs_by_group(fit, [position(structure, name) for name in names])
    if uneven:
        notes.append(
            f"The loadings of {' and '.join(uneven)} differ between the groups, so that their "
            'surfaces are not in one metric; set them equal (group_equal="loadings") to compare.'
        )
    others = [structure.variables[v] for v in own if v != w]
    if others:
        notes.append(f"The surface also depends on {' and '.join(others)}, held at the mean.")
    if points is not None and len(points):
        apart = (points[x] - points[z]).to_numpy() / float(metric.common_sd.mean())
        above, below = float(np.nanmean(apart > AGREE)), float(np.nanmean(apart < -AGREE))
        notes.append(
            f"{x} exceeds {z} by more than {AGREE:g} SD for {above:.0%} of the respondents, {z} "
            f"exceeds {x} for {below:.0%}, and {1 - above - below:.0%} agree to within "
            f"{AGREE:g} SD."
        )
    return tuple(notes)
