"""A fit as a folder: written whole or not at all, read by name, readable without this program."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from bayessem.disk import (
    OLD,
    PARTIAL,
    expanded,
    hidden,
    left_overs,
    one_at_a_time,
    require_place,
    sync_folder,
    told,
    write_file,
)
from bayessem.errors import BayessemError, BayessemWarning, FitError, outside
from bayessem.model.clusters import Clusters
from bayessem.model.companions import Beside
from bayessem.model.data import Sample
from bayessem.model.design import Design
from bayessem.model.pooling import Pooling
from bayessem.model.prepare import Prepared, prepare_sample
from bayessem.model.signs import with_signs
from bayessem.results.fitted import Fitted
from bayessem.results.labels import back, plain, read_labels, written_labels
from bayessem.syntax.specification import Specification
from bayessem.text.terminal import document_text

FORMAT = 2
FILES = ("fit.json", "model.txt", "data.csv", "draws.nc", "estimates.csv", "summary.txt")
NEEDED = FILES[:4]
# Beside them, or alone: a run that is being sampled, or was when it ended (unfinished.py).
UNFINISHED = "unfinished.sqlite"
# Columns of data.csv; no variable of a model can have such a name.
ROW, GROUP, CLUSTER, WEIGHT = "(row)", "(group)", "(cluster)", "(weight)"
# What fit.json has to hold, and of what type.
RECORD: dict[str, type | tuple[type, ...]] = {
    "format": int,
    "model_options": dict,
    "settings": dict,
    "asked": dict,
    "timings": dict,
    "notes": list,
    "prepared_notes": list,
    "variables": list,
    "groups": list,
    "predictor": (list, type(None)),
    "labels": list,
    "data_hash": str,
    "respondents": int,
    "dropped_rows": list,
    "elsewhere": int,
    "versions": dict,
    "sha256": dict,
}
SETTINGS = ("draws", "tune", "chains", "cores", "random_seed", "target_accept", "latents", "engine")
ASKED = ("group", "group_order", "missing", "priors", "pooling")
# Of RECORD, what the first format does not have.
SINCE_2 = ("asked", "prepared_notes", "variables", "predictor", "labels", "elsewhere", "sha256")
# Of fit.json; no result depends on these.
UNGUARDED = ("sha256", "versions", "timings", "notes")
# What reading files raises that hold something else than was saved.
NO_SUCH_CONTENT = (
    AttributeError,
    IndexError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    csv.Error,
)


def save(fit: Fitted, path: str | os.PathLike[str]) -> Path:
    """Write a fit; an older one of that name is replaced when all is written; see `Fit.save`.

    Other files in the folder of the older one, such as a report, stay there. What killed processes
    left of earlier saves to that name is removed.
    """
    given = expanded(path)
    with told(f"the fit cannot be saved in {given}"):
        target = _real(given)
        with one_at_a_time(target.parent):  # or it is looked at while another save replaces it
            _refuse_foreign(target)
        require_place(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(target.parent):
            _tidy(target)
            partial = hidden(target, PARTIAL)
            partial.mkdir()
        try:
            _write(fit, partial)
            sync_folder(partial)
            with one_at_a_time(target.parent):
                _refuse_foreign(target)
                _replace(target, partial, old=hidden(target, OLD))
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        sync_folder(target.parent)
    return given


def require_folder(path: str | os.PathLike[str]) -> None:
    """Refuse a folder that a fit could not be saved in, before it is sampled.

    Raises
    ------
    FitError
        With path and reason.
    """
    given = expanded(path)
    with told(f"the fit cannot be saved in {given}"):
        target = _real(given)
        with one_at_a_time(target.parent):
            _refuse_foreign(target)
        require_place(target)


def _real(path: Path) -> Path:
    """The folder itself, where the path is a link to it or relative."""
    return path.resolve() if path.is_symlink() else path.absolute()


def is_finished(folder: Path) -> bool:
    """Whether a folder holds a fit that was saved."""
    return (folder / "fit.json").exists() and (folder / "draws.nc").exists()


def _refuse_foreign(target: Path) -> None:
    """Refuse to replace what is not the folder of a fit (an empty folder is nobody's)."""
    if not os.path.lexists(target):
        return
    if target.is_dir():
        if is_finished(target):
            return
        if all(entry.name.startswith(UNFINISHED) for entry in target.iterdir()):
            return
    raise FitError(
        f"{target} exists and is not the folder of a fit; not replaced: choose another name"
    )


def _write(fit: Fitted, folder: Path) -> None:
    """All files of a fit, fit.json with their checksums last."""
    contents = _contents(fit)
    about = _about(fit)
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    about["sha256"] = {**sums, "fit.json": _record_sum(about)}
    for name, content in contents.items():
        write_file(folder / name, content)
    write_file(folder / "fit.json", _json(about))


def _contents(fit: Fitted) -> dict[str, bytes]:
    """All files but fit.json, in memory: HDF5 does not survive a full disk, plain writing does."""
    return {
        "model.txt": fit.specification.text.encode("utf-8"),
        "data.csv": _data_text(fit).encode("utf-8", "surrogatepass"),
        "draws.nc": bytes(fit.draws.to_netcdf(None, engine="h5netcdf")),
        "estimates.csv": fit.summary().to_csv(index=False).encode("utf-8"),
        "summary.txt": (document_text(fit.document()) + "\n").encode("utf-8"),
    }


def _row_columns(levels: int) -> list[str]:
    return [ROW, *(f"(row {i + 1})" for i in range(1, levels))]


def _beside_column(name: str, k: int) -> str:
    """Column of data.csv with what belongs to the answers of a variable."""
    return f"({name} {k + 1})"


def _data_text(fit: Fitted) -> str:
    """The respondents as CSV: labels, variables to the last digit (empty: missing), groups."""
    sample = fit.prepared.sample
    cells, _ = written_labels(sample.rows)
    columns = dict(zip(_row_columns(len(cells)), cells, strict=True))
    for name, values in zip(sample.variables, sample.values.T, strict=True):
        columns[name] = ["" if x != x else repr(x) for x in values.tolist()]
    for name, one in sample.beside.items():
        for k, values in enumerate(one.columns.T):
            columns[_beside_column(name, k)] = [repr(x) for x in values.tolist()]
    if len(sample.groups) > 1:
        columns[GROUP] = [sample.groups[g] for g in sample.group]
    if sample.clusters is not None:
        columns[CLUSTER] = [str(c) for c in sample.clusters.code.tolist()]
    if sample.design is not None:
        for name, array in ((WEIGHT, sample.design.weights), (CLUSTER, sample.design.code)):
            if array is not None:
                columns[name] = [repr(x) for x in array.tolist()]
    pooling, predictor = fit.prepared.pooling, fit.prepared.predictor
    if pooling is not None and predictor is not None and pooling.by not in columns:
        columns[str(pooling.by)] = [repr(float(predictor[g])) for g in sample.group]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return out.getvalue()


def _about(fit: Fitted) -> dict[str, Any]:
    """What fit.json holds, but for checksums."""
    prepared = fit.prepared
    sample, predictor = prepared.sample, prepared.predictor
    return {
        "format": FORMAT,
        "model_options": _plain(fit.specification.options),
        "settings": _plain(fit.settings),
        "asked": _plain(prepared.asked),
        "timings": _plain(fit.timings),
        "notes": list(fit.notes),
        "prepared_notes": list(prepared.notes),
        "variables": list(sample.variables),
        "categories": [list(map(plain, labels)) for labels in sample.categories],
        "beside": {name: one.family for name, one in sample.beside.items()},
        "groups": list(sample.groups),
        "clusters": None
        if sample.clusters is None
        else {
            "column": sample.clusters.column,
            "labels": list(sample.clusters.labels),
            "groups": list(sample.clusters.groups),
        },
        "design": None
        if sample.design is None
        else {"column": sample.design.column, "cluster": sample.design.cluster},
        "predictor": None if predictor is None else [float(x) for x in predictor],
        "labels": written_labels(sample.rows)[1],
        "data_hash": sample.hash,
        "respondents": sample.size,
        "dropped_rows": [plain(x) for x in sample.dropped],
        "elsewhere": sample.elsewhere,
        "variable_labels": dict(sample.labels),
        "versions": dict(fit.versions),
    }


def _plain(value: Any) -> Any:
    """Something JSON can hold."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, tuple | list | set | frozenset):
        return [_plain(v) for v in value]
    return plain(value)


def _json(content: object) -> bytes:
    return (json.dumps(content, indent=1) + "\n").encode("utf-8")


def _record_sum(about: Mapping[str, Any]) -> str:
    """Checksum of what results depend on in fit.json."""
    guarded = {k: v for k, v in about.items() if k not in UNGUARDED}
    return hashlib.sha256(json.dumps(guarded, sort_keys=True).encode("utf-8")).hexdigest()


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
        _remove_old(old, target)


def _remove_old(old: Path, target: Path) -> None:
    """Remove a replaced fit; what others put into its folder moves to the new one."""
    for entry in old.iterdir():
        if not _ours(entry) and not (target / entry.name).exists():
            entry.rename(target / entry.name)
    if all(map(_ours, old.iterdir())):
        shutil.rmtree(old, ignore_errors=True)


def _ours(entry: Path) -> bool:
    """Whether a file is one of a fit, which goes with it; an unfinished one has been overtaken."""
    return entry.name in FILES or entry.name.startswith(UNFINISHED)


def _tidy(target: Path) -> None:
    """Undo what killed processes left: half-written fits go, a fit moved aside comes back."""
    for entry in left_overs(target, OLD):
        if target.exists():
            _remove_old(entry, target)
        else:
            entry.rename(target)
    for entry in left_overs(target, PARTIAL):
        shutil.rmtree(entry, ignore_errors=True)


def load(
    path: str | os.PathLike[str], *, specification: type[Specification] = Specification
) -> Fitted:
    """Read a fit that `save` wrote; it answers every question as the one that was saved.

    Parameters
    ----------
    path : path
        The folder.
    specification : type
        Class of the model that is made of its text.

    Raises
    ------
    FitError
        When the folder is no fit, when a file of it was changed after it was saved, or when its
        parts do not belong together.
    """
    folder = expanded(path)
    with told(f"{folder} cannot be read"):
        _recover(folder)
        _require_files(folder)
        files = {name: (folder / name).read_bytes() for name in FILES if (folder / name).is_file()}
    about = _record(files["fit.json"], folder)
    if about["format"] == 1:
        warnings.warn(
            f"{folder} was saved by an earlier version, without checksums: whether its files are "
            "as they were saved cannot be verified; save() makes a folder that can",
            BayessemWarning,
            stacklevel=outside(),
        )
    else:
        _verify(files, about, folder)
    try:
        frame = _read_data(files["data.csv"])
        with h5py.File(io.BytesIO(files["draws.nc"]), "r") as file:
            # what fails in h5netcdf leaves an object that fails once more when it is collected
            file.visititems(lambda *_: None)
        with xr.open_datatree(io.BytesIO(files["draws.nc"]), engine="h5netcdf") as tree:
            data = tree.load()
        text, options = files["model.txt"].decode("utf-8"), _tuples(about["model_options"])
        model = specification(text, **options)
        if about["format"] == 1:
            about = _as_format_2(about, frame, model)
            _check_types(about, folder)
        return _restored(model, about, frame, data)
    except FitError as error:
        raise FitError(f"{folder}: {error}") from None
    except (BayessemError, *NO_SUCH_CONTENT) as error:
        said = f"{type(error).__name__}: {error}"
        raise FitError(f"{folder} is damaged, or not as the fit was saved ({said})") from None


def _recover(folder: Path) -> None:
    """Bring back a fit that a killed process had just moved aside to replace it."""
    target = _real(folder)
    if target.exists() or not target.parent.is_dir() or not target.name:
        return
    if any(target.parent.glob(f".{target.name}.{OLD}-*")):
        with one_at_a_time(target.parent):
            _tidy(target)


def _require_files(folder: Path) -> None:
    """Refuse a folder in which a file is absent that `load` reads."""
    if not folder.is_dir():
        what = "it is a file" if folder.exists() else "there is no such folder"
        raise FitError(f"{folder} is not the folder of a fit: {what}")
    absent = [name for name in NEEDED if not (folder / name).is_file()]
    if absent:
        raise FitError(f"{folder} is not the folder of a fit: it has no {' and no '.join(absent)}")


def _record(content: bytes, folder: Path) -> dict[str, Any]:
    """What fit.json holds, of a format that can be read."""
    try:
        about = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise FitError(f"{folder} is damaged: fit.json is no JSON ({error})") from None
    if not isinstance(about, dict):
        raise FitError(f"{folder} is damaged: fit.json holds no object")
    if "format" not in about:
        raise FitError(f"{folder} is not the folder of a fit: fit.json has no 'format'")
    found = about["format"]
    if found not in (1, FORMAT) or isinstance(found, bool):
        newer = isinstance(found, int) and found > FORMAT
        raise FitError(
            f"{folder} has format {found!r}; this version reads 1 and {FORMAT}: "
            + (
                "it was saved by a newer one, so install that (pip install -U bayessem)"
                if newer
                else "its fit.json is damaged, or of another program"
            )
        )
    _check_types(about, folder)
    return about


def _check_types(about: Mapping[str, Any], folder: Path) -> None:
    """Refuse a fit.json that lacks something, or has something else in its place."""
    damaged = f"{folder} is damaged: fit.json"
    first = about["format"] == 1
    for key, kind in RECORD.items():
        if first and key in SINCE_2:
            continue
        if key not in about:
            raise FitError(f"{damaged} has no {key!r}")
        if not isinstance(about[key], kind):
            raise FitError(f"{damaged} holds a {type(about[key]).__name__} as {key!r}")
    places = [("settings", SETTINGS), ("timings", ("total",))]
    for place, keys in [*places, ("settings" if first else "asked", ASKED)]:
        for key in keys:
            if key not in about[place]:
                raise FitError(f"{damaged} has no {key!r} in {place!r}")
    texts = (*about["notes"], *about["versions"].values(), *about["groups"])
    if not all(isinstance(x, str) for x in texts):
        raise FitError(f"{damaged} holds notes, versions or groups that are no text")
    if not all(isinstance(x, int | float) for x in about["timings"].values()):
        raise FitError(f"{damaged} holds timings that are no numbers")


def _verify(files: Mapping[str, bytes], about: Mapping[str, Any], folder: Path) -> None:
    """Refuse files that are not those that were saved, by their checksums."""
    sums = about["sha256"]
    changed = [
        name
        for name, content in files.items()
        if name != "fit.json" and hashlib.sha256(content).hexdigest() != sums.get(name)
    ]
    if _record_sum(about) != sums.get("fit.json"):
        changed.append("fit.json")
    if changed:
        raise FitError(
            f"{folder}: {' and '.join(changed)} {'is' if len(changed) == 1 else 'are'} not as the "
            "fit was saved (the SHA-256 checksum differs), so that its numbers cannot be trusted; "
            "copy the folder again without converting files, or fit the model anew"
        )


def _read_data(content: bytes) -> dict[str, list[str]]:
    """The columns of data.csv, as text."""
    text = content.decode("utf-8", "surrogatepass")
    head, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    columns = zip(*rows, strict=True) if rows else [()] * len(head)
    return {name: list(cells) for name, cells in zip(head, columns, strict=True)}


def _as_format_2(
    about: dict[str, Any], frame: Mapping[str, list[str]], model: Specification
) -> dict[str, Any]:
    """A fit.json of the first format with what the second says besides."""
    asked = {key: about["settings"][key] for key in ASKED}
    by = (asked["pooling"] or {}).get("by")
    predictor = None
    if by is not None:
        known: dict[str, list[float]] = {g: [] for g in about["groups"]}
        for g, cell in zip(frame[GROUP], frame[by], strict=True):
            if cell:
                known[g].append(float(cell))
        predictor = [float(np.mean(x)) for x in known.values()]
    return {
        **about,
        "format": FORMAT,
        "asked": asked,
        "prepared_notes": [],
        "variables": [
            name
            for name in frame
            if name not in (ROW, GROUP) and (name != by or name in model.table.observed)
        ],
        "predictor": predictor,
        "labels": [{"name": None, "type": "object", "kind": "text"}],
        "elsewhere": 0,
        "sha256": {},
    }


def content_of_model(fit: Fitted) -> dict[str, Any]:
    """What a folder holds besides draws and what follows from them, as JSON has it."""
    return {**_about(fit), "text": fit.specification.text, "data": _data_text(fit)}


def model_of_content(
    about: Mapping[str, Any], folder: Path, *, specification: type[Specification]
) -> Prepared:
    """The model with its data that `content_of_model` was made of.

    Raises
    ------
    FitError
        For a content that does not make one.
    """
    try:
        frame = _read_data(about["data"].encode("utf-8", "surrogatepass"))
        model = specification(about["text"], **_tuples(about["model_options"]))
        return _prepared(model, dict(about), frame)
    except FitError as error:
        raise FitError(f"{folder}: {error}") from None
    except (BayessemError, *NO_SUCH_CONTENT) as error:
        said = f"{type(error).__name__}: {error}"
        raise FitError(f"{folder} is damaged, or not as the run was begun ({said})") from None


def _restored(
    sem: Specification, about: dict[str, Any], frame: Mapping[str, list[str]], data: xr.DataTree
) -> Fitted:
    """The fit of the parts that were read, each found by its name."""
    settings = _settings(about["settings"])
    prepared = _prepared(sem, about, frame)
    out = Fitted(
        replace(
            prepared,
            space=with_signs(prepared.space, settings.get("signs", {})),  # as it was sampled
        ),
        data,
        settings,
        about["timings"],
        tuple(about["notes"]),
        versions=about["versions"],
    )
    out.values  # noqa: B018 - refuses draws of other parameters
    return out


def _prepared(
    sem: Specification, about: dict[str, Any], frame: Mapping[str, list[str]]
) -> Prepared:
    """The model with its data, before constructs have been given a direction."""
    asked = _settings(about["asked"])
    sample = _sample(about, frame)
    if sample.hash != about["data_hash"]:
        raise FitError("data.csv is not the data that the model was fitted to")
    predictor = about["predictor"]
    prepared = prepare_sample(
        sem,
        _in_order(sample, sem.table.observed),
        asked=asked,
        priors=asked["priors"],
        pooling=None if asked["pooling"] is None else Pooling(**asked["pooling"]),
        predictor=None if predictor is None else np.array(predictor, dtype=np.float64),
    )
    return replace(prepared, notes=tuple(about["prepared_notes"]))


def _sample(about: dict[str, Any], frame: Mapping[str, list[str]]) -> Sample:
    """The respondents as they were: values to the last digit, labels with their types."""
    cells = [[float(x) if x else np.nan for x in frame[name]] for name in about["variables"]]
    groups = tuple(about["groups"])
    code = [groups.index(x) for x in frame[GROUP]] if len(groups) > 1 else [0] * len(cells[0])
    labels = [frame[name] for name in _row_columns(len(about["labels"]))]
    return Sample(
        tuple(about["variables"]),
        groups,
        np.array(cells, dtype=np.float64).T,
        np.array(code, dtype=np.int64),
        read_labels(labels, about["labels"]),
        tuple(back(x) for x in about["dropped_rows"]),
        about["elsewhere"],
        about.get("variable_labels", {}),  # earlier versions did not write any
        tuple(tuple(labels) for labels in about.get("categories", ())),
        _clusters(about, frame),
        _design(about, frame),
        {
            name: Beside(
                family,
                np.array([[float(x) for x in frame[_beside_column(name, k)]] for k in (0, 1)]).T,
            )
            for name, family in about.get("beside", {}).items()  # earlier versions had none
        },
    )


def _design(about: dict[str, Any], frame: Mapping[str, list[str]]) -> Design | None:
    """Weights and clusters of the sample as they were."""
    kept = about.get("design")  # earlier versions did not write any
    if kept is None:
        return None
    return Design(
        np.array([float(x) for x in frame[WEIGHT]]) if kept["column"] else None,
        kept["column"],
        np.array([int(x) for x in frame[CLUSTER]], dtype=np.int64) if kept["cluster"] else None,
        kept["cluster"],
    )


def _clusters(about: dict[str, Any], frame: Mapping[str, list[str]]) -> Clusters | None:
    """The clusters as they were, of a two-level model."""
    kept = about.get("clusters")  # earlier versions did not write any
    if kept is None:
        return None
    code = np.array([int(x) for x in frame[CLUSTER]], dtype=np.int64)
    return Clusters(kept["column"], tuple(kept["labels"]), code, tuple(kept["groups"]))


def _in_order(sample: Sample, names: tuple[str, ...]) -> Sample:
    """The sample with its variables in the order of the model."""
    if sorted(sample.variables) != sorted(names):
        raise FitError(
            f"the variables of model.txt ({', '.join(names)}) are not those of data.csv "
            f"({', '.join(sample.variables)})"
        )
    at = [sample.variables.index(name) for name in names]
    return replace(
        sample,
        variables=names,
        values=np.ascontiguousarray(sample.values[:, at]),
        categories=tuple(sample.categories[i] for i in at) if sample.categories else (),
    )


def _settings(saved: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a fit as they were recorded."""
    pooling = saved["pooling"]
    group = saved["group"]
    return {
        **saved,
        "group": tuple(group) if isinstance(group, list) else group,
        "pooling": pooling and {**pooling, "parameters": tuple(pooling["parameters"])},
    }


def _tuples(options: dict[str, Any]) -> dict[str, Any]:
    """Options of a model, whose several values are tuples."""
    out: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
    if out.get("censored"):
        out["censored"] = _tuples(out["censored"])
    return out
