"""Which latent variables of the product terms are integrated by nodes, and which monomials occur.

The latents in products, F, are split into C, integrated numerically over z, and Q, integrated
analytically over w, so that every product is at most linear in w: given z all is Gaussian. C is the
smallest set that does it (a square needs its own latent, X:Z needs X or Z). An observed variable in
a product is neither: its value x is data. As the model is recursive, the density of a respondent's
data is the same when each product has x as a number in it, so it never has to be conditioned on.
Nor is a latent variable that nothing but products determines, such as a square under a name of its
own: it is a polynomial of the others, which is how X:X:w is said.
"""

from collections.abc import Collection, Mapping, Sequence
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
    then come the f entries of u, the o observed factors, and the rest.

    Attributes
    ----------
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
    """

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

    @property
    def needs_general_terms(self) -> bool:
        """Whether the products are more than quadratic in one latent variable (terms.py)."""
        return len(self.factors) > 1 or self.highest > 2

    @property
    def highest(self) -> int:
        """The highest power of the variables that are integrated by nodes."""
        return int(self.node_exponent[self.node_of].max(initial=0))

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
) -> list[Exponents]:
    """Exponents of (u, x) that occur in the products."""
    size = len(factors) + len(observed)

    def unit(j: int) -> Exponents:
        return tuple(int(i == j) for i in range(size))

    # V_FF = G G' with G lower triangular: the linear part of factor j has entries of u up to j
    one = tuple([0] * size)
    latent = {i: {one, *map(unit, range(j + 1))} for j, i in enumerate(factors)}
    latent |= {i: {one} for i in determined}
    data = {i: {unit(len(factors) + s)} for s, i in enumerate(observed)}
    found: dict[Exponents, None] = {}
    for t in order:
        reached = {one}
        for k, i in enumerate(terms[t]):
            right = data.get(i) or latent[i]
            reached = {
                tuple(x + y for x, y in zip(a, b, strict=True)) for a in reached for b in right
            }
            if k:  # the product of the factors so far
                found |= dict.fromkeys(sorted(reached, key=lambda e: (sum(e), [-x for x in e])))
        for i in affected[t]:
            if i in latent:
                latent[i] |= reached
    return list(found)


def _smallest_split(
    terms: Sequence[Sequence[int]],
    affected: Sequence[set[int]],
    order: Sequence[int],
    *,
    members: Sequence[int],
    observed: Sequence[int],
    determined: Collection[int],
) -> tuple[list[int], int, list[Exponents]]:
    """Factors (C, then Q), the size of C, and the monomials in products, for the smallest C."""
    for k in range(len(members) + 1):
        for chosen in combinations(members, k):
            factors = [*chosen, *(i for i in members if i not in chosen)]
            monomials = _product_monomials(
                terms, affected, order, factors=factors, observed=observed, determined=determined
            )
            if all(sum(e[k : len(factors)]) <= 1 for e in monomials):
                return factors, k, monomials
    raise AssertionError("integrating all factors leaves nothing that could be non-linear")


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


def plan_products(
    terms: Sequence[Sequence[int]],
    affected: Sequence[set[int]],
    *,
    observed: Mapping[int, int] | None = None,
    determined: Collection[int] = (),
    names: Sequence[str] = (),
) -> ProductPlan:
    """Choose the integration variables and tabulate the monomials.

    Parameters
    ----------
    terms : latent indices of the factors of each product term.
    affected : for each product term, the latents whose value depends on it (through any path).
    observed : data column of each latent index in `terms` that is an observed variable (loading 1,
        intercept and residual 0).
    determined : latent indices without a disturbance of their own that no path explains, only
        products.
    names : names of the latents, for messages.

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
    factors, k, products = _smallest_split(
        terms, affected, order, members=members, observed=known, determined=determined
    )
    if k > MOST_DIMENSIONS:
        raise NotSupported(
            f"these product terms need a {k}-dimensional integral; the integrated likelihood does "
            f'up to {MOST_DIMENSIONS} dimensions; use latents="sampled"'
        )
    f, o = len(factors), len(known)
    units = [tuple(int(i == j) for i in range(f + o)) for j in range(f + o)]
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
    )
