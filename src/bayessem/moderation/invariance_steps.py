"""The steps of measurement invariance: which families of parameters are equal across groups."""

from __future__ import annotations

from collections.abc import Sequence

from bayessem.errors import ModelError
from bayessem.syntax.specification import Specification

STEPS: dict[str, tuple[str, ...]] = {
    "configural": (),
    "metric": ("loadings",),
    "scalar": ("loadings", "intercepts"),
    "strict": ("loadings", "intercepts", "residuals"),
}
# Of ordered items thresholds are what intercepts are to others; with equal ones the residual
# variances of the latent responses are free in all groups but the first, and the constructs' means
# with them (Millsap & Yun-Tein 2004, doi:10.1207/S15327906MBR3903_4).
ORDERED_STEPS: dict[str, tuple[str, ...]] = {
    "configural": (),
    "metric": ("loadings",),
    "scalar": ("loadings", "thresholds", "intercepts"),
    "strict": ("loadings", "thresholds", "intercepts", "residuals"),
}
# What each step restricts, by the step that it is compared with.
BEFORE = {
    "metric": "configural",
    "scalar": "metric",
    "strict": "scalar",
    "approximate metric": "configural",
    "approximate scalar": "approximate metric",
}


def steps_of(sem: Specification) -> dict[str, tuple[str, ...]]:
    """The steps of a model, each with what is equal across groups."""
    return ORDERED_STEPS if sem.table.ordered else STEPS


def with_equal(sem: Specification, equal: Sequence[str], free: Sequence[str]) -> Specification:
    """The model with families of parameters equal across groups, but for those that are `free`.

    Raises
    ------
    ModelError
        When the model says itself what is equal.
    """
    if sem.options["group_equal"]:
        raise ModelError("invariance sets group_equal itself; build the SEM without it")
    given = sem.options["group_partial"] or ()
    given = (given,) if isinstance(given, str) else tuple(given)
    means = higher_order(sem) if "intercepts" in equal else []
    options = {"group_equal": tuple(equal), "group_partial": (*given, *free)}
    if sem.table.ordered:
        # equal loadings are those of latent responses with equal residual variances
        options["parameterization"] = "theta"
    return sem.extended([f"{name} ~ 0*1" for name in means], options=options)


def higher_order(sem: Specification) -> list[str]:
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
