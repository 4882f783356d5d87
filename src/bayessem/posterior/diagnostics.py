"""Did the sampler do its work? R-hat, effective sample sizes, divergences, energy, and advice.

Thresholds: Vehtari, Gelman, Simpson, Carpenter & Buerkner (2021, doi:10.1214/20-BA1221), R-hat
below 1.01 and bulk and tail effective sample sizes of 400; Betancourt (2016, arXiv:1604.00695),
E-BFMI above 0.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from bayessem.posterior.mixing import SHORTEST, mixing
from bayessem.posterior.smoothing import good_k
from bayessem.text.described import Described
from bayessem.text.document import Document, Lines, Paragraph

RHAT, ESS, BFMI = 1.01, 400.0, 0.3
# Share of draws that may end at the edge of positive definite matrices.
WALLS = 0.01
# Errors of the farthest draws below this are not worth a word.
QUIET_TAIL = 1e-3


def convergence(values: np.ndarray) -> pd.DataFrame:
    """R-hat and effective sample sizes of draws (chain, draw, quantity), one row a quantity.

    A quantity that does not vary (a fixed number) has nan everywhere, and so has every quantity of
    chains of fewer than four draws.
    """
    moves = np.ptp(values, axis=(0, 1)) > 0
    if values.shape[1] < SHORTEST:
        moves[:] = False
    out = {name: np.full(values.shape[2], np.nan) for name in ("r_hat", "ess_bulk", "ess_tail")}
    with np.errstate(divide="ignore", invalid="ignore"):  # chains that do not move
        for k in np.flatnonzero(moves):
            out["r_hat"][k], out["ess_bulk"][k], out["ess_tail"][k] = mixing(values[:, :, k])
    return pd.DataFrame(out)


def energy_bfmi(energy: np.ndarray) -> np.ndarray:
    """Estimated Bayesian fraction of missing information of each chain; energy (chain, draw)."""
    if energy.shape[1] < SHORTEST:
        return np.full(len(energy), np.nan)
    return np.square(np.diff(energy, axis=1)).mean(axis=1) / np.maximum(energy.var(axis=1), 1e-300)


@dataclass(frozen=True, repr=False)
class Diagnosis(Described):
    """The state of a sampled posterior.

    Attributes
    ----------
    worst_rhat, lowest_ess_bulk, lowest_ess_tail : (str, float)
        Name of the quantity and its value.
    divergences, deepest : int
        Divergent draws; draws that hit the largest tree depth.
    bfmi : tuple of float
        By chain.
    quadrature_error : float
        Largest difference of a draw's log-likelihood to one with four times the nodes (0 for
        linear models), in draws at even distances.
    quadrature_tail : float
        The same in the farthest draws, of models with ordered answers (0 for others).
    disagreeing : tuple of (str, tuple of float)
        Quantities whose chains have different means (R-hat above 1.05), with the means.
    stuck : tuple of int
        Chains (counted from 1) in which nothing moved.
    walls : int
        Draws whose trajectory ended where a covariance matrix stops being positive definite, in a
        model whose prior ends there. They are part of the posterior's exploration, not a failure.
    weighted : dict of str to float
        Of draws of an approximation that were weighted to the exact posterior: weights_k (Pareto
        k), weights_effective (equally weighted draws that they are worth), integral_error and
        integral_noise (of the exact log-likelihood of a draw, and what of that differs between
        draws, in log units); the latter two where scores were sampled; empty for all others.
    """

    worst_rhat: tuple[str, float]
    lowest_ess_bulk: tuple[str, float]
    lowest_ess_tail: tuple[str, float]
    divergences: int
    deepest: int
    draws: int
    bfmi: tuple[float, ...]
    quadrature_error: float
    disagreeing: tuple[tuple[str, tuple[float, ...]], ...]
    stuck: tuple[int, ...] = ()
    walls: int = 0
    weighted: Mapping[str, float] = field(default_factory=dict)
    quadrature_tail: float = 0.0

    @property
    def ok(self) -> bool:
        """All criteria are met."""
        return not self.advice

    @property
    def advice(self) -> tuple[str, ...]:
        """What is wrong and what would help, in words; empty when all is well."""
        return (*self._about_chains(), *self._about_steps(), *self._about_integrals())

    def _about_chains(self) -> list[str]:
        """Whether they moved, agree, and are long enough."""
        out = []
        if self.stuck:
            out.append(
                f"nothing moved in chain {', '.join(map(str, self.stuck))}: the sampler could not "
                "take a step; look at start() values and bounds, and take more warm-up (tune=)"
            )
        elif np.isnan(self.worst_rhat[1]):
            out.append(
                f"{self.draws} draws are too few to judge convergence; take at least 1000 (draws=)"
            )
        if self.disagreeing:
            listed = "; ".join(
                f"{name} ({', '.join(f'{m:.3g}' for m in means)})"
                for name, means in self.disagreeing[:4]
            )
            out.append(
                f"the chains do not agree, by chain mean: {listed}. They may sit in different "
                "modes: look at the traces, check signs and marker items, and sample longer"
            )
        elif self.worst_rhat[1] >= RHAT:
            out.append(
                f"R-hat of {self.worst_rhat[0]} is {self.worst_rhat[1]:.3f} (should be below "
                f"{RHAT}): sample longer (draws=, tune=)"
            )
        for label, (name, value) in (
            ("bulk", self.lowest_ess_bulk),
            ("tail", self.lowest_ess_tail),
        ):
            if value < ESS:
                factor = int(np.ceil(ESS / max(value, 1.0)))
                out.append(
                    f"the {label} effective sample size of {name} is {value:.0f} (should be "
                    f"{ESS:.0f} or more): take about {factor} times as many draws"
                )
        return out

    def _about_steps(self) -> list[str]:
        """What the sampler met on its way."""
        out = []
        if self.divergences:
            out.append(
                f"{self.divergences} of {self.draws} draws diverged: the posterior has a corner "
                "that the sampler cannot follow; raise target_accept to 0.95, and look for a "
                "variance near 0 or a correlation near 1"
            )
        if self.walls > WALLS * self.draws:
            out.append(
                f"{self.walls} of {self.draws} draws ran into covariance matrices that are not "
                "positive definite: the posterior leans on the edge of what is possible; free the "
                "missing covariances among these residuals or disturbances, or take some out"
            )
        if self.deepest > 0.01 * self.draws:
            out.append(
                f"{self.deepest} draws reached the largest tree depth: the posterior is strongly "
                "correlated; look for a weakly identified parameter"
            )
        if min(self.bfmi) < BFMI:
            out.append(
                f"E-BFMI is {min(self.bfmi):.2f} (should be above {BFMI}): the tails are explored "
                "badly; tighter priors on variances may help"
            )
        return out

    def _about_integrals(self) -> list[str]:
        """How exact the likelihood was."""
        out = []
        if self.quadrature_error > 1e-3:
            out.append(
                f"the quadrature error of a draw's log-likelihood is {self.quadrature_error:.1g}: "
                "please report this model; meanwhile latents='sampled' avoids the "
                "integral, unless answers are ordered"
            )
        k = self.weighted.get("weights_k", 0.0)
        if k > good_k(self.draws):
            out.append(
                f"the weights of the draws have a Pareto k of {k:.2f} (should be below "
                f"{good_k(self.draws):.2f}): Laplace's approximation is too far from the exact "
                "posterior; latents='sampled' samples respondents' scores and is exact, and with "
                "at most three constructs at a time ordered answers are integrated exactly "
                "(orthogonal=True, a second-order construct)"
            )
        return out

    def document(self) -> Document:
        """The criteria, and what is wrong."""
        lines = [
            f"R-hat at most {self.worst_rhat[1]:.3f} ({self.worst_rhat[0]}); effective sample "
            f"size at least {self.lowest_ess_bulk[1]:.0f} bulk ({self.lowest_ess_bulk[0]}), "
            f"{self.lowest_ess_tail[1]:.0f} tail ({self.lowest_ess_tail[0]}); "
            f"{self.divergences} divergences in {self.draws} draws; E-BFMI "
            f"{min(self.bfmi):.2f} or more."
        ]
        if self.quadrature_error:
            line = f"Quadrature error at most {self.quadrature_error:.1g} log units a draw"
            if self.quadrature_tail > max(self.quadrature_error, QUIET_TAIL):
                line += f"; in draws with the most extreme values up to {self.quadrature_tail:.1g}"
            lines.append(f"{line}.")
        if self.weighted:
            w = self.weighted
            known = (
                f"known to within {w['integral_error']:.2g} log units, of which "
                f"{w['integral_noise']:.2g} differ between draws."
            )
            if "weights_k" in w:
                lines.append(
                    "Draws of Laplace's approximation, weighted to the exact posterior: worth "
                    f"{w['weights_effective']:.0f} of {self.draws} (Pareto k {w['weights_k']:.2f}"
                    f"). The exact log-likelihood of a draw is {known}"
                )
            else:
                lines.append(
                    "Scores were sampled, so that draws are exact; the log-likelihood of a draw, "
                    f"which LOO takes, is {known}"
                )
        if self.ok:
            lines.append("All diagnostics are within their limits.")
        warnings = (Paragraph(f"WARNING: {text}.", warning=True) for text in self.advice)
        return Document.of(Lines(tuple(lines)), warnings)


def diagnose(
    names: list[str],
    values: np.ndarray,
    stats: dict[str, np.ndarray],
    *,
    table: pd.DataFrame | None = None,
    quadrature_error: float = 0.0,
    quadrature_tail: float = 0.0,
    walls: bool = False,
    weighted: Mapping[str, float] | None = None,
) -> Diagnosis:
    """Judge draws (chain, draw, quantity) and the sampler's statistics (chain, draw).

    table : `convergence` of the draws, where it is known already.
    walls : the prior ends inside the space of the coordinates (`Space.proper`), so that a
        trajectory that ends outside the support (`outside`) is no divergence.
    """
    table = convergence(values) if table is None else table

    def extreme(column: str, largest: bool) -> tuple[str, float]:
        series = table[column].to_numpy()
        if np.isnan(series).all():
            return "-", float("nan")
        at = int(np.nanargmax(series) if largest else np.nanargmin(series))
        return names[at], float(series[at])

    still = np.ptp(values, axis=1).max(axis=-1, initial=0.0) == 0.0
    apart = np.flatnonzero(table["r_hat"].to_numpy() > 1.05)
    apart = apart[np.argsort(-table["r_hat"].to_numpy()[apart])]
    depth = stats.get("maxdepth_reached")
    edge = int(np.sum(stats["outside"])) if walls and "outside" in stats else 0
    return Diagnosis(
        worst_rhat=extreme("r_hat", True),
        lowest_ess_bulk=extreme("ess_bulk", False),
        lowest_ess_tail=extreme("ess_tail", False),
        divergences=int(np.sum(stats["diverging"])) - edge,
        deepest=int(np.sum(depth)) if depth is not None else 0,
        draws=int(np.prod(stats["diverging"].shape)),
        bfmi=tuple(float(x) for x in energy_bfmi(stats["energy"])),
        quadrature_error=quadrature_error,
        quadrature_tail=quadrature_tail,
        disagreeing=tuple(
            (names[i], tuple(float(m) for m in values[:, :, i].mean(axis=1))) for i in apart[:10]
        ),
        walls=edge,
        weighted=weighted or {},
        stuck=tuple(int(c) + 1 for c in np.flatnonzero(still & (values.shape[1] > 1))),
    )
