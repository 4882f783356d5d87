"""Composites: what `C <~ x1 + x2 + x3` may say, and its rows.

A composite is a weighted sum of its items, without a disturbance. The items are saturated among
themselves, and everything else is related to them through the composite alone. The rules are those
of lavaan 0.7: the first weight is 1 (under `std_lv`, too, since the variance of a composite follows
from its weights), the (co)variances of the items are those of the sample.

Schamberger, T., Schuberth, F., Henseler, J. & Rosseel, Y. (2025). Factor- and composite-based
structural equation modeling. arXiv:2508.06112
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from bayessem.errors import ModelError, NotSupported
from bayessem.syntax.roles import Roles
from bayessem.syntax.rows import Row
from bayessem.syntax.statements import Statement


def check_composites(formulas: Sequence[Statement], roles: Roles) -> None:
    """Refuse what no composite can be.

    Raises
    ------
    ModelError, NotSupported
        Naming the composite or the item, and what would work.
    """
    first = {s.lhs: s for s in reversed(formulas) if s.op == "<~"}
    weights = {(s.lhs, s.rhs): s for s in reversed(formulas) if s.op == "<~"}
    counts = Counter(item for parts in roles.composites.values() for item in parts)
    for name, parts in roles.composites.items():
        where = first[name].where
        if name in parts:
            raise ModelError(f"{name!r} in {where} is a part of itself")
        if len(parts) < 2:
            raise ModelError(
                f"{name!r} in {where} is a composite of one item, which is that item; use "
                f"{parts[0]} itself, or give the composite more items"
            )
        if roles.indicators.get(name):
            raise ModelError(
                f"{name!r} is measured (=~) and a composite ({where}); it is one of the two: a "
                "cause of its items (=~) or a weighted sum of them (<~)"
            )
        constructs = [x for x in parts if x in roles.latent]
        if constructs and len(constructs) < len(parts):
            raise NotSupported(
                f"{name!r} in {where} has parts that are constructs ({', '.join(constructs)}) and "
                "parts that are observed; give it parts of one kind"
            )
        for part in parts:
            _check_part(part, weights[name, part], formulas, roles, counts[part])
        _check_related(name, where, formulas, roles)
    _check_moments(formulas, roles)


def _check_part(
    part: str, weight: Statement, formulas: Sequence[Statement], roles: Roles, count: int
) -> None:
    """Refuse parts that have another role, too."""
    if count > 1:
        raise ModelError(
            f"{part!r} in {weight.where} is a part of {count} composites; what is related to it "
            "through which of them cannot be told apart: leave it in one"
        )
    if part in roles.latent:
        if part in roles.outcomes or part in roles.measured:
            raise NotSupported(
                f"{part!r} in {weight.where} is explained by other variables; a composite of "
                "constructs needs parts that are not, since all of them covary"
            )
        return
    other = next(
        (
            s
            for s in formulas
            if s.op in ("=~", "~")
            and (part == s.rhs or part in s.factors or (s.op == "~" and part == s.lhs))
        ),
        None,
    )
    if other is not None:
        what = "an indicator" if other.op == "=~" else "a variable of a path"
        raise ModelError(
            f"{part!r} is a part of the composite {weight.lhs!r} ({weight.where}) and {what} in "
            f"{other.where}; everything is related to an item through its composite, so keep one "
            f"of the two (or write the path with {weight.lhs})"
        )


def _check_related(name: str, where: str, formulas: Sequence[Statement], roles: Roles) -> None:
    """Refuse a composite that nothing is related to: any weights would do."""
    if name in roles.of_constructs:
        if name in roles.outcomes or name in roles.measured:
            raise NotSupported(
                f"{name!r} in {where} is a composite of constructs and explained by other "
                "variables; let these explain the constructs, or measure it: "
                f"{name} =~ {' + '.join(roles.composites[name])}"
            )
        related = {*roles.predictors}
    else:
        related = {*roles.outcomes, *roles.predictors, *roles.measured}
        related |= {x for s in formulas if s.op == "~~" and s.lhs != s.rhs for x in (s.lhs, s.rhs)}
        if len(roles.exogenous_latent) > 1:
            related |= {*roles.exogenous_latent}
    if name not in related:
        raise ModelError(
            f"nothing is related to the composite {name!r} ({where}): its weights are those that "
            f"explain other variables best, so it needs some, as in 'y ~ {name}'"
        )


def _check_moments(formulas: Sequence[Statement], roles: Roles) -> None:
    """Refuse statements about moments that the weights and the sample determine."""
    owner = {item: c for c, items in roles.of_items.items() for item in items}
    for s in formulas:
        values = [v for m in s.modifiers if m.kind == "fixed" for v in m.values if v is not None]
        if s.op == "~~" and s.lhs == s.rhs in roles.composites and values:
            raise ModelError(
                f"{s.where} fixes the variance of a composite, which follows from its weights; "
                "leave the value out (the scale is that of the item whose weight is 1)"
            )
        if s.op == "~1" and s.lhs in roles.composites:
            raise ModelError(
                f"{s.where}: the mean of a composite follows from its weights and the means of its "
                "items; leave the statement out"
            )
        if s.op == "~~" and {s.lhs, s.rhs} & {*owner}:
            item = s.lhs if s.lhs in owner else s.rhs
            raise ModelError(
                f"{s.where}: {item!r} is an item of the composite {owner[item]!r}; the "
                "(co)variances of its items are those of the sample, and with all other variables "
                "they covary through it. Leave the statement out"
            )


def check_scale(rows: Sequence[Row], composites: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse a composite without a fixed weight: it would have no scale.

    Raises
    ------
    ModelError
        Naming the composite.
    """
    for name, parts in composites.items():
        own = [row for row in rows if row.op == "<~" and row.lhs == name]
        if not any(row.value for row in own):
            raise ModelError(
                f"the composite {name!r} has no scale: none of its weights is fixed to a number "
                f"other than 0; give one item the weight 1, as in {name} <~ 1*{parts[0]}"
            )
