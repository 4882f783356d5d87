"""Fit the peer models with bayessem and with R's lavaan and OpenMx; write both and compare.

    python tests/peers/compare.py [--data FOLDER] [--write FILE.csv] [NAME ...]

Needs Rscript with the packages lavaan and OpenMx (Debian: r-cran-lavaan, r-cran-openmx) and a
folder of data sets: --data, the variable BAYESSEM_DATAPOOL, or ../shared/datapool beside the
repository.
Exits with 1 when a number differs.
"""

import argparse
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from peer_models import MODELS, PeerModel

from bayessem.conformance.case import case_model, prepared_case
from bayessem.ml.estimate import MLFit, fit_ml
from bayessem.model.covariance_input import from_covariance

HERE = Path(__file__).resolve().parent
# The peers' optimisers stop earlier than ours: a hundredth of a standard error, and as much in
# whatever is computed from the estimates.
EST_SE, SE_SHARE, STANDARDISED, INDEX, LIKELIHOOD = 0.01, 0.01, 1e-3, 1e-3, 0.01
# An empty cell is an empty name in the first columns, and no number in the others.
NUMBERS = {c: ["NA", ""] for c in ("est", "se", "std.lv", "std.all")}
LIKELIHOODS = ("logl", "unrestricted.logl", "aic", "bic", "bic2", "chisq", "baseline.chisq")


@dataclass(frozen=True)
class Number:
    """One number of both programs."""

    model: str
    peer: str
    what: str
    here: float
    there: float
    tolerance: float

    @property
    def agrees(self) -> bool:
        return abs(self.here - self.there) <= self.tolerance


def data_folder(given: str | None = None) -> Path | None:
    """Where the data sets are, None when they are nowhere."""
    places = [given, os.environ.get("BAYESSEM_DATAPOOL"), HERE.parents[2] / "shared" / "datapool"]
    return next((Path(p) for p in places if p and Path(p).is_dir()), None)


def r_problem() -> str | None:
    """Why R cannot be used, None when it can."""
    if shutil.which("Rscript") is None:
        return "Rscript is not installed"
    check = (
        'cat(requireNamespace("lavaan", quietly=TRUE), requireNamespace("OpenMx", quietly=TRUE))'
    )
    done = subprocess.run(["Rscript", "-e", check], capture_output=True, text=True, check=False)
    if done.returncode or "FALSE" in done.stdout:
        return "R has no lavaan or OpenMx (Debian: r-cran-lavaan, r-cran-openmx)"
    return None


def fit_here(model: PeerModel, folder: Path) -> MLFit:
    """bayessem's fit of a peer model."""
    switches = {"TRUE": True, "FALSE": False}
    options = {
        key: switches.get(value, value.split(",") if key.startswith("group.") else value)
        for key, value in model.options.items()
        if key != "n"
    }
    options.setdefault("meanstructure", "n" not in model.options)
    case = case_model({"model": model.model, "options": options})
    data = model.data(folder)
    if "n" in model.options:
        data = from_covariance(data.set_index(data.columns[0]), int(model.options["n"]))
    fiml = case.options.get("missing") == "fiml"
    se = case.se or ("observed" if fiml else "expected")
    return fit_ml(prepared_case({"model": model.model}, data, case.options), se=se)


def fit_there(models: Sequence[PeerModel], folder: Path, work: Path) -> None:
    """Lay the models out under `work` and let R fit them all."""
    for model in models:
        place = work / model.name
        place.mkdir()
        (place / "model.txt").write_text(model.model + "\n", encoding="utf-8")
        model.data(folder).to_csv(place / "data.csv", index=False)
        options = {**model.options, "openmx": "TRUE" if model.openmx else "FALSE"}
        lines = "".join(f"{key}={value}\n" for key, value in options.items())
        (place / "options.txt").write_text(lines, encoding="utf-8")
    done = subprocess.run(
        ["Rscript", str(HERE / "peers.R"), str(work)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"R failed:\n{done.stderr[-3000:]}")


def _row(fit: MLFit, lhs: str, op: str, rhs: str, group: str):
    table = fit.table
    pairs = {(lhs, rhs), (rhs, lhs)} if op == "~~" else {(lhs, rhs)}
    for row in table.itertuples():
        same = row.lhs == lhs if op == ":=" else (row.lhs, row.rhs) in pairs
        if row.op == op and same and (op == ":=" or row.group == group):
            return row
    return None


def compare_model(model: PeerModel, fit: MLFit, place: Path) -> list[Number]:
    """Every number of the peers beside ours."""
    out: list[Number] = []

    def add(peer: str, what: str, here: float, there: float, tolerance: float) -> None:
        if not math.isnan(there):
            here = math.inf if math.isnan(here) else here
            out.append(Number(model.name, peer, what, here, there, tolerance))

    theirs = pd.read_csv(place / "estimates.csv", keep_default_na=False, na_values=NUMBERS)
    theirs.columns = [c.replace(".", "_") for c in theirs.columns]
    for r in theirs.itertuples():
        name = f"{r.lhs} {r.op} {r.rhs} {r.group}".strip()
        row = _row(fit, r.lhs, r.op, r.rhs, str(r.group))
        if row is None:
            out.append(Number(model.name, "lavaan", f"{name}: no row", math.inf, r.est, 0.0))
            continue
        # A covariate's moments are fixed to the sample's in both programs, without an error.
        tolerance = EST_SE * r.se + 1e-6 if r.se > 0 else 1e-4 * (1.0 + abs(r.est))
        add("lavaan", f"{name} est", row.est, r.est, tolerance)
        if r.se > 0:
            add("lavaan", f"{name} se", row.se, r.se, SE_SHARE * r.se)
        add("lavaan", f"{name} std.all", row.std_all, r.std_all, STANDARDISED)
        add("lavaan", f"{name} std.lv", row.std_lv, r.std_lv, 0.01 * (0.1 + abs(r.est)))
    for measure, value in pd.read_csv(place / "fit.csv").itertuples(index=False):
        name = "gfi.means" if measure == "gfi" else measure
        tolerance = LIKELIHOOD if measure in LIKELIHOODS else INDEX
        if fit.measures["df"] == 0 and measure in ("rmsea.pvalue", "pvalue"):
            continue
        add("lavaan", measure, fit.measures[name], value, tolerance)
    if (place / "openmx.csv").is_file():
        for r in pd.read_csv(place / "openmx.csv", keep_default_na=False).itertuples():
            if r.op == "logl":
                add("OpenMx", "logl", fit.logl, r.est, LIKELIHOOD)
                continue
            row = _row(fit, r.lhs, r.op, r.rhs, "")
            add("OpenMx", f"{r.lhs} {r.op} {r.rhs} est", row.est, r.est, 2 * EST_SE * row.se)
    return out


def run(names: Sequence[str], folder: Path) -> list[Number]:
    """Fit the models of these names (all without names) on both sides."""
    models = [m for m in MODELS if not names or m.name in names]
    with tempfile.TemporaryDirectory() as work:
        fit_there(models, folder, Path(work))
        return [
            number
            for model in models
            for number in compare_model(model, fit_here(model, folder), Path(work) / model.name)
        ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="models; all without any")
    parser.add_argument("--data", help="folder of the data sets")
    parser.add_argument("--write", help="CSV file for all numbers of both programs")
    given = parser.parse_args(arguments)
    folder = data_folder(given.data)
    problem = r_problem() or (None if folder else "no folder of data sets; see --help")
    if problem or folder is None:
        print(f"skipped: {problem}", file=sys.stderr)
        return 0
    numbers = run(given.names, folder)
    frame = pd.DataFrame([{**vars(n), "agrees": n.agrees} for n in numbers])
    if given.write:
        frame.to_csv(given.write, index=False)
    for (model, peer), part in frame.groupby(["model", "peer"], sort=False):
        wrong = part[~part.agrees]
        print(f"{model:<28}{peer:<8}{len(part):>5} numbers{len(wrong):>4} differ")
        for r in wrong.head(8).itertuples():
            print(f"    {r.what}: {r.here:.7g} here, {r.there:.7g} there")
    print(f"{len(frame)} numbers, {int((~frame.agrees).sum())} differ")
    return 1 if (~frame.agrees).any() else 0


if __name__ == "__main__":
    sys.exit(main())
