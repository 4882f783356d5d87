"""What a design study looks for: parameters, effects and shapes as text, and when they are found.

A target is "RAD ~ AMC" (its interval leaves out 0, or a region of practical equivalence), a claim
such as "a*b > 0.05" or "-0.1 < y ~ x < 0.1" (its interval lies inside), or a shape, "inverted U:
AMC -> RAD": found by maximum likelihood when Lind and Mehlum's test (2010,
doi:10.1111/j.1468-0084.2009.00569.x) is significant, in a posterior when it is probable enough.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, cast

import numpy as np

from bayessem.arguments import real_number, shown
from bayessem.effects.effects import chosen_groups
from bayessem.effects.hypotheses import Quantities, in_group
from bayessem.effects.pathways import position
from bayessem.effects.statements import COMPARISON, is_number, number_of, read_hypotheses
from bayessem.errors import ModelError
from bayessem.model.prepare import Prepared
from bayessem.results.fitted import Fitted
from bayessem.results.latent_responses import reported
from bayessem.results.standardize import row_values
from bayessem.shapes.curve import direct_curve, range_of, total_curve
from bayessem.shapes.shape import chosen_effect

SHAPE = re.compile(r"(inverted U|U)\s*:\s*(.+?)\s*->\s*(.+?)\s*(?:\[(.+)\])?", re.IGNORECASE)
# An arrow, which is no comparison.
ARROW = re.compile("->|\u2192")
EXAMPLE = "'y ~ x', 'y ~ x > 0.1', 'x -> m -> y' or 'inverted U: x -> y'"


@dataclass(frozen=True)
class Target:
    """What is looked for.

    Attributes
    ----------
    name : str
        As it is shown.
    sides : tuple of str
        The quantity, or two of which the second is taken off; of a shape, x and y.
    regions : tuple of (float, float)
        In one of which its interval has to lie.
    shape : str
        "inverted U", "U", or "" for what has an interval.
    group : str
        Of a shape; "" for all groups, one by one.
    """

    name: str
    sides: tuple[str, ...]
    regions: tuple[tuple[float, float], ...] = ()
    shape: str = ""
    group: str = ""

    def found(self, lower: float, upper: float) -> int:
        """Position of the region that an interval lies in; -1 where it does in none."""
        for k, (low, high) in enumerate(self.regions):
            if low < lower and upper < high:
                return k
        return -1


@dataclass(frozen=True)
class Points:
    """Parameter values at which targets are evaluated; what `Fitted` is to posterior draws.

    prepared : the model;  elements : flat model matrices (1, point, elements).
    """

    prepared: Prepared
    elements: np.ndarray

    @cached_property
    def row_draws(self) -> np.ndarray:
        """Values of the rows of the table (1, point, row)."""
        structure = self.prepared.structure
        return row_values(structure, reported(structure, self.elements))


class Slopes(NamedTuple):
    """Slopes (chain, draw) of a curve at both ends of x."""

    low: np.ndarray
    high: np.ndarray


def read_targets(
    given: Mapping[str, str] | Sequence[str] | str, rope: object = None
) -> tuple[Target, ...]:
    """Targets of their texts, under names of their own where a mapping gives them.

    Parameters
    ----------
    given : mapping, sequence or str
        The texts.
    rope : float, (float, float) or None
        Region of practical equivalence of those that claim no region: r stands for (-r, r).

    Raises
    ------
    ModelError
        For what is no target.
    """
    outside = _outside(rope)
    if isinstance(given, Mapping):
        pairs = [(str(name), text) for name, text in given.items()]
    else:
        listed = [given] if isinstance(given, str) else given
        if not isinstance(listed, Sequence):
            raise ModelError(f"targets are texts such as {EXAMPLE}, not {shown(given)}")
        pairs = [("", text) for text in listed]
    if not pairs:
        raise ModelError(f"no target is given; write {EXAMPLE}")
    out = tuple(_target(name, text, outside) for name, text in pairs)
    names = [target.name for target in out]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ModelError(f"two targets are named {twice[0]!r}")
    return out


def _outside(rope: object) -> tuple[tuple[float, float], ...]:
    """The two regions beyond one of practical equivalence."""
    if rope is None:
        return ((-math.inf, 0.0), (0.0, math.inf))
    if isinstance(rope, Sequence) and not isinstance(rope, str) and len(rope) == 2:
        low, high = (real_number("rope", x, ModelError) for x in rope)
    else:
        high = real_number("rope", rope, ModelError)
        low = -high
    if not low < high:
        raise ModelError(f"rope is a number above 0 or two in ascending order, not {shown(rope)}")
    return ((-math.inf, low), (high, math.inf))


def _target(name: str, text: object, outside: tuple[tuple[float, float], ...]) -> Target:
    if not isinstance(text, str) or not text.strip():
        raise ModelError(f"a target is a text such as {EXAMPLE}, not {shown(text)}")
    line = " ".join(text.split())
    name = name or line
    if shape := SHAPE.fullmatch(line):
        kind = "U" if shape[1].upper() == "U" else "inverted U"
        return Target(name, (shape[2], shape[3]), shape=kind, group=shape[4] or "")
    if not COMPARISON.search(ARROW.sub(" ", line)):
        return Target(name, (line,), outside)
    (claim,) = read_hypotheses({name: line})
    if len(claim.comparisons) > 1:
        raise ModelError(f"target {name!r}: one claim at a time; give them as two targets")
    sides, signs = claim.comparisons[0].sides, claim.comparisons[0].signs
    estimated = [side for side in sides if not is_number(side)]
    if len(estimated) == 2 and len(sides) == 2:
        positive = signs[0] == ">"
        return Target(name, sides, ((0.0, math.inf) if positive else (-math.inf, 0.0),))
    if len(estimated) > 1:
        raise ModelError(f"target {name!r} compares more than two quantities")
    low, high = -math.inf, math.inf
    for left, sign, right in zip(sides, signs, sides[1:], strict=False):
        number = number_of(left if is_number(left) else right)
        if is_number(left) == (sign == "<"):
            low = max(low, number)
        else:
            high = min(high, number)
    if not low < high:
        raise ModelError(f"target {name!r}: no value lies above {low:g} and below {high:g}")
    return Target(name, (estimated[0],), ((low, high),))


def values_of(target: Target, fit: Fitted | Points) -> dict[str, np.ndarray | Slopes]:
    """A target's values (chain, draw) by label: its name, with the group where groups differ.

    Raises
    ------
    ModelError
        For what the model does not have.
    """
    fitted = cast(Fitted, fit)  # `Points` has all that is read
    if target.shape:
        return _slopes(target, fitted)
    where = f"target {target.name!r}"
    quantities = Quantities(fitted, False)
    sides = [quantities.find(side, where) for side in target.sides]
    named = {group for side in sides for group in side} - {""}
    out: dict[str, np.ndarray | Slopes] = {}
    for group in [g for g in quantities.groups if g in named] or [""]:
        values = [in_group(side, group) for side in sides]
        whole = values[0] if len(values) == 1 else values[0] - values[1]
        out[f"{target.name} [{group}]" if group else target.name] = whole
    return out


def _slopes(target: Target, fit: Fitted) -> dict[str, np.ndarray | Slopes]:
    structure = fit.prepared.structure
    x, y = (position(structure, name) for name in target.sides)
    kind = chosen_effect(structure, x, y, None, None)
    groups = structure.table.groups
    out: dict[str, np.ndarray | Slopes] = {}
    for g in chosen_groups(groups, target.group or None):
        curve: Any = (
            direct_curve(structure, fit.elements, x, y, group=g)
            if kind == "direct"
            else total_curve(structure, fit.elements, x, y, group=g)
        )
        if curve.cubic:
            raise ModelError(f"target {target.name!r}: the relation is a cubic, not a parabola")
        low, high, _ = range_of(fit, x, None, g)
        name = target.name
        if len(groups) > 1 and not target.group:
            name = f"{name} [{groups[g]}]"
        out[name] = Slopes(
            curve.linear + 2.0 * curve.square * low, curve.linear + 2.0 * curve.square * high
        )
    return out


def has_shape(target: Target, slopes: Slopes) -> np.ndarray:
    """Whether the curve has the shape, by draw."""
    sign = 1.0 if target.shape == "inverted U" else -1.0
    return (sign * slopes.low > 0) & (sign * slopes.high < 0)
