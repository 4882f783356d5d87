"""The groups of `Fit.data`, in ArviZ's layout: names and scale are those of the summary.

Variables are vectors by kind, with lavaan's names as coordinates: `loading`, `path`, `product`,
`intercept`, `mean`, `threshold`, `residual_variance`, `disturbance_variance`, `covariance`,
`defined` (what `:=` defines), and what pooling adds. Priors are about what is sampled, so
`log_prior` has the kinds of `priors=`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bayessem.errors import PriorError
from bayessem.model.data import Sample
from bayessem.model.prepare import Prepared
from bayessem.model.priors import KINDS
from bayessem.model.space import dimension, kind_of_row
from bayessem.posterior.density import Density
from bayessem.posterior.prior_draws import PATIENCE, prior_draws
from bayessem.results.estimates import defined_draws, free_draws
from bayessem.results.latent_responses import reported
from bayessem.results.log_prior import prior_terms
from bayessem.results.standardize import row_values

if TYPE_CHECKING:
    import xarray as xr  # loaded while the sampler works (estimate.py), so not before

# Kinds of coordinates that describe the population of groups (pooling.py).
POPULATION = ("pool_mean", "pool_sd", "pool_slope", "pool_link")
# What is shown of kinds that are sampled on another scale than lavaan's.
SHOWN = {
    "residual_sd": "residual_variance",
    "disturbance_sd": "disturbance_variance",
    "correlation": "covariance",
}
DEFINED, DEFINITIONS = "defined", "definitions"
# Prior draws that may be improper for each that is proper; beyond, `Fit.data` has no `prior`.
FEW = 20
# Draws of a chain whose model matrices are in memory together.
DRAWS_AT_ONCE = 50


def table_rows(prepared: Prepared, density: Density, values: np.ndarray) -> np.ndarray:
    """Draws of every row of the table (chain, draw, row), without keeping the matrices."""
    starts = range(0, values.shape[1], DRAWS_AT_ONCE)
    matrices = (density.elements(values[:, i : i + DRAWS_AT_ONCE]) for i in starts)
    structure = prepared.structure
    return np.concatenate([row_values(structure, reported(structure, m)) for m in matrices], axis=1)


def parameter_draws(prepared: Prepared, rows: np.ndarray, values: np.ndarray) -> xr.DataArray:
    """Free and defined parameters on lavaan's scale, and what pooling adds.

    Parameters
    ----------
    prepared : Prepared
        The model with its data.
    rows : ndarray (chain, draw, row)
        From `table_rows`.
    values : ndarray (chain, draw, D)
        The sampled coordinates.

    Returns
    -------
    DataArray (chain, draw, parameter)
        With the coordinate `kind` (parameter).
    """
    import xarray as xr

    structure, table, space = prepared.structure, prepared.table, prepared.space
    free = free_draws(structure, rows)
    defined = defined_draws(table, free)
    pool = [i for i, c in enumerate(space.coordinates) if c.kind in POPULATION]
    # standard deviations are sampled, lavaan's scale is that of variances
    power = np.array([2.0 if space.names[i] in space.typical_sds else 1.0 for i in pool])
    stacked = np.concatenate(
        [free, *(d[..., None] for d in defined.values()), values[..., pool] ** power], axis=-1
    )
    kinds = [*_free_kinds(prepared), *(DEFINED for _ in defined)]
    return xr.DataArray(
        stacked,
        dims=("chain", "draw", "parameter"),
        coords={
            "parameter": [*table.parameters, *defined, *(space.names[i] for i in pool)],
            "kind": ("parameter", [*kinds, *(space.coordinates[i].kind for i in pool)]),
        },
        name="parameters",
    )


def _free_kinds(prepared: Prepared) -> list[str]:
    """The kind of every free parameter, as `Fit.data` names it."""
    table, places = prepared.table, prepared.structure.places
    found: dict[int, set[str]] = {}
    for k, row in enumerate(table.rows):
        if row.free >= 0:
            found.setdefault(row.free, set()).add(kind_of_row(row, places.get(k)))
    first = [next(kind for kind in KINDS if kind in found[i]) for i in range(len(table.parameters))]
    return [SHOWN.get(kind, kind) for kind in first]


def parameters_by_kind(parameters: xr.DataArray, draws: np.ndarray | None = None) -> xr.Dataset:
    """Parameters (chain, draw, parameter) as one variable a kind.

    draws : labels of the draws; 0, 1, ... by default.
    """
    import xarray as xr

    chains, count = parameters.shape[:2]
    axes = {"chain": np.arange(chains), "draw": np.arange(count) if draws is None else draws}
    names, kinds = parameters["parameter"].values, parameters["kind"].values
    out = xr.Dataset(coords=axes)
    for kind in dict.fromkeys(kinds.tolist()):
        at = np.flatnonzero(kinds == kind)
        dim = DEFINITIONS if kind == DEFINED else dimension(kind)
        out[kind] = xr.DataArray(
            parameters.values[..., at],
            dims=("chain", "draw", dim),
            coords={dim: names[at].astype(str)},
        )
    return out


def log_prior_group(
    prepared: Prepared, density: Density, values: np.ndarray, draws: np.ndarray
) -> xr.Dataset:
    """Log density of the priors at draws (chain, draw, D), one variable a kind.

    A prior of several parameters together is in `<kind>_joint`.
    """
    import xarray as xr

    out = xr.Dataset(coords={"chain": np.arange(values.shape[0]), "draw": draws})
    found: dict[str, list] = {}
    for term in prior_terms(prepared.space, values, density):
        found.setdefault(f"{term.kind}_joint" if term.joint else term.kind, []).append(term)
    for kind, terms in found.items():
        dim = dimension(kind)
        out[kind] = xr.DataArray(
            np.stack([term.values for term in terms], axis=-1),
            dims=("chain", "draw", dim),
            coords={dim: [term.name for term in terms]},
        )
    return out


def prior_group(
    prepared: Prepared,
    density: Density,
    *,
    draws: int,
    random_seed: int,
    patience: int = PATIENCE,
) -> tuple[xr.Dataset, np.ndarray]:
    """Draws from the prior as `posterior` has them, and their sampled coordinates (draw, D).

    Raises
    ------
    PriorError
        For an improper prior; when too few draws have positive definite covariances.
    """
    values = prior_draws(
        prepared.space,
        prepared.structure,
        density,
        draws=draws,
        random_seed=random_seed,
        patience=patience,
    )
    rows = table_rows(prepared, density, values[None])
    return parameters_by_kind(parameter_draws(prepared, rows, values[None])), values


def respondent_labels(sample: Sample) -> list[str]:
    """Labels of the respondents in `Fit.data`, text whatever their type."""
    return [str(x) for x in sample.rows]


def unit_labels(sample: Sample) -> tuple[str, list[str]]:
    """What the likelihood is a product over, as a dimension of `Fit.data`, and their labels.

    Respondents, or the clusters of a two-level model.
    """
    if sample.clusters is None:
        return "respondent", respondent_labels(sample)
    return "cluster", list(sample.clusters.unique_labels(sample.group))


def modelled(prepared: Prepared) -> list[int]:
    """Positions of the observed variables that the model is about: all but its covariates."""
    given = set(prepared.table.exogenous)
    return [i for i, name in enumerate(prepared.sample.variables) if name not in given]


def data_group(sample: Sample, columns: Sequence[int]) -> xr.Dataset:
    """Some columns of the data: y (respondent, indicator), nan where missing.

    Answers in ordered categories are the positions of their categories, 0 for the lowest.
    """
    import xarray as xr

    return xr.Dataset(
        {"y": (("respondent", "indicator"), sample.values[:, columns])},
        coords={
            "respondent": respondent_labels(sample),
            "indicator": [sample.variables[i] for i in columns],
        },
    )


def observed_group(prepared: Prepared) -> xr.Dataset:
    """What the likelihood is of: y (respondent, indicator) without the covariates."""
    return data_group(prepared.sample, modelled(prepared))


def constant_group(prepared: Prepared) -> xr.Dataset:
    """What the model takes as given: the covariates, each a variable, the groups and clusters.

    The model's text is the attribute `model`. A covariate called as another variable here, `group`,
    `cluster` or `respondent`, is in `covariate_group` or `covariate_respondent`.
    """
    import xarray as xr

    sample = prepared.sample
    out = xr.Dataset(coords={"respondent": respondent_labels(sample)})
    out.attrs["model"] = prepared.specification.text
    if len(sample.model_groups) > 1:
        own = np.array(sample.model_groups)[sample.group // prepared.table.levels]
        out["group"] = ("respondent", own)
    if sample.clusters is not None:
        labels = np.array(sample.clusters.unique_labels(sample.group))
        out["cluster"] = ("respondent", labels[sample.clusters.code])
    for name in prepared.table.exogenous:
        taken = name in (*out.dims, *out.data_vars)
        column = sample.values[:, sample.variables.index(name)]
        out[f"covariate_{name}" if taken else name] = ("respondent", column)
    return out


def arviz_groups(
    prepared: Prepared,
    density: Density,
    parameters: xr.DataArray,
    values: np.ndarray,
    stored: Mapping[str, xr.DataTree],
    *,
    random_seed: int,
) -> xr.DataTree:
    """All groups that cost little.

    Parameters
    ----------
    prepared, density : Prepared, Density
        The model and its density.
    parameters : DataArray (chain, draw, parameter)
        From `parameter_draws`.
    values : ndarray (chain, draw, D)
        The sampled coordinates.
    stored : mapping
        `sample_stats` and, unless there is no integral, `log_likelihood`.
    random_seed : int
        Of the prior draws, as many as there are of the posterior.
    """
    import xarray as xr

    draws = stored["sample_stats"].to_dataset()["draw"].values
    parts = {"posterior": parameters_by_kind(parameters, draws)}
    for name in ("sample_stats", "log_likelihood"):
        if name in stored:
            parts[name] = stored[name].to_dataset()
    parts["log_prior"] = log_prior_group(prepared, density, values, draws)
    parts["observed_data"] = observed_group(prepared)
    parts["constant_data"] = constant_group(prepared)
    count = int(np.prod(values.shape[:2]))
    why = ""
    try:
        parts["prior"], _ = prior_group(
            prepared, density, draws=count, random_seed=random_seed, patience=FEW
        )
    except PriorError as error:
        why = str(error)
    tree = xr.DataTree.from_dict(parts)
    if why:
        tree.attrs["no_prior"] = why
    return tree
