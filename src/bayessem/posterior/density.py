"""The posterior density of a model on unconstrained parameters, as one Numba program.

x (unconstrained) -> raw (by element: identity, log, logit; or folded at 0, see `folded`) -> v
(natural: partial correlations of a block become correlations; extended by the numbers
m exp(tau z)) -> cells (sums of products such as sd^2, r sd sd or mu + tau z) -> model matrices ->
likelihood; and the chain rule back. Priors are evaluated on raw, by family code. Maximum likelihood
is the same program with identity transforms, flat priors and cells that are the parameters
themselves.

The PyMC model of the same table (pymc_model.py) is the definition; the tests hold the two to the
same log-probability and gradient.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayessem.likelihood.compiled import compiled
from bayessem.likelihood.entry import log_likelihood, respondent_log_likelihood
from bayessem.likelihood.plan import pack
from bayessem.posterior.centring import Shift, pull_intercepts, to_intercepts
from bayessem.posterior.correlations import partials_to_correlations, pull_correlations
from bayessem.posterior.hierarchies import Hierarchy, balance, pull_balance
from bayessem.posterior.program import (
    FLAT,
    FLOAT_FIELDS,
    FOLD,
    IDENTITY,
    INTEGER_FIELDS,
    LOG,
    NORMAL,
    SOFT,
    STUDENT_T,
    layout_of,
)
from bayessem.posterior.transforms import log_prior, transform


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
    for b in range(layout.row_at.size):
        rows = v[layout.row_at[b] : layout.row_at[b] + layout.row_size[b]]
        power = layout.row_power[b]
        total = 1.0 + np.sum(rows * rows)
        value -= power * np.log(total)
        for i in range(layout.row_at[b], layout.row_at[b] + layout.row_size[b]):
            d_prior[i] -= 2.0 * power * v[i] / total  # they have no transform
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
def _extended(layout):
    """How many numbers v has: parameters, constants and scaled numbers."""
    return layout.transform.size + layout.fixed.size + layout.scaled_base.size


@compiled
def _fill(layout, v, elements):
    """Model matrices from the natural parameters; completes v by the scaled numbers."""
    first = v.size - layout.scaled_base.size
    term, square = 0, 0
    for i in range(layout.scaled_base.size):
        exponent, norm = 0.0, 1.0
        while term < layout.scaled_at.size and layout.scaled_at[term] == i:
            exponent += (
                v[layout.scaled_a[term]] * v[layout.scaled_b[term]] * v[layout.scaled_c[term]]
            )
            term += 1
        while square < layout.scaled_row.size and layout.scaled_row[square] == i:
            norm += v[layout.scaled_square[square]] ** 2
            square += 1
        v[first + i] = v[layout.scaled_base[i]] * np.exp(exponent) / np.sqrt(norm)
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
    first = v.size - layout.scaled_base.size
    term, end = layout.scaled_at.size, layout.scaled_row.size
    for i in range(layout.scaled_base.size - 1, -1, -1):
        base = layout.scaled_base[i]
        g = d_v[first + i] * v[first + i]
        d_v[base] += g / v[base]
        while term > 0 and layout.scaled_at[term - 1] == i:
            term -= 1
            ia, ib, ic = layout.scaled_a[term], layout.scaled_b[term], layout.scaled_c[term]
            d_v[ia] += g * v[ib] * v[ic]
            d_v[ib] += g * v[ia] * v[ic]
            d_v[ic] += g * v[ia] * v[ib]
        start, norm = end, 1.0
        while start > 0 and layout.scaled_row[start - 1] == i:
            start -= 1
            norm += v[layout.scaled_square[start]] ** 2
        for s in range(start, end):
            d_v[layout.scaled_square[s]] -= g * v[layout.scaled_square[s]] / norm
        end = start


@compiled
def log_density(point, program, numbers, ints, floats, gradient):
    """Log prior + log Jacobian + log-likelihood at an unconstrained point, and its gradient."""
    layout = layout_of(program, numbers)
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
    v = np.empty(_extended(layout))
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
    layout = layout_of(program, numbers)
    d = layout.transform.size
    v = np.empty(_extended(layout))
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
    layout = layout_of(program, numbers)
    d = layout.transform.size
    v = np.empty(_extended(layout))
    v[d : d + layout.fixed.size] = layout.fixed
    for i in range(values.shape[0]):
        v[:d] = values[i]
        _fill(layout, v, out[i])


@compiled
def respondent_values(values, program, numbers, ints, floats, out):
    """Log p(y_i) for many natural parameter vectors: (n, D) -> out (n, respondent)."""
    layout = layout_of(program, numbers)
    d = layout.transform.size
    v = np.empty(_extended(layout))
    v[d : d + layout.fixed.size] = layout.fixed
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

    @property
    def units(self) -> np.ndarray:
        """What counts as a small or a large change of each coordinate, (D,).

        The scale of the prior of a coordinate that is a parameter itself, that of a folded or
        softened standard deviation; 1 on scales without units, such as logs.
        """
        f = self.fields
        spread = np.reshape(f["hyper"], (-1, 3))[:, 1]
        own = (f["transform"] == IDENTITY) & np.isin(f["family"], (NORMAL, STUDENT_T))
        on_sd = np.isin(f["transform"], (FOLD, SOFT))
        return np.where(own, spread, np.where(on_sd, f["upper"], 1.0))

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
        """Coordinates on the log scale that end at 0, without those of balanced hierarchies.

        Those have been given their coordinates already (hierarchies.py).
        """
        out = (self.fields["transform"] == LOG) & (self.fields["lower"] == 0.0)
        own = np.asarray(self.fields["pool_at"], dtype=np.int64).reshape(-1, 4)[:, [0, 2]]
        out[own[own >= 0]] = False
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
        scaling = [
            f[n] for n in f if n.startswith("scaled_") and n not in ("scaled_at", "scaled_row")
        ]
        smooth &= ~np.isin(np.arange(self.size), np.concatenate(scaling))
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
    prefixes = ("pool_", "row_", "scaled_", "shift_")
    optional = ("centre", "whitening", *(n for n in names_of if n.startswith(prefixes)))
    fields = {**{name: np.empty(0) for name in optional}, **fields}
    program, numbers = pack(fields, INTEGER_FIELDS, FLOAT_FIELDS)
    return Density(tuple(names), fields, program, numbers, *plan, respondents)
