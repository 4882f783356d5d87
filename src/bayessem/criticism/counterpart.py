"""The linear counterpart of a fit with product terms, sampled: what global indices are about."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from bayessem.errors import NotSupported
from bayessem.ml.linear_part import linear_structure
from bayessem.model.space import build_space
from bayessem.posterior.run import run

if TYPE_CHECKING:
    from bayessem.fit import Fit


def linear_fit(fit: Fit) -> Fit:
    """Sample the model without its product terms: same data, seed, settings and other priors.

    Raises
    ------
    NotSupported
        For partially pooled parameters.
    """
    prepared, settings = fit.prepared, fit.settings
    if prepared.pooling is not None and prepared.pooling.how == "partial":
        raise NotSupported(
            "the linear counterpart of a partially pooled model with product terms is not sampled "
            "automatically; fit the model without its products and ask that fit for its indices"
        )
    structure = linear_structure(prepared.structure)
    table = structure.table
    known = {r.name for r in table.rows} | {r.label for r in table.rows} | set(table.parameters)
    products = {name for name, _ in prepared.table.products}
    gone = {
        key
        for r in prepared.table.rows
        if r.op == "~" and r.rhs in products
        for key in (r.name, r.label)
        if key
    }
    given = settings.get("priors") or {}
    priors = {k: v for k, v in given.items() if k in known or k not in gone}
    space = build_space(
        structure,
        means=prepared.sample.means,
        sds=prepared.sample.sds,
        covariances=prepared.covariances,
        group_means=prepared.means,
        priors=priors,
    )
    linear = dataclasses.replace(prepared, table=table, structure=structure, space=space)
    options = {**settings, "latents": "integrated", "engine": "native", "priors": priors}
    return run(fit.sem, linear, options, notes=(), progress=False, began=time.perf_counter())
