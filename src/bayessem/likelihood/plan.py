"""What the kernel works on, packed: the shape of a model and its data as two flat arrays.

One compiled program serves all models, so the model is data to it. `pack` writes named arrays into
one integer and one float array, which travel as PyTensor constants or as C pointers; `unpack` reads
them back inside Numba as views. `elements` is the third array: the model matrices of every group, one
after the other, in the order of structure.py's `MATRICES`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from bayessem.errors import NotSupported

# Quadrature: nodes reach to exp(-REACH) of the peak, STEP times the distance at which the log
# integrand has dropped by 2 (see integral.py for how both were chosen).
REACH = 20.0
STEP = 0.25

INTEGER_FIELDS = (
    "sizes",
    "pattern_group",
    "pattern_count",
    "pattern_width",
    "pattern_at",
    "pattern_variables",
    "pattern_mean_at",
    "pattern_cov_at",
    "pattern_rows_at",
    "product_first",
    "product_second",
    "factors",
    "monomial_product",
    "weight_of",
    "proper",
)
FLOAT_FIELDS = ("quadrature", "numbers")


class Plan(NamedTuple):
    """Views of the packed arrays, by name.

    sizes : observed p, latent m, products h, groups, patterns, factors f, integrated k, monomials.
    pattern_* : one entry a missingness pattern of a group: its group, number of respondents,
        number of observed variables, where its list of variables starts in `pattern_variables`,
        and where its means, covariance (divisor n) and rows start in `numbers`.
    product_first, product_second : the latents multiplied, by product, in an order in which every
        product depends on earlier ones only.
    factors : latents that enter products; the first k of them are integrated numerically.
    monomial_product : monomials-by-monomials table of the monomial that a product of two gives
        (-1 where the product cannot occur).
    weight_of : for each monomial, the analytically integrated factor in it (its position after the
        first k), or -1.
    proper : covariance blocks that must be positive definite by themselves, one after the other:
        0 for disturbances or 1 for residuals, group, number of variables, their indices.
    quadrature : reach, step.
    """

    sizes: np.ndarray
    pattern_group: np.ndarray
    pattern_count: np.ndarray
    pattern_width: np.ndarray
    pattern_at: np.ndarray
    pattern_variables: np.ndarray
    pattern_mean_at: np.ndarray
    pattern_cov_at: np.ndarray
    pattern_rows_at: np.ndarray
    product_first: np.ndarray
    product_second: np.ndarray
    factors: np.ndarray
    monomial_product: np.ndarray
    weight_of: np.ndarray
    proper: np.ndarray
    quadrature: np.ndarray
    numbers: np.ndarray


def pack(
    fields: dict[str, np.ndarray], integer_fields: Sequence[str], float_fields: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Write the named arrays into one int64 and one float64 array, the first with a header.

    The header holds where each integer array starts and the last one ends, then the same for floats.
    """

    def join(names: Sequence[str], dtype: type) -> tuple[np.ndarray, list[int]]:
        arrays = [np.ascontiguousarray(fields[name], dtype=dtype).ravel() for name in names]
        return np.concatenate(arrays), np.cumsum([0] + [a.size for a in arrays]).tolist()

    integers, integer_at = join(integer_fields, np.int64)
    floats, float_at = join(float_fields, np.float64)
    header = np.array(integer_at + float_at, dtype=np.int64)
    header[: len(integer_at)] += header.size
    return np.concatenate([header, integers]), floats


@njit(cache=True)
def unpack(ints, floats):
    """The packed arrays as a Plan of views."""
    return Plan(
        ints[ints[0] : ints[1]],
        ints[ints[1] : ints[2]],
        ints[ints[2] : ints[3]],
        ints[ints[3] : ints[4]],
        ints[ints[4] : ints[5]],
        ints[ints[5] : ints[6]],
        ints[ints[6] : ints[7]],
        ints[ints[7] : ints[8]],
        ints[ints[8] : ints[9]],
        ints[ints[9] : ints[10]],
        ints[ints[10] : ints[11]],
        ints[ints[11] : ints[12]],
        ints[ints[12] : ints[13]],
        ints[ints[13] : ints[14]],
        ints[ints[14] : ints[15]],
        floats[ints[16] : ints[17]],
        floats[ints[17] : ints[18]],
    )


@dataclass(frozen=True)
class ProductPlan:
    """The product terms of a model as the kernel wants them."""

    first: np.ndarray  # (product,) latent index
    second: np.ndarray
    factors: np.ndarray  # (factor,) latent index; the first `integrated` are integrated numerically
    integrated: int
    monomial_product: np.ndarray  # (monomial, monomial)
    weight_of: np.ndarray  # (monomial,)


NO_PRODUCTS = ProductPlan(*(np.zeros(0, dtype=np.int64) for _ in range(3)), 0, *(
    np.zeros(0, dtype=np.int64) for _ in range(2)
))


def plan_products(pairs: Sequence[tuple[int, int]], affected: Sequence[set[int]]) -> ProductPlan:
    """Choose the integration variables and tabulate the monomials.

    Parameters
    ----------
    pairs : (first, second) latent index of each product term.
    affected : for each product term, the latents whose value depends on it (through any path).

    Raises
    ------
    NotSupported
        When more than one latent has to be integrated, or a product enters another one.
    """
    if not pairs:
        return NO_PRODUCTS
    members = {i for pair in pairs for i in pair}
    if any(members & set(a) for a in affected):
        raise NotSupported(
            "a latent variable that is explained by a product term cannot enter a product term "
            'itself in the integrated likelihood; use latents="sampled"'
        )
    # A product is linear in all that is not integrated when one of its factors is integrated:
    # the smallest set of latents that touches every product (a square needs its own latent).
    forced = {a for a, b in pairs if a == b}
    open_pairs = [set(pair) for pair in pairs if not forced & set(pair)]
    candidates = sorted(set().union(*open_pairs)) if open_pairs else []
    chosen: set[int] = set(candidates)
    for candidate in candidates:
        if all(candidate in pair for pair in open_pairs):
            chosen = {candidate}
            break
    integrated = sorted(forced | chosen)
    if len(integrated) > 1:
        raise NotSupported(
            f"these product terms need a {len(integrated)}-dimensional integral; the integrated "
            'likelihood does one dimension; use latents="sampled"'
        )
    factors = integrated + sorted(members - set(integrated))
    k, f = len(integrated), len(factors)
    # Monomials as exponent vectors of the standardised factors: 1, each factor, and what products
    # of two factor polynomials of degree one can give (no two analytically integrated factors).
    unit = [tuple(int(i == j) for j in range(f)) for i in range(f)]
    monomials = [tuple([0] * f), *unit]
    for i in range(k):
        for j in range(f):
            exponent = tuple(a + b for a, b in zip(unit[i], unit[j], strict=True))
            if exponent not in monomials:
                monomials.append(exponent)
    index = {exponent: i for i, exponent in enumerate(monomials)}
    table = np.full((len(monomials), len(monomials)), -1, dtype=np.int64)
    for a, ea in enumerate(monomials):
        for b, eb in enumerate(monomials):
            table[a, b] = index.get(tuple(x + y for x, y in zip(ea, eb, strict=True)), -1)
    weight = [next((j - k for j in range(k, f) if e[j]), -1) for e in monomials]
    return ProductPlan(
        first=np.array([a for a, _ in pairs], dtype=np.int64),
        second=np.array([b for _, b in pairs], dtype=np.int64),
        factors=np.array(factors, dtype=np.int64),
        integrated=k,
        monomial_product=table,
        weight_of=np.array(weight, dtype=np.int64),
    )


@dataclass(frozen=True)
class Pattern:
    """Respondents of one group with the same variables observed."""

    group: int
    variables: np.ndarray  # (observed in the pattern,) column index
    rows: np.ndarray  # (respondent, observed in the pattern)
    mean: np.ndarray
    covariance: np.ndarray  # divisor n
    count: int


def pattern_from_rows(group: int, variables: np.ndarray, rows: np.ndarray) -> Pattern:
    """Sufficient statistics of the rows of one pattern."""
    mean = rows.mean(axis=0)
    centred = rows - mean
    return Pattern(group, variables, rows, mean, centred.T @ centred / len(rows), len(rows))


def build_plan(
    shape: tuple[int, int, int],
    patterns: Sequence[Pattern],
    *,
    groups: int = 1,
    products: ProductPlan = NO_PRODUCTS,
    proper: Sequence[tuple[int, int, Sequence[int]]] = (),
    reach: float = REACH,
    step: float = STEP,
) -> tuple[np.ndarray, np.ndarray]:
    """Pack a model's shape (p, m, h), its data by pattern and its product terms for the kernel.

    `proper` lists covariance blocks to be checked for positive definiteness: (0 disturbances or
    1 residuals, group, indices of the variables).
    """
    p, m, h = shape
    widths = [len(x.variables) for x in patterns]
    numbers, mean_at, cov_at, rows_at, at = [], [], [], [], 0
    for x in patterns:
        for array, where in ((x.mean, mean_at), (x.covariance, cov_at), (x.rows, rows_at)):
            where.append(at)
            numbers.append(np.ascontiguousarray(array, dtype=np.float64).ravel())
            at += numbers[-1].size
    sizes = [
        p,
        m,
        h,
        groups,
        len(patterns),
        len(products.factors),
        products.integrated,
        len(products.weight_of),
    ]
    return pack(
        {
            "sizes": np.array(sizes),
            "pattern_group": np.array([x.group for x in patterns]),
            "pattern_count": np.array([x.count for x in patterns]),
            "pattern_width": np.array(widths),
            "pattern_at": np.cumsum([0, *widths[:-1]]),
            "pattern_variables": np.concatenate([x.variables for x in patterns]),
            "pattern_mean_at": np.array(mean_at),
            "pattern_cov_at": np.array(cov_at),
            "pattern_rows_at": np.array(rows_at),
            "product_first": products.first,
            "product_second": products.second,
            "factors": products.factors,
            "monomial_product": products.monomial_product,
            "weight_of": products.weight_of,
            "proper": np.array(
                [x for kind, g, block in proper for x in (kind, g, len(block), *block)],
                dtype=np.int64,
            ),
            "quadrature": np.array([reach, step]),
            "numbers": np.concatenate(numbers),
        },
        INTEGER_FIELDS,
        FLOAT_FIELDS,
    )
