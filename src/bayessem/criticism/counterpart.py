"""The linear counterpart of a fit with product terms, sampled: what global indices are about."""

from __future__ import annotations

import dataclasses

from bayessem.errors import NotSupported
from bayessem.ml.linear_part import linear_structure
from bayessem.model.composites import item_covariances
from bayessem.model.space import build_space
from bayessem.results.estimate import estimate
from bayessem.results.fitted import Fitted

COUNTERPART = "linear counterpart"


def linear_fit(fit: Fitted) -> Fitted:
    """Sample the model without its product terms: same data, seed, settings and other priors.

    It is sampled once; the fit keeps it.

    Raises
    ------
    NotSupported
        For partially pooled parameters.
    """
    if COUNTERPART not in fit.kept:
        fit.kept[COUNTERPART] = _sampled_without_products(fit)
    return fit.kept[COUNTERPART]


def _sampled_without_products(fit: Fitted) -> Fitted:
    prepared = fit.prepared
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
    given = prepared.asked["priors"]
    priors = {k: v for k, v in given.items() if k in known or k not in gone}
    space = build_space(
        structure,
        means=prepared.sample.means,
        sds=prepared.sample.sds,
        covariances=prepared.covariances,
        group_means=prepared.means,
        priors=priors,
        items=item_covariances(structure, prepared.sample),
    )
    linear = dataclasses.replace(
        prepared,
        asked={**prepared.asked, "priors": priors},
        table=table,
        structure=structure,
        space=space,
    )
    return estimate(
        linear, dataclasses.replace(fit.sampling, engine="native", latents="integrated"), checked=()
    )
