"""Sampling through PyMC: the model of pymc_model.py with nutpie behind `pymc.sample`."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pymc as pm

from bayessem.graph.pymc_model import build_pymc_model, space_parts
from bayessem.graph.sampled_latents import start_scores
from bayessem.model.prepare import Prepared
from bayessem.model.space import Space
from bayessem.posterior.sampling import Approximation, Draws, complete


def start_of_variables(space: Space, natural: np.ndarray) -> dict[str, np.ndarray]:
    """Natural start values of PyMC's variables, those of correlations left to PyMC.

    natural : (D,), in the order of the coordinates.
    """
    return {
        part.name: natural[list(part.members)]
        for part in space_parts(space)
        if part.kind != "correlation"
    }


def sample_pymc(
    prepared: Prepared,
    approximation: Approximation,
    *,
    latents: str,
    draws: int,
    tune: int,
    chains: int,
    cores: int | None,
    random_seed: int,
    progress: bool,
    target_accept: float = 0.8,
    **options: Any,
) -> Draws:
    """Draw from the posterior of the PyMC model; arguments as in `sampling.sample`.

    latents : {"integrated", "sampled"}, see `build_pymc_model`.
    """
    began = time.perf_counter()
    space = prepared.space
    model = build_pymc_model(space, prepared.structure, prepared.sample, latents=latents)
    start = approximation.density.natural(approximation.maximum.x)
    initvals = start_of_variables(space, start)
    if latents == "sampled":
        elements = approximation.density.elements(start)
        initvals["score_raw"] = start_scores(elements, prepared.structure, prepared.sample)
    tree = pm.sample(
        draws,
        tune=tune,
        chains=chains,
        cores=cores,
        random_seed=random_seed,
        nuts_sampler="nutpie",
        initvals=initvals,
        var_names=list(space.kinds()),  # not the scores: respondents times latents a draw
        progressbar=progress,
        target_accept=target_accept,
        model=model,
        **options,
    )
    posterior = tree["posterior"]
    values = np.concatenate([posterior[kind].values for kind in space.kinds()], axis=-1)
    stats = {
        str(name): array.values
        for name, array in tree["sample_stats"].data_vars.items()
        if array.dims == ("chain", "draw") and array.dtype.kind in "biuf"
    }
    return complete(Draws(values, stats, time.perf_counter() - began), draws)
