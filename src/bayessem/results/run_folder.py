"""A fit as a folder: written whole or not at all, readable without this program."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayessem.errors import DataError, FitError, ModelError, PriorError, SyntaxProblem
from bayessem.model.pooling import Pooling
from bayessem.model.prepare import prepare
from bayessem.results.fitted import Fitted
from bayessem.syntax.specification import Specification
from bayessem.text.terminal import document_text

FORMAT = 1
FILES = ("fit.json", "model.txt", "data.csv", "draws.nc", "estimates.csv", "summary.txt")
# Columns of data.csv; no variable of a model can have such a name.
ROW, GROUP = "(row)", "(group)"


def save(fit: Fitted, path: str | os.PathLike[str]) -> Path:
    """Write a fit; an older one of that name is replaced when all is written; see `Fit.save`.

    Other files in the folder of the older one, such as a report, stay there.
    """
    target = Path(path).expanduser()
    if target.exists() and not ((target / "fit.json").exists() and (target / "draws.nc").exists()):
        raise FitError(f"{target} exists and is not the folder of a fit; not replaced")
    target.parent.mkdir(parents=True, exist_ok=True)
    mark = secrets.token_hex(4)
    partial = target.with_name(f".{target.name}.partial-{mark}")
    partial.mkdir()
    try:
        _write(fit, partial)
        _replace(target, partial, old=target.with_name(f".{target.name}.old-{mark}"))
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return target


def _write(fit: Fitted, folder: Path) -> None:
    sample = fit.prepared.sample
    (folder / "model.txt").write_text(fit.specification.text, encoding="utf-8")
    frame = pd.DataFrame(sample.values, columns=list(sample.variables), index=sample.rows)
    if len(sample.groups) > 1:
        frame[GROUP] = [sample.groups[g] for g in sample.group]
    pooling, predictor = fit.prepared.pooling, fit.prepared.predictor
    if pooling is not None and predictor is not None and pooling.by not in frame:
        frame[pooling.by] = predictor[sample.group]
    frame.to_csv(folder / "data.csv", index_label=ROW, float_format="%.17g")
    fit.data.to_netcdf(folder / "draws.nc", engine="h5netcdf")
    fit.summary().to_csv(folder / "estimates.csv", index=False)
    (folder / "summary.txt").write_text(document_text(fit.document()) + "\n", encoding="utf-8")
    about = {
        "format": FORMAT,
        "model_options": {k: _plain(v) for k, v in fit.specification.options.items()},
        "settings": {k: _plain(v) for k, v in fit.settings.items()},
        "timings": fit.timings,
        "notes": list(fit.notes),
        "groups": list(sample.groups),
        "data_hash": sample.hash,
        "respondents": sample.size,
        "dropped_rows": [str(x) for x in sample.dropped],
        "versions": dict(fit.versions),
    }
    (folder / "fit.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def _replace(target: Path, new: Path, *, old: Path) -> None:
    """Give a finished folder its name; the one that had it moves to `old` and goes at the end."""
    if target.exists():
        target.rename(old)
    try:
        new.rename(target)
    except BaseException:
        if old.exists():
            old.rename(target)
        raise
    if old.exists():
        for entry in old.iterdir():
            if entry.name not in FILES:
                entry.rename(target / entry.name)
    shutil.rmtree(old, ignore_errors=True)


def _plain(value: Any) -> Any:
    """Something JSON can hold."""
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return value


def load(
    path: str | os.PathLike[str], *, specification: type[Specification] = Specification
) -> Fitted:
    """Read a fit that `save` wrote.

    Parameters
    ----------
    path : path
        The folder.
    specification : type
        Class of the model that is made of its text.

    Raises
    ------
    FitError
        When the folder is no fit, or its data are not those it was fitted to.
    """
    folder = Path(path).expanduser()
    _require_files(folder)
    try:
        about = json.loads((folder / "fit.json").read_text(encoding="utf-8"))
        if about["format"] != FORMAT:
            raise FitError(f"{folder} has format {about['format']}; this version reads {FORMAT}")
        text = (folder / "model.txt").read_text(encoding="utf-8")
        frame = _read_data(folder / "data.csv")
        with xr.open_datatree(folder / "draws.nc", engine="h5netcdf") as tree:
            data = tree.load()
    except (OSError, ValueError, KeyError) as error:
        said = f"{type(error).__name__}: {error}"
        raise FitError(f"{folder} is not the folder of a fit, or is damaged ({said})") from None
    try:
        model = specification(text, **about["model_options"])
        return _restored(model, about, frame, data, folder)
    except KeyError as error:
        raise FitError(f"{folder} is damaged: fit.json has no {error}") from None
    except (SyntaxProblem, ModelError, DataError, PriorError) as error:
        raise FitError(
            f"{folder}: model.txt and data.csv are not as the fit was saved ({error})"
        ) from None


def _require_files(folder: Path) -> None:
    """Refuse a folder in which a file is absent that `load` reads."""
    if not folder.is_dir():
        raise FitError(f"{folder} is not the folder of a fit: there is no such folder")
    absent = [name for name in FILES[:4] if not (folder / name).is_file()]
    if absent:
        raise FitError(f"{folder} is not the folder of a fit: it has no {' and no '.join(absent)}")


def _restored(
    sem: Specification, about: dict[str, Any], frame: pd.DataFrame, data: xr.DataTree, folder: Path
) -> Fitted:
    """The fit of the parts that were read; checks that the data are those it was fitted to."""
    settings = about["settings"]
    grouped = len(about["groups"]) > 1 or settings["group"] is not None
    prepared = prepare(
        sem,
        frame if GROUP in frame or not grouped else frame.assign(**{GROUP: about["groups"][0]}),
        group=GROUP if grouped else None,
        group_order=about["groups"] if grouped else None,
        missing=settings["missing"],
        priors=settings["priors"],
        pooling=None if settings["pooling"] is None else _pooling(settings["pooling"]),
    )
    if prepared.sample.hash != about["data_hash"]:
        raise FitError(f"{folder}: data.csv is not the data that the model was fitted to")
    return Fitted(
        prepared,
        data,
        settings,
        about["timings"],
        tuple(about["notes"]),
        versions=about["versions"],
    )


def _read_data(path: Path) -> pd.DataFrame:
    """The respondents as they were, to the last digit; only an empty cell is missing."""
    text = pd.read_csv(path, dtype=str, keep_default_na=False, index_col=ROW)
    numbers = {
        name: [float(cell) if cell else np.nan for cell in text[name]]
        for name in text.columns
        if name != GROUP
    }
    return text.assign(**numbers)


def _pooling(saved: dict[str, Any]) -> Pooling:
    return Pooling(**{**saved, "parameters": tuple(saved["parameters"])})
