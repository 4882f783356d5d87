"""The posterior density of a model on unconstrained parameters, as one Numba program.

x (unconstrained) -> raw (by element: identity, log, logit; or folded at 0, see `folded`) -> v
(natural: partial correlations of a block become correlations) -> cells (sums of products such as
sd^2, r sd sd or mu + tau z) -> model matrices -> likelihood; and the chain rule back. Priors are
evaluated on raw, by family code. Maximum likelihood is the same program with identity transforms,
flat priors and cells that are the parameters themselves.

The PyMC model of the same table (pymc_model.py) is the definition; the tests hold the two to the
same log-probability and gradient.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.entry import log_likelihood, respondent_log_likelihood
from bayessem.likelihood.plan import pack
from bayessem.posterior.centring import Shift, pull_intercepts, to_intercepts
from bayessem.posterior.hierarchies import Hierarchy, balance, pull_balance
from bayessem.posterior.transforms import log_prior, transform

# transforms
IDENTITY, LOG, INTERVAL, BELOW, FOLD, SOFT = range(6)
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
    "place_cell",
    "place_element",
    "pool_at",
    "pool_member",
    "pool_link",
    "shift_at",
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
    "shift_by",
)


class Layout(NamedTuple):
    """Views of the packed program, by name (sizes: D parameters).

    transform, family : (D,) codes;  lower, upper : (D,) bounds of LOG (lower) and INTERVAL (both);
        upper is the scale of FOLD and of SOFT.
    hyper : (3 D,) hyperparameters;  constant : (1,) sum of the log normalising constants.
    block_size, block_at : complete correlation blocks of 3 or more variables: number of variables
        and position of their first partial correlation (row by row below the diagonal).
    term_* : a cell is the sum of its terms v[a] v[b] v[c], with v extended by the numbers `fixed`.
    place_* : which cell goes to which element of the matrices; the rest is `base`.
    centre, whitening : x = centre + whitening u when the density is wanted in u; else empty.
    pool_* : hierarchies that are sampled in balanced coordinates (hierarchies.py), else empty.
        pool_at (4 P,): coordinates of mu, delta (-1: none) and tau (-1: fixed), number of groups.
        pool_member : coordinates of the z of every group, hierarchy after hierarchy.
        pool_link (3 a link): where z of one hierarchy is in the deviations of a later one: number
            of the later, coordinate of its coefficient, number of the earlier.
        pool_prior (5 P,): precision and precision times mean of mu and of delta, tau where fixed.
        pool_data (3 a member): predictor w; precision and precision times estimate of beta_g.
    shift_* : terms of intercepts that are sampled at the covariates' means (centring.py): intercept
        and three factors (-1: none) a term, and the number their product is multiplied by.
    """

    transform: np.ndarray
    family: np.ndarray
    block_size: np.ndarray
    block_at: np.ndarray
    term_cell: np.ndarray
    term_a: np.ndarray
    term_b: np.ndarray
    term_c: np.ndarray
    place_cell: np.ndarray
    place_element: np.ndarray
    pool_at: np.ndarray
    pool_member: np.ndarray
    pool_link: np.ndarray
    shift_at: np.ndarray
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
    shift_by: np.ndarray


@compiled
def _layout(ints, floats):
    return Layout(
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
        floats[ints[15] : ints[16]],
        floats[ints[16] : ints[17]],
        floats[ints[17] : ints[18]],
        floats[ints[18] : ints[19]],
        floats[ints[19] : ints[20]],
        floats[ints[20] : ints[21]],
        floats[ints[21] : ints[22]],
        floats[ints[22] : ints[23]],
        floats[ints[23] : ints[24]],
        floats[ints[24] : ints[25]],
        floats[ints[25] : ints[26]],
    )


@compiled
def partials_to_correlations(partial, k, root, out):
    """Correlations below the diagonal, row by row, from canonical partial correlations.

    Lewandowski, Kurowicka & Joe (2009, doi:10.1016/j.jmva.2009.04.008). root (k, k) becomes the
    Cholesky factor: root[i, j] = partial_ij sqrt(1 - sum of the squares before it in row i).
    """
    at = 0
    for i in range(k):
        rest = 1.0
        for j in range(i):
            root[i, j] = partial[at + j] * np.sqrt(rest)
            rest -= root[i, j] * root[i, j]
        root[i, i] = np.sqrt(max(rest, 0.0))
        for j in range(i):
            s = 0.0
            for a in range(j + 1):
                s += root[i, a] * root[j, a]
            out[at + j] = s
        at += i


@compiled
def pull_correlations(partial, k, root, d_out, d_partial):
    """Adjoint of `partials_to_correlations`; overwrites d_partial."""
    d_root = np.zeros((k, k))
    at = 0
    for i in range(k):
        for j in range(i):
            g = d_out[at + j]
            for a in range(j + 1):
                d_root[i, a] += g * root[j, a]
                d_root[j, a] += g * root[i, a]
        at += i
    at = 0
    for i in range(k):
        # rest_j = rest_{j-1} - root_ij^2, from the diagonal back
        rest = root[i, i] * root[i, i]
        d_rest = 0.5 * d_root[i, i] / root[i, i] if root[i, i] > 0.0 else 0.0
        for j in range(i - 1, -1, -1):
            d_value = d_root[i, j] - 2.0 * root[i, j] * d_rest
            rest += root[i, j] * root[i, j]
            scale = np.sqrt(rest)
            d_partial[at + j] = d_value * scale
            d_rest += d_value * partial[at + j] * 0.5 / scale
        at += i


@compiled
def _natural(layout, x, v, slope, d_prior):
    """Fill the natural parameters v (extended by the constants); returns log prior + log Jacobian.

    slope becomes d raw / d x and d_prior the derivative of the returned value by x.
    """
    d = layout.transform.size
    value = layout.constant[0]
    for i in range(d):
        raw, s, log_s, d_log_s = transform(
            layout.transform[i], x[i], layout.lower[i], layout.upper[i]
        )
        prior, d_raw = log_prior(
            layout.family[i],
            raw,
            layout.hyper[3 * i],
            layout.hyper[3 * i + 1],
            layout.hyper[3 * i + 2],
            layout.lower[i],
            layout.upper[i],
        )
        v[i] = raw
        slope[i] = s
        value += prior + log_s
        d_prior[i] = d_raw * s + d_log_s
    for i in range(layout.fixed.size):
        v[d + i] = layout.fixed[i]
    return value


@compiled
def _correlate(layout, v):
    """Turn the partial correlations of the complete blocks inside v into correlations."""
    for b in range(layout.block_size.size):
        k = layout.block_size[b]
        part = v[layout.block_at[b] : layout.block_at[b] + k * (k - 1) // 2]
        partials_to_correlations(part.copy(), k, np.empty((k, k)), part)


@compiled
def _fill(layout, v, elements):
    """Model matrices from the natural parameters."""
    elements[:] = layout.base
    cells = np.zeros(layout.term_cell.size)
    for i in range(layout.term_cell.size):
        cells[layout.term_cell[i]] += (
            v[layout.term_a[i]] * v[layout.term_b[i]] * v[layout.term_c[i]]
        )
    for i in range(layout.place_cell.size):
        elements[layout.place_element[i]] = cells[layout.place_cell[i]]


@compiled
def _pull_fill(layout, v, d_elements, d_v):
    """Adjoint of `_fill`."""
    d_cells = np.zeros(layout.term_cell.size)
    d_v[:] = 0.0
    for i in range(layout.place_cell.size):
        d_cells[layout.place_cell[i]] += d_elements[layout.place_element[i]]
    for i in range(layout.term_cell.size):
        g = d_cells[layout.term_cell[i]]
        ia, ib, ic = layout.term_a[i], layout.term_b[i], layout.term_c[i]
        d_v[ia] += g * v[ib] * v[ic]
        d_v[ib] += g * v[ia] * v[ic]
        d_v[ic] += g * v[ia] * v[ib]


@compiled
def log_density(point, program, numbers, ints, floats, gradient):
    """Log prior + log Jacobian + log-likelihood at an unconstrained point, and its gradient."""
    layout = _layout(program, numbers)
    d = layout.transform.size
    white = layout.whitening.size > 0
    x = point
    if white:
        matrix = layout.whitening.reshape(d, d)
        x = layout.centre + np.dot(matrix, point)
    before = x
    pooled = layout.pool_at.size > 0
    jacobian = 0.0
    moved = pooled or layout.shift_by.size > 0
    if moved:
        x = before.copy()
        jacobian = balance(layout, x)
        to_intercepts(layout, x)
    v = np.empty(d + layout.fixed.size)
    slope = np.empty(d)
    d_prior = np.empty(d)
    value = _natural(layout, x, v, slope, d_prior) + jacobian
    raw = v[:d].copy()
    _correlate(layout, v)
    elements = np.empty(layout.base.size)
    _fill(layout, v, elements)
    d_elements = np.empty(layout.base.size)
    value += log_likelihood(elements, ints, floats, d_elements)
    d_v = np.empty(v.size)
    _pull_fill(layout, v, d_elements, d_v)
    for b in range(layout.block_size.size):
        k = layout.block_size[b]
        at = layout.block_at[b]
        end = at + k * (k - 1) // 2
        root = np.empty((k, k))
        partials_to_correlations(raw[at:end], k, root, np.empty(end - at))
        d_block = d_v[at:end].copy()
        pull_correlations(raw[at:end], k, root, d_block, d_v[at:end])
    d_x = np.empty(d)
    for i in range(d):
        d_x[i] = d_v[i] * slope[i] + d_prior[i]
    if moved:
        pull_intercepts(layout, x, d_x)
        pull_balance(layout, x, before, d_x)
    if white:
        d_x = np.dot(matrix.T, d_x)
    gradient[:] = d_x
    return value


@compiled
def natural_values(points, program, numbers, out):
    """Natural parameters of many unconstrained points: (n, D) -> out (n, D); no whitening."""
    layout = _layout(program, numbers)
    d = layout.transform.size
    v = np.empty(d + layout.fixed.size)
    slope, d_prior = np.empty(d), np.empty(d)
    for i in range(points.shape[0]):
        x = points[i].copy()
        balance(layout, x)
        to_intercepts(layout, x)
        _natural(layout, x, v, slope, d_prior)
        _correlate(layout, v)
        out[i] = v[:d]


@compiled
def matrix_elements(values, program, numbers, out):
    """Model matrices of many natural parameter vectors: (n, D) -> out (n, elements)."""
    layout = _layout(program, numbers)
    d = layout.transform.size
    v = np.empty(d + layout.fixed.size)
    v[d:] = layout.fixed
    for i in range(values.shape[0]):
        v[:d] = values[i]
        _fill(layout, v, out[i])


@compiled
def respondent_values(values, program, numbers, ints, floats, out):
    """Log p(y_i) for many natural parameter vectors: (n, D) -> out (n, respondent)."""
    layout = _layout(program, numbers)
    d = layout.transform.size
    v = np.empty(d + layout.fixed.size)
    v[d:] = layout.fixed
    elements = np.empty(layout.base.size)
    for i in range(values.shape[0]):
        v[:d] = values[i]
        _fill(layout, v, elements)
        respondent_log_likelihood(elements, ints, floats, out[i])


@dataclass(frozen=True)
class Density:
    """A packed density: what the optimiser and the sampler see.

    names : the D parameters;  fields : the program by field;  plan : packed model and data.
    """

    names: tuple[str, ...]
    fields: dict[str, np.ndarray]
    program: np.ndarray
    numbers: np.ndarray
    ints: np.ndarray
    floats: np.ndarray
    respondents: int

    @property
    def size(self) -> int:
        """Number of parameters."""
        return len(self.names)

    def value_and_gradient(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Log-density and gradient at x (D,)."""
        gradient = np.empty(self.size)
        x = np.ascontiguousarray(x, dtype=np.float64)
        value = log_density(x, self.program, self.numbers, self.ints, self.floats, gradient)
        return value, gradient

    def natural(self, x: np.ndarray) -> np.ndarray:
        """Natural parameters of unconstrained points, (..., D) -> (..., D)."""
        points = np.ascontiguousarray(x, dtype=np.float64).reshape(-1, self.size)
        out = np.empty_like(points)
        natural_values(points, self.program, self.numbers, out)
        return out.reshape(np.shape(x))

    def elements(self, values: np.ndarray) -> np.ndarray:
        """Model matrices (flat) of natural parameters, (..., D) -> (..., elements)."""
        points = np.ascontiguousarray(values, dtype=np.float64).reshape(-1, self.size)
        out = np.empty((len(points), self.fields["base"].size))
        matrix_elements(points, self.program, self.numbers, out)
        return out.reshape((*np.shape(values)[:-1], -1))

    def respondent_log_likelihood(self, values: np.ndarray) -> np.ndarray:
        """Log p(y_i) of natural parameters, (..., D) -> (..., respondent)."""
        points = np.ascontiguousarray(values, dtype=np.float64).reshape(-1, self.size)
        out = np.empty((len(points), self.respondents))
        respondent_values(points, self.program, self.numbers, self.ints, self.floats, out)
        return out.reshape((*np.shape(values)[:-1], self.respondents))

    def folded(self, which: np.ndarray, scale: np.ndarray) -> "Density":
        """The same density with the standard deviations in `which` (D,) bool folded at 0.

        A standard deviation whose posterior reaches 0 has a long tail on the log scale, where
        samplers get stuck. Folded, it is an even function of a real x: |x| near 0, and such that
        its square, the variance, is linear in |x| beyond `scale` (D,), since likelihoods are
        nearly normal in variances. The density is smooth across 0: the likelihood depends on the
        square, and the priors that qualify are even functions.
        """
        return self._changed(
            transform=np.where(which, FOLD, self.fields["transform"]),
            upper=np.where(which, scale, self.fields["upper"]),
        )

    def softened(self, which: np.ndarray, scale: np.ndarray) -> "Density":
        """The same density with the standard deviations in `which` (D,) bool linear beyond `scale`.

        On the log scale the way to 0 has no end, and a chain that strays there comes back after
        dozens of draws. Here a standard deviation is s log(1 + exp(x / s)), s its `scale` (D,):
        about x where x is larger than s, and below it a tail as short as s.
        """
        return self._changed(
            transform=np.where(which, SOFT, self.fields["transform"]),
            upper=np.where(which, scale, self.fields["upper"]),
        )

    @property
    def positive(self) -> np.ndarray:
        """Coordinates on the log scale that end at 0, without the taus of balanced hierarchies.

        Those have been given their coordinates already (hierarchies.py).
        """
        out = (self.fields["transform"] == LOG) & (self.fields["lower"] == 0.0)
        taus = np.asarray(self.fields["pool_at"], dtype=np.int64)[2::4]
        out[taus[taus >= 0]] = False
        return out

    @property
    def foldable(self) -> np.ndarray:
        """What `folded` may take: positive coordinates with an even prior that enter as squares."""
        f = self.fields
        location = np.reshape(f["hyper"], (-1, 3))[:, 0]
        even = np.isin(f["family"], (FLAT, NORMAL, STUDENT_T)) & (location == 0.0)
        # r sd sd' or tau z have a kink where the sd is folded at 0; sd^2 has none
        factors = np.array([f["term_a"], f["term_b"], f["term_c"]])
        odd = [(factors == i).sum(axis=0) % 2 == 1 for i in range(self.size)]
        smooth = ~np.any(odd, axis=1)
        return (f["transform"] == LOG) & (f["lower"] == 0.0) & even & smooth

    def balanced(self, hierarchies: Sequence[Hierarchy]) -> "Density":
        """The same density with the given hierarchies in balanced coordinates (hierarchies.py)."""
        return self._changed(
            pool_at=np.array([(h.mu, h.delta, h.tau, len(h.members)) for h in hierarchies]).ravel(),
            pool_member=np.array([k for h in hierarchies for k in h.members]),
            pool_link=np.array(
                [(p, *link) for p, h in enumerate(hierarchies) for link in h.links]
            ).ravel(),
            pool_prior=np.array([(*h.mu_prior, *h.delta_prior, h.sd) for h in hierarchies]).ravel(),
            pool_data=np.array(
                [
                    row
                    for h in hierarchies
                    for row in zip(h.predictor, h.precision, h.information, strict=True)
                ]
            ).ravel(),
        )

    def centred(self, shifts: Sequence[Shift]) -> "Density":
        """The same density with intercepts at the covariates' means (centring.py)."""
        return self._changed(
            shift_at=np.array([s.packed for s in shifts]).ravel(),
            shift_by=np.array([s.by for s in shifts]),
        )

    def _changed(self, **fields: np.ndarray) -> "Density":
        return build_density(
            self.names,
            {**self.fields, **fields},
            (self.ints, self.floats),
            respondents=self.respondents,
        )

    def whitened(self, centre: np.ndarray, matrix: np.ndarray) -> "Density":
        """The same density as a function of u, x = centre + matrix u (without log|matrix|)."""
        return self._changed(centre=centre, whitening=matrix)


def build_density(
    names: Sequence[str],
    fields: dict[str, np.ndarray],
    plan: tuple[np.ndarray, np.ndarray],
    *,
    respondents: int,
) -> Density:
    """Pack a program (fields of `Layout`) together with a packed plan."""
    names_of = (*INTEGER_FIELDS, *FLOAT_FIELDS)
    optional = ("centre", "whitening", *(n for n in names_of if n.startswith(("pool_", "shift_"))))
    fields = {**{name: np.empty(0) for name in optional}, **fields}
    program, numbers = pack(fields, INTEGER_FIELDS, FLOAT_FIELDS)
    return Density(tuple(names), fields, program, numbers, *plan, respondents)
