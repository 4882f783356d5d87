"""Log-likelihoods of latent interactions at published estimates (modsem's LMS)."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayessem.likelihood.entry import log_likelihood
from bayessem.model.data import read_sample
from bayessem.model.structure import build_structure, matrix_offsets
from bayessem.posterior.assemble import kernel_plan
from bayessem.syntax.statements import parse
from bayessem.syntax.table import build_table

FOLDER = Path(
    os.environ.get("BAYESSEM_REFCASES", Path(__file__).parents[3] / "shared" / "refcases")
)
CASES = FOLDER / "cases.json"


@pytest.mark.skipif(not CASES.is_file(), reason=f"{CASES.name}: no folder refcases here")
@pytest.mark.parametrize("name", ["B01_oneint", "B04_tpb"])
def test_published_log_likelihood(name):
    cases = json.loads(CASES.read_text(encoding="utf-8"))["cases"]
    case = next(case for case in cases if case["id"] == name)
    structure = build_structure(build_table(parse(case["model"])))
    sample = read_sample(pd.read_csv(FOLDER / case["data_file"]), structure.observed)
    rows = [row for row in case["expected"] if row["estimator"] == "LMS"]
    estimates = {(row["lhs"], row["op"], row["rhs"] or ""): row["est"] for row in rows}
    estimates |= {(b, op, a): x for (a, op, b), x in estimates.items() if op == "~~"}
    elements = np.zeros(matrix_offsets(*structure.shape)[1])
    for at, place in structure.places.items():
        row = structure.table.rows[at]
        value = estimates[row.lhs, row.op, row.rhs] if row.value is None else row.value
        elements[list(structure.element(place))] = value
    value = log_likelihood(
        elements, *kernel_plan(structure, sample, elements), np.empty_like(elements)
    )
    # the estimates are printed to three decimals, which costs hundredths of a log unit
    assert value == pytest.approx(case["fit"]["LMS"]["logl"], abs=0.1)
