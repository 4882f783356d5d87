"""The posterior density of a model as an object: what the optimiser and the sampler see.

Its value, gradient and matrices are the compiled program of evaluation.py, called by entry.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from bayessem.likelihood.laplace_plan import LAPLACE_MARK, drop_points
from bayessem.likelihood.plan import pack
from bayessem.posterior.centring import Shift
from bayessem.posterior.entry import Calls
from bayessem.posterior.hierarchies import Hierarchy
from bayessem.posterior.moves import MOVES
from bayessem.posterior.program import (
    FLAT,
    FLOAT_FIELDS,
    FOLD,
    IDENTITY,
    INTEGER_FIELDS,
    LOADING,
    LOG,
    NORMAL,
    SOFT,
    STUDENT_T,
)
from bayessem.posterior.thresholds import ITEM, to_cubes
from bayessem.posterior.transforms import loading_coordinate


@dataclass(frozen=True)
class Density:
    """A packed density: what the optimiser and the sampler see.

    names : the D parameters;  fields : the program by field;  plan : packed model and data.
    shown : where the likelihood has other matrices than the model (item_products.py), a density
        that fills those of the model.
    """

    names: tuple[str, ...]
    fields: dict[str, np.ndarray]
    program: np.ndarray
    numbers: np.ndarray
    ints: np.ndarray
    floats: np.ndarray
    respondents: int
    shown: "Density | None" = None

    @property
    def size(self) -> int:
        """Number of parameters."""
        return len(self.names)

    @cached_property
    def calls(self) -> Calls:
        """The C functions that compute all this."""
        if self.fields["pool_at"].size or self.fields["item_alpha"].size:
            MOVES.load(0)
        return Calls(self.program, self.numbers, self.ints, self.floats)

    def __getstate__(self) -> dict[str, Any]:
        """Without the addresses of this process."""
        return {name: value for name, value in self.__dict__.items() if name != "calls"}

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
        return self.calls.value_and_gradient(x, gradient), gradient

    def natural(self, x: np.ndarray) -> np.ndarray:
        """Natural parameters of unconstrained points, (..., D) -> (..., D)."""
        points = np.ascontiguousarray(x, dtype=np.float64).reshape(-1, self.size)
        out = np.empty_like(points)
        self.calls.natural(points, out)
        return out.reshape(np.shape(x))

    def elements(self, values: np.ndarray) -> np.ndarray:
        """Model matrices (flat) of natural parameters, (..., D) -> (..., elements)."""
        if self.shown is not None:
            return self.shown.elements(values)
        points = np.ascontiguousarray(values, dtype=np.float64).reshape(-1, self.size)
        out = np.empty((len(points), self.fields["base"].size))
        self.calls.elements(points, out)
        return out.reshape((*np.shape(values)[:-1], -1))

    def respondent_log_likelihood(self, values: np.ndarray) -> np.ndarray:
        """Log p(y_i) of natural parameters, (..., D) -> (..., respondent)."""
        points = np.ascontiguousarray(values, dtype=np.float64).reshape(-1, self.size)
        out = np.empty((len(points), self.respondents))
        self.calls.respondents(points, out)
        return out.reshape((*np.shape(values)[:-1], self.respondents))

    @property
    def approximate(self) -> bool:
        """Whether the value is Laplace's approximation, and only the respondents' are exact."""
        return int(self.ints[0]) == LAPLACE_MARK

    def without_points(self) -> "Density":
        """The same density with approximate values of the respondents, too."""
        return replace(self, ints=drop_points(self.ints))

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
            f[n]
            for n in f
            if n.startswith(("scaled_", "number_"))
            and n not in ("scaled_at", "scaled_row", "number_at", "number_power")
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

    def answered(self, loadings: dict[int, float], bend: float) -> "Density":
        """The same density with ordered variables in the coordinates they are sampled in.

        Thresholds become those of latent responses with total variance 1, as distances from one in
        the middle (thresholds.py). A loading becomes `loading_coordinate` of loading s where the
        construct has standard deviation s.

        loadings : s by the coordinate of a loading without bounds.
        bend : of `loading_coordinate`.
        """
        transform = np.array(self.fields["transform"])
        lower = np.array(self.fields["lower"], dtype=np.float64)
        upper = np.array(self.fields["upper"], dtype=np.float64)
        for k, sd in loadings.items():
            if transform[k] == IDENTITY:
                transform[k], lower[k], upper[k] = LOADING, bend, sd
        return self._changed(transform=transform, lower=lower, upper=upper, item_cubed=np.ones(1))

    def answered_point(self, x: np.ndarray) -> np.ndarray:
        """Coordinates of a point (D,) of the density from which `answered` made this one."""
        f, out = self.fields, np.array(x, dtype=np.float64)
        curved = f["transform"] == LOADING
        for k in np.flatnonzero(curved):
            out[k] = loading_coordinate(out[k] * f["upper"][k], f["lower"][k])
        natural, at = self.natural(out), 0  # loadings; the thresholds are not yet coordinates
        for first, count, anchor, loadings in np.reshape(f["item_at"], (-1, ITEM)).astype(int):
            which = np.asarray(f["item_loading"], dtype=int)[at : at + loadings]
            by = np.asarray(f["item_by"])[at : at + loadings]
            scale = np.sqrt(1.0 + np.sum((by * np.where(which < 0, 1.0, natural[which])) ** 2))
            out[first : first + count] = to_cubes(x[first : first + count], scale, anchor)
            at += loadings
        return out

    def with_plan(self, other: "Density") -> "Density":
        """The same density with the data of another one, such as other nodes."""
        plan = (other.ints, other.floats)
        changed = build_density(self.names, self.fields, plan, respondents=self.respondents)
        return replace(changed, shown=self.shown)

    def _changed(self, **fields: np.ndarray) -> "Density":
        changed = build_density(
            self.names,
            {**self.fields, **fields},
            (self.ints, self.floats),
            respondents=self.respondents,
        )
        return replace(changed, shown=self.shown)

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
    prefixes = ("pool_", "row_", "scaled_", "number_", "shift_", "item_")
    optional = ("centre", "whitening", *(n for n in names_of if n.startswith(prefixes)))
    fields = {**{name: np.empty(0) for name in optional}, **fields}
    program, numbers = pack(fields, INTEGER_FIELDS, FLOAT_FIELDS)
    return Density(tuple(names), fields, program, numbers, *plan, respondents)
