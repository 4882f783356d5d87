"""What each name of a model is: construct, indicator, outcome, predictor, covariate, product.

The lists and their order are lavaan's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bayessem.errors import ModelError
from bayessem.syntax.statements import Statement

FORMULAS = frozenset({"=~", "<~", "~", "~~", "~1", "|"})


@dataclass(frozen=True, slots=True)
class Roles:
    """Names by role; one name can have several.

    Attributes
    ----------
    latent : tuple of str
        Constructs: everything on the left of `=~` or `<~`; at level 2 the random slopes, too.
    observed : tuple of str
        Columns of the data: indicators, outcomes, covariates, then the rest.
    covariates : tuple of str
        Observed predictors that nothing predicts or measures and whose moments the model
        does not mention: lavaan's `ov.x`.
    outcomes, predictors : tuple of str
        Left and right sides of `~`; the factors of a product count as predictors.
    indicators : mapping
        Construct to its indicators, in order.
    products : tuple of (name, factors)
        Product terms, in order of appearance.
    composites : mapping
        Composite to its parts, in order: observed items, or constructs.
    """

    latent: tuple[str, ...]
    observed: tuple[str, ...]
    covariates: tuple[str, ...]
    outcomes: tuple[str, ...]
    predictors: tuple[str, ...]
    indicators: Mapping[str, tuple[str, ...]]
    products: tuple[tuple[str, tuple[str, ...]], ...]
    composites: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def of_items(self) -> dict[str, tuple[str, ...]]:
        """The composites of observed items, with these."""
        return {c: parts for c, parts in self.composites.items() if not set(parts) & {*self.latent}}

    @property
    def of_constructs(self) -> frozenset[str]:
        """The composites of constructs: sums of them, without a disturbance."""
        return frozenset(self.composites) - frozenset(self.of_items)

    @property
    def slopes(self) -> tuple[str, ...]:
        """Random slopes: unobserved, and measured by nothing."""
        measured = {*self.composites, *(name for name, own in self.indicators.items() if own)}
        return tuple(name for name in self.latent if name not in measured)

    @property
    def measured(self) -> frozenset[str]:
        """Everything that is an indicator of something."""
        return frozenset(name for names in self.indicators.values() for name in names)

    @property
    def endogenous_free(self) -> tuple[str, ...]:
        """Outcomes that predict and measure nothing: lavaan lets their disturbances covary.

        But not those of random slopes.
        """
        others = {*self.predictors, *self.measured, *self.slopes}
        final = [name for name in self.outcomes if name not in others]
        latent = [name for name in self.latent if name in final]
        return (*latent, *(name for name in final if name not in self.latent))

    @property
    def exogenous_latent(self) -> tuple[str, ...]:
        """Constructs that are neither outcomes nor indicators: lavaan lets them covary.

        But not random slopes.
        """
        explained = {*self.outcomes, *self.measured, *self.of_constructs, *self.slopes}
        return tuple(name for name in self.latent if name not in explained)


def assign_roles(statements: Sequence[Statement], slopes: Sequence[str] = ()) -> Roles:
    """Find the role of every name.

    Parameters
    ----------
    statements : sequence of Statement
        The model as written.
    slopes : sequence of str
        Random slopes: unobserved variables without indicators.

    Returns
    -------
    Roles
        Names by role.

    Raises
    ------
    ModelError
        For an empty model, a construct that measures itself (at once or in a circle), a
        variable that predicts itself, a product of unknown variables.
    """
    formulas = [s for s in statements if s.op in FORMULAS]
    if not formulas:
        what = "has constraints and definitions only" if statements else "is empty"
        raise ModelError(
            f"the model {what}: it needs at least one formula such as 'f =~ x1 + x2 + x3' "
            "or 'y ~ x'"
        )
    latent = _unique((*(s.lhs for s in formulas if s.op in ("=~", "<~")), *slopes))
    indicators, composites = (_parts(formulas, op) for op in ("=~", "<~"))
    outcomes = _unique(s.lhs for s in formulas if s.op == "~")
    predictors = _unique(p for s in formulas if s.op == "~" for p in s.factors or (s.rhs,))
    products = {s.rhs: s.factors for s in formulas if s.factors}
    _check_measurement(formulas, indicators)
    _check_paths(formulas)
    _check_arrows(formulas)

    measured = _unique(name for names in indicators.values() for name in names)
    mentioned = _unique(
        name
        for s in formulas
        if s.op in ("~~", "~1")
        for name in ((s.lhs, s.rhs) if s.op == "~~" else (s.lhs,))
    )
    items = _unique(name for parts in composites.values() for name in parts)
    given = _without(predictors, (*latent, *measured, *items, *outcomes))
    observed = _without(_unique((*measured, *items, *outcomes, *given, *mentioned)), latent)
    roles = Roles(
        latent=latent,
        observed=observed,
        covariates=_without(given, mentioned),
        outcomes=outcomes,
        predictors=predictors,
        indicators=indicators,
        products=tuple(products.items()),
        composites=composites,
    )
    _check_products(formulas)
    return roles


def _parts(formulas: Sequence[Statement], op: str) -> dict[str, tuple[str, ...]]:
    """What stands on the right of `=~` or `<~`, by what stands on the left."""
    names = _unique(s.lhs for s in formulas if s.op == op)
    return {n: _unique(s.rhs for s in formulas if s.op == op and s.lhs == n) for n in names}


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _without(names: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in others)


def _check_measurement(
    formulas: Sequence[Statement], indicators: Mapping[str, tuple[str, ...]]
) -> None:
    for statement in formulas:
        if statement.op == "=~" and statement.lhs == statement.rhs:
            raise ModelError(
                f"'{statement.lhs}' in {statement.where} is its own indicator; "
                "a construct is measured by other variables"
            )
    circle = strongly_connected(indicators)
    if circle:
        first = next(s for s in formulas if s.op == "=~" and s.lhs in circle and s.rhs in circle)
        raise ModelError(
            f"{', '.join(circle)} measure each other in a circle, for example {first.where}; "
            "a higher-order construct cannot be an indicator of its own indicators"
        )


def _check_paths(formulas: Sequence[Statement]) -> None:
    for statement in formulas:
        if statement.op != "~":
            continue
        if statement.lhs in (statement.factors or (statement.rhs,)):
            raise ModelError(
                f"'{statement.lhs}' in {statement.where} stands on both sides of '~'; "
                "a variable cannot predict itself"
            )


def _check_arrows(formulas: Sequence[Statement]) -> None:
    """Refuse an arrow that is both a loading and a path: one of the two would be lost."""
    loadings = {(s.lhs, s.rhs): s for s in formulas if s.op == "=~"}
    for statement in formulas:
        other = loadings.get((statement.rhs, statement.lhs)) if statement.op == "~" else None
        if other is not None:
            raise ModelError(
                f"{other.where} and {statement.where} are the same arrow, from '{other.lhs}' to "
                f"'{other.rhs}'; keep one (a value or label goes into the other: "
                f"{other.lhs} =~ 0.5*{other.rhs})"
            )


def _check_products(formulas: Sequence[Statement]) -> None:
    named = [s for s in formulas if s.op != "|"]  # t1, t2 are no variables
    single = {name for s in named if not s.factors for name in (s.lhs, s.rhs)} | {
        s.lhs for s in named
    }
    for statement in formulas:
        for factor in statement.factors:
            if factor not in single:
                known = ", ".join(sorted(single - {""}))
                raise ModelError(
                    f"'{factor}' in {statement.where} is in no other formula of the model; check "
                    f"its spelling (names: {known}), or add its own path, as in "
                    f"'{statement.lhs} ~ {factor} + {statement.rhs}' ('0*{factor}' for none)"
                )


def strongly_connected(successors: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return the names that lie on some directed circle, in the order of the mapping.

    Parameters
    ----------
    successors : mapping
        Name to the names its arrows point at.
    """
    reach = {name: frozenset(targets) for name, targets in successors.items()}
    while True:
        wider = {
            name: targets.union(*(reach.get(t, frozenset()) for t in targets))
            for name, targets in reach.items()
        }
        if wider == reach:
            return tuple(name for name in successors if name in reach[name])
        reach = wider
