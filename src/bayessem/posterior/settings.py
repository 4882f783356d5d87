"""How the posterior is sampled: the arguments of every call that samples."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from bayessem.arguments import between, flag, seed, whole_number
from bayessem.errors import FitError

# Aims of the step size's adaptation; partial pooling has narrow corners, which want smaller steps.
ACCEPT, POOLED_ACCEPT = 0.8, 0.9
# Draws over all chains, and chains: 10 million draws of 100 parameters are 8 GB.
MOST, CHAINS = 10_000_000, 1_000


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
        for name, most in (("draws", None), ("tune", None), ("chains", CHAINS), ("cores", None)):
            count = getattr(self, name)
            if count is not None or name != "cores":
                self._set(name, whole_number(name, count, FitError, most=most))
        for name in ("draws", "tune"):
            total = getattr(self, name) * self.chains
            if total > MOST:
                raise FitError(
                    f"{name}={getattr(self, name):,} in {self.chains} chains are {total:,} draws "
                    "of every parameter, more than memory holds; a few thousand are enough, and "
                    f"{MOST:,} over all chains are the most"
                )
        self._set("random_seed", seed(self.random_seed))
        self._set("progress", flag("progress", self.progress, FitError))
        if self.target_accept is not None:
            self._set("target_accept", between("target_accept", self.target_accept, FitError, 0, 1))

    def _set(self, name: str, value: object) -> None:
        """Keep an argument as the plain number that it is: NumPy's cannot be saved."""
        object.__setattr__(self, name, value)

    def recorded(self) -> dict[str, Any]:
        """What a fit keeps of it."""
        return {k: v for k, v in dataclasses.asdict(self).items() if k != "progress"}


DEFAULTS = Sampling()
