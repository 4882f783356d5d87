"""How the posterior is sampled: the arguments of every call that samples."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from bayessem.errors import FitError

# Aims of the step size's adaptation; partial pooling has narrow corners, which want smaller steps.
ACCEPT, POOLED_ACCEPT = 0.8, 0.9


@dataclass(frozen=True)
class Sampling:
    """How to sample.

    Attributes
    ----------
    draws, tune, chains : int
        Draws kept and warm-up draws of each chain, and chains.
    cores : int or None
        Chains at once; None: as many as the machine has.
    random_seed : int or None
        Makes the draws repeatable; drawn and recorded when None.
    target_accept : float or None
        Aim of the step size's adaptation, nearer to 1 for smaller steps; None: 0.8, with partial
        pooling 0.9.
    latents : {"integrated", "sampled"}
        Integrate the latent variables out, or sample a score a respondent.
    engine : {"auto", "native", "pymc"}
        "native" hands the compiled density to nutpie, "pymc" calls `pymc.sample`.
    progress : bool
        Show a progress bar.

    Raises
    ------
    FitError
        For a value that sampling cannot have, naming the argument and what it may be.
    """

    draws: int = 1000
    tune: int = 1000
    chains: int = 4
    cores: int | None = None
    random_seed: int | None = None
    target_accept: float | None = None
    latents: str = "integrated"
    engine: str = "auto"
    progress: bool = True

    def __post_init__(self) -> None:
        for name, allowed in (
            ("latents", ("integrated", "sampled")),
            ("engine", ("auto", "native", "pymc")),
        ):
            value = getattr(self, name)
            if value not in allowed:
                raise FitError(f"{name} is one of {', '.join(allowed)}, not {value!r}")
        for name in ("draws", "tune", "chains", "cores"):
            count = getattr(self, name)
            if count is None and name == "cores":
                continue
            if not hasattr(count, "__index__"):
                raise FitError(f"{name} is a whole number, not {count!r}")
            if count < 1:
                raise FitError(f"{name} has to be at least 1, not {count}")
        seed, accept = self.random_seed, self.target_accept
        if seed is not None and not hasattr(seed, "__index__"):
            raise FitError(f"random_seed is a whole number, not {seed!r}")
        if seed is not None and seed < 0:
            raise FitError(f"random_seed has to be 0 or more, not {seed}")
        if accept is not None and not 0 < accept < 1:
            raise FitError(f"target_accept lies between 0 and 1, not {accept}")

    def recorded(self) -> dict[str, Any]:
        """What a fit keeps of it."""
        return {k: v for k, v in dataclasses.asdict(self).items() if k != "progress"}


DEFAULTS = Sampling()
