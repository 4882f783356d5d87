"""A density as data: what stands in the two arrays that the compiled functions read."""

from typing import NamedTuple

import numpy as np

from bayessem.likelihood.views import views

# transforms
IDENTITY, LOG, INTERVAL, BELOW, FOLD, SOFT, LOADING = range(7)
# families (unnormalised; their constants are summed in `constant`)
FLAT, NORMAL, STUDENT_T, GAMMA, INVERSE_GAMMA, EXPONENTIAL, LOG_NORMAL, BETA = range(8)

INTEGER_FIELDS = (
    "transform",
    "family",
    "block_size",
    "block_at",
    "term_cell",
    "term_a",
    "term_b",
    "term_c",
    "scaled_base",
    "scaled_at",
    "scaled_a",
    "scaled_b",
    "scaled_c",
    "scaled_row",
    "scaled_square",
    "number_at",
    "number_a",
    "number_b",
    "number_c",
    "place_cell",
    "place_element",
    "pool_at",
    "pool_member",
    "pool_link",
    "row_at",
    "row_size",
    "shift_at",
    "item_at",
    "item_loading",
    "item_cubed",
)
FLOAT_FIELDS = (
    "lower",
    "upper",
    "hyper",
    "constant",
    "fixed",
    "base",
    "centre",
    "whitening",
    "pool_prior",
    "pool_data",
    "row_power",
    "shift_by",
    "item_alpha",
    "item_by",
    "number_power",
)


class Layout(NamedTuple):
    """Views of the packed program, by name (sizes: D parameters).

    transform, family : (D,) codes;  lower, upper : (D,) bounds of LOG (lower) and INTERVAL (both);
        upper is the scale of FOLD, of SOFT and of LOADING, whose bend lower is.
    hyper : (3 D,) hyperparameters;  constant : (1,) sum of the log normalising constants.
    block_size, block_at : complete correlation blocks of 3 or more variables: number of variables
        and position of their first partial correlation (row by row below the diagonal).
    term_* : a cell is the sum of its terms v[a] v[b] v[c], with v extended by the numbers `fixed`,
        then by the scaled numbers, then by the sums to a power.
    scaled_* : numbers v[base] exp(sum of terms v[a] v[b] v[c]) / sqrt(1 + sum of v[square]^2), one
        after the other; scaled_at and scaled_row say which number a term and a square are of, and
        are sorted.
    number_* : sums of terms v[a] v[b] v[c] to a power, one after the other; number_at says which
        sum a term is of, and is sorted.
    place_* : which cell goes to which element of the matrices; the rest is `base`.
    centre, whitening : x = centre + whitening u when the density is wanted in u; else empty.
    pool_* : hierarchies that are sampled in balanced coordinates (hierarchies.py), else empty.
        pool_at (4 P,): coordinates of mu, delta (-1: none) and tau (-1: fixed), number of groups.
        pool_member : coordinates of the z of every group, hierarchy after hierarchy.
        pool_link (3 a link): where z of one hierarchy is in the deviations of a later one: number
            of the later, coordinate of its coefficient, number of the earlier.
        pool_prior (5 P,): precision and precision times mean of mu and of delta, tau where fixed.
        pool_data (3 a member): predictor w; precision and precision times estimate of beta_g.
    row_* : coordinates that have a multivariate t prior together: the first, how many, and the
        power of 1 / (1 + sum of squares) in it (the constant is in `constant`).
    shift_* : terms of intercepts that are sampled at the covariates' means (centring.py): intercept
        and three factors (-1: none) a term, and the number their product is multiplied by.
    item_* : ordered variables, whose thresholds have a joint prior or coordinates (thresholds.py).
        item_at (4 an item): first threshold, how many, which is the anchor, number of loadings.
        item_loading, item_by : coordinate of each loading (-1: fixed) and the standard deviation it
        is multiplied by (or the product). item_alpha : of the induced Dirichlet, 0 for own priors.
        item_cubed (1,) : whether thresholds are sampled as distances (1) or as they are (0).
    """

    transform: np.ndarray
    family: np.ndarray
    block_size: np.ndarray
    block_at: np.ndarray
    term_cell: np.ndarray
    term_a: np.ndarray
    term_b: np.ndarray
    term_c: np.ndarray
    scaled_base: np.ndarray
    scaled_at: np.ndarray
    scaled_a: np.ndarray
    scaled_b: np.ndarray
    scaled_c: np.ndarray
    scaled_row: np.ndarray
    scaled_square: np.ndarray
    number_at: np.ndarray
    number_a: np.ndarray
    number_b: np.ndarray
    number_c: np.ndarray
    place_cell: np.ndarray
    place_element: np.ndarray
    pool_at: np.ndarray
    pool_member: np.ndarray
    pool_link: np.ndarray
    row_at: np.ndarray
    row_size: np.ndarray
    shift_at: np.ndarray
    item_at: np.ndarray
    item_loading: np.ndarray
    item_cubed: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    hyper: np.ndarray
    constant: np.ndarray
    fixed: np.ndarray
    base: np.ndarray
    centre: np.ndarray
    whitening: np.ndarray
    pool_prior: np.ndarray
    pool_data: np.ndarray
    row_power: np.ndarray
    shift_by: np.ndarray
    item_alpha: np.ndarray
    item_by: np.ndarray
    number_power: np.ndarray


layout_of = views(Layout, INTEGER_FIELDS, FLOAT_FIELDS)
