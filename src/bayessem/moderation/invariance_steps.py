"""The steps of measurement invariance: which families of parameters are equal across groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bayessem.errors import ModelError

if TYPE_CHECKING:
    from bayessem.sem import SEM

STEPS: dict[str, tuple[str, ...]] = {
    "configural": (),
    "metric": ("loadings",),
    "scalar": ("loadings", "intercepts"),
    "strict": ("loadings", "intercepts", "residuals"),
}
# What each step restricts, by the step that it is compared with.
BEFORE = {
    "metric": "configural",
    "scalar": "metric",
    "strict": "scalar",
    "approximate metric": "configural",
    "approximate scalar": "approximate metric",
}


def with_equal(sem: SEM, equal: Sequence[str], free: Sequence[str]) -> SEM:
    """The model with families of parameters equal across groups, but for those that are `free`.

    Raises
    ------
    ModelError
        When the model says itself what is equal.
    """
    from bayessem.sem import SEM

    if sem.options["group_equal"]:
        raise ModelError("invariance sets group_equal itself; build the SEM without it")
    given = sem.options["group_partial"] or ()
    given = (given,) if isinstance(given, str) else tuple(given)
    options = {**sem.options, "group_equal": tuple(equal), "group_partial": (*given, *free)}
    lines = [sem.text]
    if "intercepts" in equal:
        lines += [f"{name} ~ 0*1" for name in higher_order(sem)]
    return SEM("\n".join(lines), **options)


def higher_order(sem: SEM) -> list[str]:
    """Constructs measured by constructs alone, whose means the text does not mention.

    With equal intercepts of the items the means of the first-order constructs are free in all
    groups but the first; the mean of a construct above them would be one too many (lavaan frees it
    all the same, and warns).
    """
    table = sem.table
    measured: dict[str, list[str]] = {}
    for r in table.rows:
        if r.op == "=~":
            measured.setdefault(r.lhs, []).append(r.rhs)
    said = {r.lhs for r in table.rows if r.op == "~1" and r.user}
    return [
        name
        for name, below in measured.items()
        if name not in said and all(b in table.latent for b in below)
    ]
