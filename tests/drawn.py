"""Models with known draws for the tests of derived quantities: nothing is sampled."""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from bayessem.model.prepare import Prepared
from bayessem.model.structure import Structure, build_structure
from bayessem.results.simulate import elements_at, simulate
from bayessem.sem import SEM

REFCASES = Path(
    os.environ.get("BAYESSEM_REFCASES", Path(__file__).resolve().parents[2] / "shared/refcases")
)

with_reference_cases = pytest.mark.skipif(
    not (REFCASES / "cases.json").exists(), reason=f"the reference cases are not in {REFCASES}"
)


def measured(*names: str) -> str:
    """Three indicators for each construct."""
    return "\n".join(f"{n} =~ " + " + ".join(f"{n.lower()}{k}" for k in (1, 2, 3)) for n in names)


def structure_of(model: str, **options) -> Structure:
    return build_structure(SEM(model, **options).table)


def values_for(structure: Structure, **chosen: float) -> dict[str, float]:
    """Plausible values for every free parameter: those `chosen` by label, the rest by kind."""
    table = structure.table
    out = {}
    for row in table.rows:
        if row.free < 0 and not row.exogenous:
            continue
        name = table.parameters[row.free] if row.free >= 0 else row.name
        if row.label in chosen:
            out[name] = chosen[row.label]
        elif row.op == "~~":
            out[name] = 1.0 if row.lhs == row.rhs and row.lhs in structure.variables else 0.4
            if row.lhs != row.rhs:
                out[name] = 0.3
        else:
            out[name] = {"=~": 0.8, "~": 0.5, "~1": 0.2}[row.op]
    return out


def elements_for(structure: Structure, **chosen: float) -> np.ndarray:
    return elements_at(structure, values_for(structure, **chosen))


def drawn_fit(
    model: str,
    *,
    n: int = 60,
    draws: int = 30,
    spread: float = 0.02,
    groups: tuple[str, ...] = (),
    random_seed: int = 1,
    **chosen: float,
) -> SimpleNamespace:
    """What functions of a fit need: model, data simulated from it, and draws near its values."""
    sem = SEM(model)
    shape = build_structure(sem.table)
    truth = values_for(shape, **chosen)
    data = simulate(shape, elements_at(shape, truth), n, random_seed=random_seed)
    if groups:
        data["group"] = data["group"].map(dict(zip(shape.table.groups, groups, strict=True)))
    prepared = sem.prepare(data, group="group" if groups else None)
    rng = np.random.default_rng(random_seed)
    known = values_for(prepared.structure, **chosen)
    samples = [
        elements_at(
            prepared.structure,
            {k: v * (1.0 + spread * rng.standard_normal()) for k, v in known.items()},
        )
        for _ in range(2 * draws)
    ]
    elements = np.array(samples).reshape(2, draws, -1)
    return SimpleNamespace(
        sem=sem,
        specification=sem,
        prepared=prepared,
        elements=elements,
        data=data,
        draws=xr.DataTree(),
        settings={"missing": "fiml"},
    )


def parameter(fit: SimpleNamespace, label: str) -> np.ndarray:
    """Draws (chain, draw) of the parameter with a label."""
    structure = fit.prepared.structure
    for k, place in structure.places.items():
        if structure.table.rows[k].label == label:
            return fit.elements[..., structure.element(place)[0]]
    raise KeyError(label)


def reference_case(case_id: str) -> dict[str, Any]:
    """A case of the folder of reference cases."""
    cases = json.loads((REFCASES / "cases.json").read_text())["cases"]
    return next(c for c in cases if c["id"] == case_id)


def printed(case: dict[str, Any], estimator: str) -> dict[str, float]:
    """What a reference case prints for one of its estimators, by name of the parameter."""
    rows = [r for r in case["expected"] if r.get("estimator") == estimator]
    return {f"{r['lhs']}{r['op']}{r['rhs']}": r["est"] for r in rows}


def fit_with(case: dict[str, Any], known: dict[str, float]) -> SimpleNamespace:
    """The model of a reference case at given values of its parameters."""
    prepared = SEM(case["model"]).prepare(pd.read_csv(REFCASES / case["data_file"]))
    values = {
        name: known.get(name, known.get("~~".join(reversed(name.split("~~")))))
        for name in prepared.table.parameters
    }
    return fit_at(prepared, elements_at(prepared.structure, values))


def fit_at(prepared: Prepared, elements: np.ndarray) -> SimpleNamespace:
    """Two draws with the same model matrices."""
    return SimpleNamespace(
        prepared=prepared, elements=np.broadcast_to(elements, (1, 2, elements.size))
    )


def brute_force(
    structure: Structure,
    elements: np.ndarray,
    order: list[str],
    *,
    set_to: dict[str, float],
    n: int,
    random_seed: int = 0,
) -> dict[str, np.ndarray]:
    """Values of the latent variables when some are set: equation by equation, in causal order."""
    matrices = structure.matrices(elements)
    names = structure.variables
    rng = np.random.default_rng(random_seed)
    zeta = rng.multivariate_normal(np.zeros(len(names)), matrices["disturbances"], size=n)
    out: dict[str, np.ndarray] = {}
    for name in order:
        i = names.index(name)
        if name in set_to:
            out[name] = np.full(n, set_to[name])
            continue
        value = matrices["means"][i] + zeta[:, i]
        for j, cause in enumerate(names):
            if matrices["paths"][i, j]:
                value = value + matrices["paths"][i, j] * out[cause]
        for t, (a, b) in enumerate(structure.products):
            if matrices["products"][i, t]:
                value = value + matrices["products"][i, t] * out[names[a]] * out[names[b]]
        out[name] = value
    return out
