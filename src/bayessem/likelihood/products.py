"""How the latent variables of the product terms are integrated out, and which monomials occur.

An observed variable in a product is data: as the model is recursive, the density of a respondent's
data is the same when each product has its value x as a number in it, so it never has to be
conditioned on. Nor is a latent variable that nothing but products determines, such as a square
under a name of its own: it is a polynomial of the others, which is how X:X:w is said. For the rest,
F, there are four routes (`ProductPlan.route`):

- "sums": F is empty; products are columns of the data (kernel.py).
- "one": one latent, at most squared: an integral of a quartic's exponential (terms.py,
  integral.py).
- "contour": any number of latents, at most squared or multiplied in pairs, and all that is squared
  or multiplied explains one variable: one integral along a line (contour.py).
- "grid": F is split into C, integrated on a grid over z, and Q, integrated analytically over w, so
  that every product is at most linear in w: given z all is Gaussian. C is the smallest set that
  does it (a square needs its own latent, X:Z needs X or Z), of up to three (grid.py).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from bayessem.errors import ModelError, NotSupported

MOST_DIMENSIONS = 3

Exponents = tuple[int, ...]


@dataclass(frozen=True)
class ProductPlan:
    """The product terms of a model as the kernel wants them.

    A monomial is a product of powers of u = (z, w) and of the observed factors x. The first is 1,
    then come the f entries of u, the o observed factors, and the rest. What the likelihood needs of
    the monomials is the columns of a design: all but the constant one, except on a contour, where
    the column of all that is of the second degree in u is one, the form q(u).

    Attributes
    ----------
    route : how they are integrated, see the module.
    order : (product,) products so that each comes after those that its factors depend on.
    factor_at : (product + 1,) where the factors of each product start in `multiplied`.
    multiplied : what is multiplied: a latent variable, or -1 - s for observed factor s (the rows
        after the latent variables in the kernel's table of polynomials, from its end).
    factors : (f,) latent variables in products; the first `integrated` are C, the rest Q.
    observed : (o,) data columns of the observed factors.
    monomial_product : (monomial, monomial) the monomial that a product of two gives, or -1.
    weight_of : (monomial,) the entry of w in it, or -1.
    data_exponent : (monomial, o) powers of the observed factors in it.
    node_of : (monomial,) its powers of z, as a row of node_exponent.
    node_exponent : (node monomial, k) powers of z that monomials and products of two have, and all
        lower ones, each after those with a smaller sum.
    columns : (column,) monomial of each column, -1 for the form, which is the last.
    column_part : (column,) on a contour, its entry of u, f for the form, f + 1 without u.
    curved : (curved,) on a contour, the monomials of the form.
    curve_pair : (curved, 2) the two entries of u in each.
    outcome : the latent whose polynomial has the form, and whose total effects are its column; -1
        without one.
    """

    route: str
    order: np.ndarray
    factor_at: np.ndarray
    multiplied: np.ndarray
    factors: np.ndarray
    integrated: int
    observed: np.ndarray
    monomial_product: np.ndarray
    weight_of: np.ndarray
    data_exponent: np.ndarray
    node_of: np.ndarray
    node_exponent: np.ndarray
    columns: np.ndarray
    column_part: np.ndarray
    curved: np.ndarray
    curve_pair: np.ndarray
    outcome: int

    def data_monomials(self, data: np.ndarray) -> np.ndarray:
        """The monomials but the constant one as numbers, (n, o) -> (n, c); without latent factors.

        With observed factors alone a product is a column of the data.
        """
        powers = self.data_exponent[1:]
        return np.prod(data[:, None, :] ** powers, axis=-1)

    @property
    def pair(self) -> np.ndarray:
        """(monomial, monomial) powers of z in the product of two, as a row of node_exponent."""
        if not len(self.node_of):
            return np.zeros((0, 0), dtype=np.int64)
        index = {tuple(e): i for i, e in enumerate(self.node_exponent.tolist())}
        powers = self.node_exponent[self.node_of]
        return np.array([[index[tuple((a + b).tolist())] for b in powers] for a in powers])

    @property
    def lower(self) -> np.ndarray:
        """(node monomial, k) the node monomial with one power less of each z, or -1."""
        index = {tuple(e): i for i, e in enumerate(self.node_exponent.tolist())}
        steps = np.eye(self.integrated, dtype=np.int64)
        return np.array(
            [
                [index.get(tuple((e - step).tolist()), -1) for step in steps]
                for e in self.node_exponent
            ],
            dtype=np.int64,
        ).reshape(len(self.node_exponent), self.integrated)


def _none(*shape: int) -> np.ndarray:
    return np.zeros(shape or (0,), dtype=np.int64)


NO_PRODUCTS = ProductPlan(
    route="sums",
    order=_none(),
    factor_at=np.zeros(1, dtype=np.int64),
    multiplied=_none(),
    factors=_none(),
    integrated=0,
    observed=_none(),
    monomial_product=_none(0, 0),
    weight_of=_none(),
    data_exponent=_none(0, 0),
    node_of=_none(),
    node_exponent=_none(0, 0),
    columns=_none(),
    column_part=_none(),
    curved=_none(),
    curve_pair=_none(0, 2),
    outcome=-1,
)


def _order(
    terms: Sequence[Sequence[int]], affected: Sequence[set[int]], names: Sequence[str]
) -> list[int]:
    """Products so that each comes after those that its factors depend on."""
    done: list[int] = []
    waiting = list(range(len(terms)))
    while waiting:
        ready = [t for t in waiting if not any(set(terms[t]) & set(affected[s]) for s in waiting)]
        if not ready:
            circle = ", ".join(
                ":".join(names[i] if names else str(i) for i in terms[t]) for t in waiting
            )
            raise ModelError(
                f"the product terms {circle} explain, directly or through paths, the variables "
                "that they are products of; leave out the path that closes the circle"
            )
        done += ready
        waiting = [t for t in waiting if t not in ready]
    return done


def _product_monomials(
    terms: Sequence[Sequence[int]],
    affected: Sequence[set[int]],
    order: Sequence[int],
    *,
    factors: Sequence[int],
    observed: Sequence[int],
    determined: Collection[int],
) -> list[dict[Exponents, None]]:
    """Exponents of (u, x) that occur in each product, those of its first factors included."""
    size = len(factors) + len(observed)

    def unit(j: int) -> Exponents:
        return tuple(int(i == j) for i in range(size))

    # V_FF = G G' with G lower triangular: the linear part of factor j has entries of u up to j
    one = tuple([0] * size)
    latent = {i: {one, *map(unit, range(j + 1))} for j, i in enumerate(factors)}
    latent |= {i: {one} for i in determined}
    data = {i: {unit(len(factors) + s)} for s, i in enumerate(observed)}
    found: list[dict[Exponents, None]] = [{} for _ in terms]
    for t in order:
        reached = {one}
        for k, i in enumerate(terms[t]):
            right = data.get(i) or latent[i]
            reached = {
                tuple(x + y for x, y in zip(a, b, strict=True)) for a in reached for b in right
            }
            if k:  # the product of the factors so far
                found[t] |= dict.fromkeys(sorted(reached, key=lambda e: (sum(e), [-x for x in e])))
        for i in affected[t]:
            if i in latent:
                latent[i] |= reached
    return found


def _smallest_split(
    members: Sequence[int], expand: Callable[[Sequence[int]], list[dict[Exponents, None]]]
) -> tuple[list[int], int, list[dict[Exponents, None]]]:
    """Factors (C, then Q), the size of C, and the monomials of each product, for the smallest C.

    expand : the monomials of each product for factors in a given order.
    """
    for k in range(len(members) + 1):
        for chosen in combinations(members, k):
            factors = [*chosen, *(i for i in members if i not in chosen)]
            found = expand(factors)
            if all(sum(e[k : len(factors)]) <= 1 for part in found for e in part):
                return factors, k, found
    raise AssertionError("integrating all factors leaves nothing that could be non-linear")


def _cheapest_route(
    found: Sequence[dict[Exponents, None]], f: int, outcomes: Sequence[Collection[int]]
) -> tuple[str, int]:
    """Route for the monomials of each product, and the outcome of all that is curved."""
    if not f:
        return "sums", -1
    degrees = [max(sum(e[:f]) for e in part) for part in found]
    if max(degrees) > 2:
        return "grid", -1
    if f == 1:
        return "one", -1
    curved = {i for t, degree in enumerate(degrees) if degree == 2 for i in outcomes[t]}
    return ("contour", next(iter(curved), -1)) if len(curved) < 2 else ("grid", -1)


def _node_exponents(powers: Sequence[Exponents]) -> list[Exponents]:
    """Powers of z of products of two monomials, and all lower ones, by their sum."""
    found = {tuple(x + y for x, y in zip(a, b, strict=True)) for a in powers for b in powers}
    todo = list(found)
    while todo:
        e = todo.pop()
        for i, x in enumerate(e):
            lower = (*e[:i], x - 1, *e[i + 1 :])
            if x and lower not in found:
                found.add(lower)
                todo.append(lower)
    return sorted(found, key=lambda e: (sum(e), [-x for x in e]))


def _columns(route: str, monomials: Sequence[Exponents], f: int) -> dict[str, np.ndarray]:
    """Which monomials are columns of the design, and on a contour what each has to do with u."""
    every = range(1, len(monomials))
    if route != "contour":
        columns, part, curved = list(every), [], []
    else:
        columns = [j for j in every if sum(monomials[j][:f]) < 2]
        curved = [j for j in every if j not in columns]
        part = [next((i for i in range(f) if monomials[j][i]), f + 1) for j in columns]
        columns, part = columns + [-1] * bool(curved), part + [f] * bool(curved)
    pairs = [[i for i in range(f) for _ in range(monomials[j][i])] for j in curved]
    return {
        "columns": np.array(columns, dtype=np.int64),
        "column_part": np.array(part, dtype=np.int64),
        "curved": np.array(curved, dtype=np.int64),
        "curve_pair": np.array(pairs, dtype=np.int64).reshape(-1, 2),
    }


def plan_products(
    terms: Sequence[Sequence[int]],
    affected: Sequence[set[int]],
    *,
    outcomes: Sequence[Collection[int]],
    observed: Mapping[int, int] | None = None,
    determined: Collection[int] = (),
    names: Sequence[str] = (),
    route: str = "",
) -> ProductPlan:
    """Choose the route and the integration variables, and tabulate the monomials.

    Parameters
    ----------
    terms : latent indices of the factors of each product term.
    affected : for each product term, the latents whose value depends on it (through any path).
    outcomes : for each product term, the latents that it explains itself.
    observed : data column of each latent index in `terms` that is an observed variable (loading 1,
        intercept and residual 0).
    determined : latent indices without a disturbance of their own that no path explains, only
        products.
    names : names of the latents, for messages.
    route : "grid" instead of the cheapest.

    Raises
    ------
    NotSupported
        When more than three latents have to be integrated numerically.
    ModelError
        When a product term explains one of its own factors.
    """
    if not terms:
        return NO_PRODUCTS
    observed = observed or {}
    order = _order(terms, affected, names)
    known = sorted(observed)
    members = sorted({i for term in terms for i in term} - set(known) - set(determined))
    f, o = len(members), len(known)

    def expand(factors: Sequence[int]) -> list[dict[Exponents, None]]:
        return _product_monomials(
            terms, affected, order, factors=factors, observed=known, determined=determined
        )

    factors, k, found = members, 0, expand(members)
    cheapest, outcome = _cheapest_route(found, f, outcomes)
    route = route or cheapest
    if route != "contour":
        outcome = -1
        factors, k, found = _smallest_split(members, expand)
    if k > MOST_DIMENSIONS:
        raise NotSupported(
            f"these product terms need a {k}-dimensional integral; the integrated likelihood does "
            f'up to {MOST_DIMENSIONS} dimensions; use latents="sampled"'
        )
    units = [tuple(int(i == j) for i in range(f + o)) for j in range(f + o)]
    products = [e for t in order for e in found[t]]
    monomials = list(dict.fromkeys([tuple([0] * (f + o)), *units, *products]))
    index = {e: i for i, e in enumerate(monomials)}
    table = [
        [index.get(tuple(x + y for x, y in zip(a, b, strict=True)), -1) for b in monomials]
        for a in monomials
    ]
    nodes = _node_exponents([e[:k] for e in monomials])
    node_index = {e: i for i, e in enumerate(nodes)}
    rows = {i: -1 - s for s, i in enumerate(known)}
    return ProductPlan(
        route=route,
        order=np.array(order, dtype=np.int64),
        factor_at=np.cumsum([0, *map(len, terms)]),
        multiplied=np.array([rows.get(i, i) for term in terms for i in term], dtype=np.int64),
        factors=np.array(factors, dtype=np.int64),
        integrated=k,
        observed=np.array([observed[i] for i in known], dtype=np.int64),
        monomial_product=np.array(table, dtype=np.int64),
        weight_of=np.array(
            [next((j - k for j in range(k, f) if e[j]), -1) for e in monomials], dtype=np.int64
        ),
        data_exponent=np.array([e[f:] for e in monomials], dtype=np.int64).reshape(
            len(monomials), o
        ),
        node_of=np.array([node_index[e[:k]] for e in monomials], dtype=np.int64),
        node_exponent=np.array(nodes, dtype=np.int64).reshape(len(nodes), k),
        outcome=outcome,
        **_columns(route, monomials, f),
    )
