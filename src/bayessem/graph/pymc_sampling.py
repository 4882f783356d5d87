"""Sampling through PyMC, and draws of any fit as values of that model's random variables."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from bayessem.graph.pymc_model import build_pymc_model, space_parts
from bayessem.graph.sampled_latents import start_scores
from bayessem.graph.thresholds import Item, items_of
from bayessem.model.correlation_blocks import partial_correlations
from bayessem.model.prepare import Prepared
from bayessem.model.space import Space, dimension
from bayessem.posterior.sampling import Approximation, Draws, complete
from bayessem.threads import cores_here


def start_of_variables(
    space: Space, natural: np.ndarray, items: Sequence[Item] = ()
) -> dict[str, np.ndarray]:
    """Natural start values of PyMC's variables, those of correlations left to PyMC.

    natural : (D,), in the order of the coordinates.
    """
    shares = {item.members: item.shares(natural) for item in items}
    return {
        part.name: shares.get(part.members, natural[list(part.members)])
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
    own = approximation.wanted
    items = items_of(space, prepared.structure, prepared.sample)
    model = build_pymc_model(
        space,
        prepared.structure,
        prepared.sample,
        latents=latents,
        plan=(own.ints, own.floats) if prepared.table.ordered else None,
    )
    start = approximation.density.natural(approximation.maximum.x)
    initvals = start_of_variables(space, start, items)
    if latents == "sampled":
        elements = approximation.density.elements(start)
        initvals["score_raw"] = start_scores(elements, prepared.structure, prepared.sample)
    tree = pm.sample(
        draws,
        tune=tune,
        chains=chains,
        cores=cores_here(cores),
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


def draws_of_variables(
    space: Space, values: np.ndarray, items: Sequence[Item] = ()
) -> dict[str, np.ndarray]:
    """PyMC's random variables at draws (..., D) of the coordinates, the inverse of its kinds."""
    out = {}
    item_of = {item.members: item for item in items}
    for part in space_parts(space):
        if part.members in item_of:
            out[part.name] = item_of[part.members].shares(values)
            continue
        x = values[..., list(part.members)]
        if part.kind == "correlation" and part.family == "beta":
            start = 0
            for block in space.blocks:
                end = start + len(block.names)
                x[..., start:end] = partial_correlations(x[..., start:end], block.size)
                start = end
            x = (x + 1.0) / 2.0
        out[part.name] = x
    return out


def fitted_draws(
    prepared: Prepared,
    values: np.ndarray,
    data: xr.DataTree,
    plan: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[pm.Model, xr.DataTree]:
    """The PyMC model of a fit and its draws as if PyMC had drawn them; see `Fit.pymc`.

    values : (chain, draw, D);  data : `Fit.data`, for the other groups;  plan : of the fit's
    density, with ordered answers.
    """
    space = prepared.space
    model = build_pymc_model(space, prepared.structure, prepared.sample, plan=plan)
    items = items_of(space, prepared.structure, prepared.sample)
    axes = data["posterior"].to_dataset().coords
    posterior = xr.Dataset(coords={name: axes[name] for name in ("chain", "draw")})
    kinds = {kind: values[..., where] for kind, where in space.kinds().items()}
    for name, array in {**kinds, **draws_of_variables(space, values, items)}.items():
        dim = dimension(name)
        labels = list(model.coords[dim])
        posterior[name] = xr.DataArray(array, dims=("chain", "draw", dim), coords={dim: labels})
    groups = ("sample_stats", "log_likelihood", "observed_data", "constant_data")
    kept = {name: data[name].to_dataset() for name in groups if name in data}
    return model, xr.DataTree.from_dict({"posterior": posterior, **kept})
