"""Predictive data as groups of a DataTree, for ArviZ; what `Fit.data` leaves out for its size."""

from __future__ import annotations

import numpy as np
import xarray as xr

from bayessem.arguments import check_shared, whole_number
from bayessem.criticism.replicate import replicate
from bayessem.errors import FitError, ModelError, did_you_mean
from bayessem.model.design import refuse_design
from bayessem.model.prepare import Prepared
from bayessem.posterior.assemble import has_integral, posterior_density
from bayessem.results.fitted import Fitted, refuse_population
from bayessem.results.groups import constant_group, modelled, observed_group, prior_group

# Predictive data are drawn for every draw while they fit in this many numbers (400 MB); beyond,
# for evenly spaced draws.
PREDICTIVE_LIMIT = 50_000_000
PRIOR_DRAWS = 500
SAMPLED = ("posterior", "sample_stats", "log_likelihood", "log_prior")


@check_shared
def posterior_predictive(
    fit: Fitted,
    indicator: str | None = None,
    *,
    draws: int | None = None,
    prior: bool = False,
    random_seed: int = 0,
) -> xr.DataTree:
    """The fit's data with predictive data of the same draws, for ArviZ.

    Arguments, result and errors: `Fit.posterior_predictive`.
    """
    refuse_design(fit.prepared.sample.design, "posterior predictive data")
    refuse_population(fit, "posterior predictive data")
    if indicator is not None:
        _require_indicator(fit.prepared, indicator)
    sample = fit.prepared.sample
    known = fit.draws["log_likelihood" if "log_likelihood" in fit.draws else "posterior"]
    kept = known.to_dataset()["draw"].values
    chains = fit.values.shape[0]
    if draws is None:
        draws = max(1, PREDICTIVE_LIMIT // (chains * sample.values.size))
    else:
        draws = whole_number("draws", draws, FitError)
    kept = kept[np.linspace(0, len(kept) - 1, min(draws, len(kept))).round().astype(int)]
    values = fit.values[:, kept]
    elements = fit.density.elements(values).reshape(chains * len(kept), -1)
    y = replicate(fit.prepared, elements, random_seed=random_seed)
    out = fit.data.copy()
    for name in SAMPLED:
        if name in out and len(kept) < len(out[name]["draw"]):
            out[name] = xr.DataTree(out[name].to_dataset().sel(draw=kept))
    out["posterior_predictive"] = xr.DataTree(
        _predictive(fit.prepared, y.reshape(chains, len(kept), *y.shape[1:]), kept)
    )
    if prior:
        both = prior_predictive(fit.prepared, draws=PRIOR_DRAWS, random_seed=random_seed)
        for name in ("prior", "prior_predictive"):
            out[name] = xr.DataTree(both[name].to_dataset())
    return out if indicator is None else _of_indicator(out, indicator)


def _require_indicator(prepared: Prepared, indicator: str) -> None:
    names = [prepared.sample.variables[i] for i in modelled(prepared)]
    if indicator not in names:
        raise ModelError(
            f"{indicator!r} is no indicator of the model.{did_you_mean(indicator, names)} There "
            f"are: {', '.join(names)}"
        )


def _of_indicator(tree: xr.DataTree, indicator: str) -> xr.DataTree:
    """The tree with y of one indicator, and of the respondents who answered it."""
    answered = tree["observed_data"].to_dataset()["y"].sel(indicator=indicator).notnull().values
    parts = {}
    for name, node in tree.children.items():
        part = node.to_dataset()
        if "indicator" in part.dims:
            part = part.sel(indicator=indicator, drop=True)
        parts[name] = part.isel(respondent=answered) if "respondent" in part.dims else part
    out = xr.DataTree.from_dict(parts)
    out.attrs.update(tree.attrs)
    return out


@check_shared
def prior_predictive(
    prepared: Prepared, *, draws: int = PRIOR_DRAWS, random_seed: int = 0
) -> xr.DataTree:
    """Draws from the prior and the data that they predict.

    Arguments, result and errors: `SEM.prior_predictive`.
    """
    draws = whole_number("draws", draws, FitError)
    density = posterior_density(
        prepared.space,
        prepared.structure,
        prepared.sample,
        integrate=has_integral(prepared.structure),
    )
    prior, values = prior_group(prepared, density, draws=draws, random_seed=random_seed)
    y = replicate(prepared, density.elements(values), random_seed=random_seed)
    return xr.DataTree.from_dict(
        {
            "prior": prior,
            "prior_predictive": _predictive(prepared, y[None], np.arange(draws)),
            "observed_data": observed_group(prepared),
            "constant_data": constant_group(prepared),
        }
    )


def _predictive(prepared: Prepared, y: np.ndarray, draws: np.ndarray) -> xr.Dataset:
    """Data sets y (chain, draw, respondent, indicator), aligned with `observed_data`."""
    observed = observed_group(prepared)
    return xr.Dataset(
        {"y": (("chain", "draw", *observed["y"].dims), y[..., modelled(prepared)])},
        coords={"chain": np.arange(len(y)), "draw": draws, **observed.coords},
    )
