"""What the kernel works on, packed: the shape of a model and its data as two flat arrays.

One compiled program serves all models, so the model is data to it. `pack` writes named arrays into
one integer and one float array, which travel as PyTensor constants or as C pointers; `unpack` reads
them back inside Numba as views. `elements` is the third array: the model matrices of every group,
one after the other, in the order of structure.py's `MATRICES`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bayessem.errors import DataError
from bayessem.likelihood.products import NO_PRODUCTS, ProductPlan
from bayessem.likelihood.views import views

# Quadrature of one square: nodes reach to exp(-REACH) of the peak, STEP times the distance at which
# the log integrand has dropped by 2 apart (see integral.py). lattice.py starts from the same two.
REACH = 20.0
STEP = 0.25

ROUTES = ("sums", "one", "contour", "grid")
ROUTED = ROUTES[2:]  # those with a routine that is compiled by itself (external.py)
SUMS, ONE, CONTOUR, GRID = range(4)

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
    "pattern_terms_at",
    "product_order",
    "product_at",
    "product_factors",
    "factors",
    "observed_factors",
    "monomial_product",
    "weight_of",
    "data_exponent",
    "node_of",
    "node_exponent",
    "node_lower",
    "node_pair",
    "columns",
    "column_part",
    "curved",
    "curve_pair",
    "proper",
)
FLOAT_FIELDS = ("quadrature", "pattern_weight", "numbers")


class Plan(NamedTuple):
    """Views of the packed arrays, by name.

    sizes : observed p, latent m, products h, groups, patterns, factors f, integrated k, monomials,
        observed factors o, node monomials, place of the route in ROUTES, outcome.
    pattern_* : one entry a missingness pattern of a group: its group, number of respondents,
        number of observed variables, where its list of variables starts in `pattern_variables`,
        where its means, covariance (divisor n) and rows start in `numbers`, and where the sums of
        its monomials do, if all factors of products are observed: over the respondents of c (c,),
        of their products with the deviations of the variables from the means (width, c), and of
        c c' (c, c).
    product_* to curve_pair : see products.py; node_lower and node_pair are its `lower` and `pair`.
    proper : covariance blocks that must be positive definite by themselves, one after the other:
        0 for disturbances or 1 for residuals, group, number of variables, their indices.
    quadrature : reach, step.
    pattern_weight : what the weights of a pattern's respondents sum to: without weights, how many
        there are. Means, covariances and sums are weighted.
    ints, floats : the packed arrays themselves.
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
    pattern_terms_at: np.ndarray
    product_order: np.ndarray
    product_at: np.ndarray
    product_factors: np.ndarray
    factors: np.ndarray
    observed_factors: np.ndarray
    monomial_product: np.ndarray
    weight_of: np.ndarray
    data_exponent: np.ndarray
    node_of: np.ndarray
    node_exponent: np.ndarray
    node_lower: np.ndarray
    node_pair: np.ndarray
    columns: np.ndarray
    column_part: np.ndarray
    curved: np.ndarray
    curve_pair: np.ndarray
    proper: np.ndarray
    quadrature: np.ndarray
    pattern_weight: np.ndarray
    numbers: np.ndarray
    ints: np.ndarray
    floats: np.ndarray


def pack(
    fields: dict[str, np.ndarray], integer_fields: Sequence[str], float_fields: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Write the named arrays into one int64 and one float64 array, the first with a header.

    The header holds where each integer array starts and the last one ends, then the same for
    floats.
    """

    def join(names: Sequence[str], dtype: type) -> tuple[np.ndarray, list[int]]:
        arrays: list[np.ndarray] = [np.asarray(fields[name], dtype=dtype).ravel() for name in names]
        return np.concatenate(arrays), np.cumsum([0] + [a.size for a in arrays]).tolist()

    integers, integer_at = join(integer_fields, np.int64)
    floats, float_at = join(float_fields, np.float64)
    header = np.array(integer_at + float_at, dtype=np.int64)
    header[: len(integer_at)] += header.size
    return np.concatenate([header, integers]), floats


unpack = views(Plan, INTEGER_FIELDS, FLOAT_FIELDS)


@dataclass(frozen=True)
class Pattern:
    """Respondents of one group with the same variables observed."""

    group: int
    variables: np.ndarray  # (observed in the pattern,) column index
    rows: np.ndarray  # (respondent, observed in the pattern)
    mean: np.ndarray
    covariance: np.ndarray  # divisor n
    count: int
    weights: np.ndarray  # (respondent,)


def pattern_from_rows(
    group: int, variables: np.ndarray, rows: np.ndarray, weights: np.ndarray | None = None
) -> Pattern:
    """Sufficient statistics of the rows of one pattern, weighted (by default by 1 each).

    Where all weights are 0 the moments are those of equal weights: they are counted 0 times.
    """
    if weights is None:
        mean = rows.mean(axis=0)
        centred = rows - mean
        covariance = centred.T @ centred / len(rows)
        return Pattern(group, variables, rows, mean, covariance, len(rows), np.ones(len(rows)))
    share = weights if weights.any() else np.ones(len(rows))
    share = share / share.sum()
    mean = share @ rows
    centred = rows - mean
    covariance = (share[:, None] * centred).T @ centred
    return Pattern(group, variables, rows, mean, covariance, len(rows), weights)


def _check_observed_factors(
    patterns: Sequence[Pattern], products: ProductPlan, names: Sequence[str]
) -> None:
    """An observed variable in a product term must be there for every respondent."""
    for column in products.observed.tolist():
        missing = sum(x.count for x in patterns if column not in x.variables)
        if missing:
            name = names[column] if names else f"observed variable {column}"
            raise DataError(
                f"{name} is in a product term and missing for {missing} respondents; leave those "
                "respondents out, or impute it before the fit"
            )


def _sums_of_monomials(pattern: Pattern, products: ProductPlan) -> list[np.ndarray]:
    """What the likelihood needs to know of products of observed variables (`pattern_terms_at`)."""
    at = [pattern.variables.tolist().index(column) for column in products.observed.tolist()]
    monomials = products.data_monomials(pattern.rows[:, at])
    weighted = pattern.weights[:, None] * monomials
    deviations = pattern.rows - pattern.mean
    sums = (weighted.sum(axis=0), deviations.T @ weighted, monomials.T @ weighted)
    return [np.ascontiguousarray(array, dtype=np.float64).ravel() for array in sums]


def _data(patterns: Sequence[Pattern], products: ProductPlan) -> dict[str, np.ndarray]:
    """What patterns say, one after the other, and where it is."""
    numbers: list[np.ndarray] = []
    starts: dict[str, list[int]] = {f"pattern_{x}_at": [] for x in ("mean", "cov", "rows", "terms")}
    at = 0
    for x in patterns:
        for array, where in zip((x.mean, x.covariance, x.rows), starts, strict=False):
            starts[where].append(at)
            numbers.append(np.ascontiguousarray(array, dtype=np.float64).ravel())
            at += numbers[-1].size
        if products.route == "sums" and len(products.weight_of):
            starts["pattern_terms_at"].append(at)
            numbers += _sums_of_monomials(x, products)
            at += sum(array.size for array in numbers[-3:])
    places = {name: np.array(found, dtype=np.int64) for name, found in starts.items()}
    return {**places, "numbers": np.concatenate(numbers)}


def build_plan(
    shape: tuple[int, int, int],
    patterns: Sequence[Pattern],
    *,
    groups: int = 1,
    products: ProductPlan = NO_PRODUCTS,
    proper: Sequence[tuple[int, int, Sequence[int]]] = (),
    reach: float = REACH,
    step: float = STEP,
    names: Sequence[str] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Pack a model's shape (p, m, h), its data by pattern and its product terms for the kernel.

    Parameters
    ----------
    shape : numbers of observed variables, latent variables and product terms.
    patterns : respondents by group and missingness pattern, the groups in order.
    groups : number of groups.
    products : see products.py.
    proper : covariance blocks to be checked for positive definiteness: (0 disturbances or
        1 residuals, group, indices of the variables).
    reach, step : of the quadrature, above.
    names : names of the p observed variables, for messages.

    Raises
    ------
    DataError
        When a respondent lacks an observed variable that is in a product term.
    """
    p, m, h = shape
    _check_observed_factors(patterns, products, names)
    widths = [len(x.variables) for x in patterns]
    sizes = [
        p,
        m,
        h,
        groups,
        len(patterns),
        len(products.factors),
        products.integrated,
        len(products.weight_of),
        len(products.observed),
        len(products.node_exponent),
        ROUTES.index(products.route),
        products.outcome,
    ]
    return pack(
        {
            "sizes": np.array(sizes),
            "pattern_group": np.array([x.group for x in patterns]),
            "pattern_count": np.array([x.count for x in patterns]),
            "pattern_width": np.array(widths),
            "pattern_at": np.cumsum([0, *widths[:-1]]),
            "pattern_variables": np.concatenate([x.variables for x in patterns]),
            **_data(patterns, products),
            "product_order": products.order,
            "product_at": products.factor_at,
            "product_factors": products.multiplied,
            "factors": products.factors,
            "observed_factors": products.observed,
            "monomial_product": products.monomial_product,
            "weight_of": products.weight_of,
            "data_exponent": products.data_exponent,
            "node_of": products.node_of,
            "node_exponent": products.node_exponent,
            "node_lower": products.lower,
            "node_pair": products.pair,
            "columns": products.columns,
            "column_part": products.column_part,
            "curved": products.curved,
            "curve_pair": products.curve_pair,
            "proper": np.array(
                [x for kind, g, block in proper for x in (kind, g, len(block), *block)],
                dtype=np.int64,
            ),
            "quadrature": np.array([reach, step]),
            "pattern_weight": np.array([x.weights.sum() for x in patterns]),
        },
        INTEGER_FIELDS,
        FLOAT_FIELDS,
    )
