"""Families of models with random parameter values, and data simulated from them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bayessem.likelihood.entry import log_likelihood, respondent_log_likelihood
from bayessem.likelihood.oracle import latent_values
from bayessem.likelihood.plan import build_plan, pattern_from_rows
from bayessem.likelihood.products import ProductPlan, plan_products
from bayessem.model.structure import MATRICES, matrix_offsets, matrix_shapes


@dataclass(frozen=True)
class Family:
    """A kind of model: constructs with three indicators each, then observed variables.

    second_order : constructs without indicators whose indicators are constructs.
    paths : (outcome, predictor).  products : the factors of each product term.
    effects : (outcome, product).
    """

    name: str
    constructs: int
    observed: int = 0
    second_order: tuple[int, ...] = ()
    paths: tuple[tuple[int, int], ...] = ()
    products: tuple[tuple[int, int], ...] = ()
    effects: tuple[tuple[int, int], ...] = ()
    strength: float = 0.4
    indicators: int = 3

    @property
    def shape(self) -> tuple[int, int, int]:
        measured = self.constructs - len(self.second_order)
        p = measured * self.indicators + self.observed
        return p, self.constructs + self.observed, len(self.products)

    @property
    def observed_factors(self) -> dict[int, int]:
        """Data column of each observed variable in a product."""
        p, m, _ = self.shape
        factors = {i for pair in self.products for i in pair}
        return {i: p - m + i for i in sorted(factors) if i >= self.constructs}

    @property
    def outcomes(self) -> list[set[int]]:
        return [{i for i, s in self.effects if s == t} for t in range(len(self.products))]

    @property
    def affected(self) -> list[set[int]]:
        out = []
        for reached in self.outcomes:
            while more := {i for i, j in self.paths if j in reached} - reached:
                reached |= more
            out.append(reached)
        return out

    def free(self) -> list[tuple[int, ...]]:
        """Positions in one group's elements that may vary, two if off-diagonal and symmetric."""
        p, m, h = self.shape
        offsets, _ = matrix_offsets(p, m, h)
        matrices = self.draw(np.random.default_rng(0))
        out: list[tuple[int, ...]] = []
        for name, shape in matrix_shapes(p, m, h).items():
            at = offsets[name]
            for place in np.ndindex(shape):
                value = matrices[name][place]
                if len(shape) == 1:
                    out.append((at + place[0],))
                    continue
                i, j = place
                if name in ("disturbances", "residuals"):
                    if value and i <= j:
                        mirror = {at + i * shape[1] + j, at + j * shape[1] + i}
                        out.append(tuple(sorted(mirror)))
                elif value:
                    out.append((at + i * shape[1] + j,))
        return out

    def draw(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Random model matrices."""
        p, m, h = self.shape
        out = {name: np.zeros(shape) for name, shape in matrix_shapes(p, m, h).items()}
        row = 0
        for j in range(m):
            if j in self.second_order:
                continue
            n = self.indicators if j < self.constructs else 1
            out["loadings"][row : row + n, j] = rng.uniform(0.6, 1.1, n) if n > 1 else 1.0
            if j < self.constructs:
                for i in range(row, row + n):
                    out["residuals"][i, i] = rng.uniform(0.2, 0.6)
            row += n
        out["residuals"][0, 1] = out["residuals"][1, 0] = rng.uniform(0.02, 0.1)
        for i, j in self.paths:
            out["paths"][i, j] = rng.uniform(0.2, 0.7) * rng.choice((-1, 1))
        outcomes = {i for i, _ in (*self.paths, *self.effects)}
        exogenous = [j for j in range(m) if j not in outcomes]
        factor = rng.normal(size=(len(exogenous), len(exogenous) + 4)) / 2
        out["disturbances"][np.ix_(exogenous, exogenous)] = (
            factor @ factor.T + 0.3 * np.eye(len(exogenous))
        ) / (0.3 + len(exogenous) / 4 + 1)
        for j in outcomes:
            out["disturbances"][j, j] = rng.uniform(0.3, 0.7)
        out["intercepts"][:] = rng.normal(size=p)
        out["intercepts"][p - self.observed :] = 0.0
        out["means"][:] = rng.normal(size=m) * 0.5
        for i, t in self.effects:
            out["products"][i, t] = rng.uniform(0.2, 1.0) * self.strength * rng.choice((-1, 1))
        return out

    def simulate(
        self, matrices: dict[str, np.ndarray], n: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Rows (n, p) from the model."""
        p, m, _ = self.shape
        total = np.linalg.inv(np.eye(m) - matrices["paths"])
        disturbances = rng.multivariate_normal(matrices["means"], matrices["disturbances"], n)
        linear = disturbances @ total.T
        values = latent_values(linear, matrices, self.products) if self.products else linear
        noise = rng.multivariate_normal(np.zeros(p), matrices["residuals"], n, method="svd")
        return matrices["intercepts"] + values @ matrices["loadings"].T + noise


def elements(*groups: dict[str, np.ndarray]) -> np.ndarray:
    """Flat elements of the model matrices of every group."""
    return np.concatenate([group[name].ravel() for group in groups for name in MATRICES])


def punch(rows: np.ndarray, rng: np.random.Generator, *, keep: tuple[int, ...] = ()) -> np.ndarray:
    """Rows with a sixth of the values missing, at least two a row left, `keep` untouched."""
    holes = rng.uniform(size=rows.shape) < 1 / 6
    holes[:, list(keep)] = False
    holes[(~holes).sum(axis=1) < 2] = False
    return np.where(holes, np.nan, rows)


LINEAR = Family("linear", 3, observed=1, paths=((1, 0), (2, 0), (2, 1), (3, 2)))
SQUARE = Family(
    "square",
    3,
    observed=1,
    paths=((1, 0), (2, 0), (3, 1)),
    products=((0, 0),),
    effects=((1, 0), (2, 0)),
)


@dataclass(frozen=True)
class Problem:
    """A packed plan with where the kernel put each row: rows of all groups stacked."""

    ints: np.ndarray
    floats: np.ndarray
    order: np.ndarray

    def value_and_gradient(self, point: np.ndarray) -> tuple[float, np.ndarray]:
        gradient = np.empty(point.size)
        return log_likelihood(point, self.ints, self.floats, gradient), gradient

    def respondents(self, point: np.ndarray) -> np.ndarray:
        out = np.empty(len(self.order))
        respondent_log_likelihood(point, self.ints, self.floats, out)
        back = np.empty_like(out)
        back[self.order] = out
        return back


def planned(family: Family, route: str = "") -> ProductPlan:
    """How the products of a family are integrated out."""
    return plan_products(
        family.products,
        family.affected,
        outcomes=family.outcomes,
        observed=family.observed_factors,
        route=route,
    )


def problem(family: Family, *groups: np.ndarray, route: str = "", **options: Any) -> Problem:
    """The packed plan of a family with the rows (n, p) of each group, NaN where missing."""
    patterns, order, start = [], [], 0
    for g, rows in enumerate(groups):
        seen = ~np.isnan(rows)
        for key in np.unique(seen, axis=0):
            members = np.flatnonzero((seen == key).all(axis=1))
            columns = np.flatnonzero(key)
            patterns.append(pattern_from_rows(g, columns, rows[np.ix_(members, columns)]))
            order.append(start + members)
        start += len(rows)
    products = planned(family, route)
    ints, floats = build_plan(
        family.shape, patterns, groups=len(groups), products=products, **options
    )
    return Problem(ints, floats, np.concatenate(order))


def central_difference(
    problem: Problem, point: np.ndarray, direction: np.ndarray, step: float = 1e-4
) -> float:
    """Derivative along a direction, with the error of order step^4."""
    values = [problem.value_and_gradient(point + s * step * direction)[0] for s in (-2, -1, 1, 2)]
    return float(np.dot(values, (1, -8, 8, -1)) / (12 * step))


# One family for each way in which products are integrated; k latents by nodes, q analytically.
INTERACTION = Family(  # k = 1, q = 1
    "interaction",
    3,
    paths=((2, 0), (2, 1)),
    products=((0, 1),),
    effects=((2, 0),),
)
MODERATED_SQUARE = Family(  # k = 1, q = 2
    "square and two interactions",
    4,
    observed=1,
    paths=((3, 0), (3, 1), (4, 3)),
    products=((0, 0), (0, 1), (2, 0)),
    effects=((3, 0), (3, 1), (3, 2)),
)
TWO_SQUARES = Family(  # k = 2, q = 0
    "two squares",
    3,
    paths=((2, 0), (2, 1)),
    products=((0, 0), (1, 1), (0, 1)),
    effects=((2, 0), (2, 1), (2, 2)),
)
CHAIN = Family(  # k = 2, q = 0: a square of a square's outcome
    "chain",
    3,
    paths=((1, 0), (2, 1)),
    products=((1, 1), (0, 0)),
    effects=((1, 1), (2, 0)),
    strength=0.3,
)
TRIANGLE = Family(  # k = 2, q = 1
    "all interactions of three",
    4,
    paths=((3, 0), (3, 1)),
    products=((0, 1), (1, 2), (0, 2)),
    effects=((3, 0), (3, 1), (3, 2)),
)
THREE_SQUARES = Family(  # k = 3, q = 0
    "three squares",
    4,
    paths=((3, 0),),
    products=((0, 0), (1, 1), (2, 2)),
    effects=((3, 0), (3, 1), (3, 2)),
    strength=0.3,
)
LATENT_BY_OBSERVED = Family(  # k = 0, q = 1
    "latent by observed",
    2,
    observed=2,
    paths=((1, 0), (1, 2), (3, 1)),
    products=((0, 2),),
    effects=((1, 0),),
)
SQUARE_AND_OBSERVED = Family(  # k = 1, q = 0: one latent factor, a number times z or z^2 for each
    "square and products with observed",
    3,
    observed=2,
    paths=((1, 0), (1, 3), (2, 4), (2, 1)),
    products=((0, 0), (0, 3), (0, 4), (3, 4)),
    effects=((1, 0), (1, 1), (2, 2), (2, 0), (2, 3)),
)
OBSERVED_BY_OBSERVED = Family(  # k = 0, q = 0
    "observed by observed",
    1,
    observed=3,
    paths=((0, 1), (0, 2), (3, 0)),
    products=((1, 2), (1, 1)),
    effects=((0, 0), (3, 1)),
)
OBSERVED_OUTCOME = Family(  # k = 1, q = 1: the observed factor is itself the outcome of a product
    "observed outcome of a product, in a product",
    3,
    observed=1,
    paths=((3, 0), (2, 1), (2, 3)),
    products=((3, 1), (0, 0), (0, 1)),
    effects=((2, 0), (3, 1), (2, 2)),
)
SECOND_ORDER = Family(  # k = 1, q = 0: a square of a construct that has constructs as indicators
    "second order",
    4,
    second_order=(3,),
    observed=1,
    paths=((0, 3), (1, 3), (2, 3), (4, 3)),
    products=((3, 3),),
    effects=((4, 0),),
)
SECOND_ORDER_INTERACTION = Family(  # k = 1, q = 1
    "second order by latent",
    5,
    second_order=(4,),
    paths=((0, 4), (1, 4), (3, 2), (3, 4)),
    products=((4, 2),),
    effects=((3, 0),),
)
MEDIATED_CUBE = Family(  # k = 1, q = 1: the outcome of a square interacts with its predictor
    "square's outcome by its predictor",
    3,
    paths=((1, 0), (2, 1)),
    products=((0, 0), (0, 1)),
    effects=((1, 0), (2, 1)),
    strength=0.3,
)
GENERAL = (
    INTERACTION,
    MODERATED_SQUARE,
    TWO_SQUARES,
    CHAIN,
    TRIANGLE,
    THREE_SQUARES,
    LATENT_BY_OBSERVED,
    SQUARE_AND_OBSERVED,
    OBSERVED_BY_OBSERVED,
    OBSERVED_OUTCOME,
    SECOND_ORDER,
    SECOND_ORDER_INTERACTION,
    MEDIATED_CUBE,
)
