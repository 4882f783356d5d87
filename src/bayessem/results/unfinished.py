"""A run on disk while it is sampled: model, data and settings first, then draws as they come.

nutpie shows the draws of a running chain, but cannot take up a chain that was ended: its step size,
mass matrix and random numbers are gone with it. So an unfinished run can be read, up to the last
draws that were written, and sampled anew; with the same seed that gives the same draws.
"""

from __future__ import annotations

import base64
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayessem.arguments import flag
from bayessem.disk import expanded, told
from bayessem.errors import BayessemError, BayessemWarning, FitError, outside
from bayessem.model.prepare import Prepared
from bayessem.posterior.sampling import Draws
from bayessem.posterior.settings import Sampling
from bayessem.results import run_folder
from bayessem.results.estimate import checked_before, estimate, estimate_of, settled_sampling
from bayessem.results.fitted import Fitted
from bayessem.results.run_folder import (
    NO_SUCH_CONTENT,
    UNFINISHED,
    content_of_model,
    is_finished,
    model_of_content,
    require_folder,
    save,
)
from bayessem.store import Store, read_store
from bayessem.syntax.specification import Specification

KIND = "fit"
MOST_CHAINS = 100_000  # more than anybody samples


class Recording:
    """The folder of a run that is being sampled.

    Parameters
    ----------
    path : path
        The folder that the fit will be saved in.
    prepared : Prepared
        The model with its data.
    sampling : Sampling
        How it is sampled, nothing left open.
    notes : tuple of str
        What the check had to say.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        prepared: Prepared,
        sampling: Sampling,
        notes: tuple[str, ...],
    ) -> None:
        folder = expanded(path)
        with told(f"the run cannot be written to {folder}"):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / UNFINISHED).unlink(missing_ok=True)
        about = content_of_model(
            Fitted(
                prepared,
                xr.DataTree(),
                {**prepared.asked, **sampling.recorded()},
                {"total": 0.0},
                notes,
            )
        )
        self.store = Store(folder / UNFINISHED, KIND, about)

    def add(
        self, chain: int, first: int, values: np.ndarray, stats: Mapping[str, np.ndarray]
    ) -> None:
        """Write new draws of a chain: natural parameters (draw, D) and statistics (draw,)."""
        piece = {"values": _text(values), "stats": {k: _text(v) for k, v in stats.items()}}
        self.store.add(f"{chain} {first}", piece)

    def close(self) -> None:
        """Let go of the file, which stays."""
        self.store.close()


def estimate_into(
    prepared: Prepared,
    sampling: Sampling,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    began: float | None = None,
) -> Fitted:
    """Sample a model, write draws into a folder as they come, and save the fit there.

    Parameters
    ----------
    prepared, sampling, began
        As in `estimate`.
    path : path
        The folder.
    overwrite : bool
        Replace a run that is there.

    Raises
    ------
    BayessemError
        As `estimate`; FitError for a folder that holds a run or cannot be written.
    """
    refuse_existing(path, overwrite=flag("overwrite", overwrite, FitError))
    notes, sampling = checked_before(prepared), settled_sampling(prepared, sampling)
    if sampling.engine != "native":
        fit = estimate(prepared, sampling, checked=notes, began=began)
    else:
        recording = Recording(path, prepared, sampling, notes)
        try:
            fit = estimate(prepared, sampling, checked=notes, began=began, seen=recording.add)
        finally:
            recording.close()
    save(fit, path)
    return fit


def load(
    path: str | os.PathLike[str], *, specification: type[Specification] = Specification
) -> Fitted:
    """A fit that was saved, or what an unfinished run has; see `run_folder.load`."""
    folder = expanded(path)
    if not (folder / UNFINISHED).is_file() or is_finished(folder):
        return run_folder.load(path, specification=specification)
    fit = load_unfinished(folder, specification=specification)
    warnings.warn(
        f"{folder} holds an unfinished run ({progress_text(folder)}): the fit is of "
        f"{fit.settings['draws']} draws of {fit.settings['chains']} chains",
        BayessemWarning,
        stacklevel=outside(),
    )
    return fit


def _text(array: np.ndarray) -> dict[str, Any]:
    """An array as JSON has it, to the last bit."""
    kind = array.dtype.newbyteorder("<")
    content = base64.b64encode(np.ascontiguousarray(array, dtype=kind).tobytes())
    return {"dtype": kind.str, "shape": list(array.shape), "base64": content.decode("ascii")}


def _array(text: Mapping[str, Any]) -> np.ndarray:
    kind = np.dtype(text["dtype"])
    if kind.kind not in "biuf":
        raise FitError(f"an array of {text['dtype']!r} is not what a run holds")
    content = base64.b64decode(text["base64"], validate=True)
    return np.frombuffer(content, dtype=kind).reshape(text["shape"])


def refuse_existing(path: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Refuse to sample into a folder that holds a run, finished or not.

    Raises
    ------
    FitError
        Saying what is there and what can be done with it.
    """
    require_folder(path)
    folder = expanded(path)
    if overwrite:
        return
    if is_finished(folder):
        raise FitError(
            f"{folder} holds a finished fit: load it, choose another name, or replace it with "
            "overwrite=True"
        )
    if (folder / UNFINISHED).exists():
        raise FitError(
            f"{folder} holds an unfinished run ({progress_text(folder)}). A chain that was ended "
            "cannot be continued, since the sampler's state is gone with it: bayessem.load reads "
            "the draws that are there; overwrite=True samples anew, with the same random_seed the "
            "same draws"
        )


def progress_text(folder: Path) -> str:
    """How far an unfinished run is: "312 to 340 of 1000 draws of 4 chains"."""
    about, pieces = read_store(folder / UNFINISHED, KIND)
    try:
        settings = about["settings"]
        counts = [0] * _chains(about)
        for name, piece in pieces.items():
            counts[int(name.split()[0])] += int(piece["values"]["shape"][0])
    except NO_SUCH_CONTENT:
        return "damaged"
    low, high = min(counts), max(counts)
    there = f"{low}" if low == high else f"{low} to {high}"
    return f"{there} of {settings['draws']} draws of {settings['chains']} chains"


def load_unfinished(
    path: str | os.PathLike[str], *, specification: type[Specification] = Specification
) -> Fitted:
    """The fit of the draws that an unfinished run has, with a note that says how many.

    Raises
    ------
    FitError
        When it has too few, or is damaged.
    """
    folder = expanded(path)
    about, pieces = read_store(folder / UNFINISHED, KIND)
    prepared = model_of_content(about, folder, specification=specification)
    try:
        sampling, draws = _sampling(about), _joined(_by_chain(about, pieces), prepared)
        return estimate_of(prepared, sampling, draws, tuple(map(str, about["notes"])))
    except (BayessemError, *NO_SUCH_CONTENT) as error:
        said = str(error) if isinstance(error, FitError) else f"it is damaged ({error!r})"
        raise FitError(f"{folder} holds an unfinished run: {said}") from None


def _sampling(about: Mapping[str, Any]) -> Sampling:
    """How it was being sampled."""
    names = ("draws", "tune", "chains", "cores", "random_seed", "target_accept", "latents")
    return Sampling(
        **{name: about["settings"][name] for name in names}, engine="native", progress=False
    )


def _chains(about: Mapping[str, Any]) -> int:
    """How many chains there are; before anything is made in that number."""
    count = about["settings"]["chains"]
    if not isinstance(count, int) or not 0 < count <= MOST_CHAINS:
        raise FitError(f"it is damaged ({count!r} chains)")
    return count


def _by_chain(
    about: Mapping[str, Any], pieces: Mapping[str, Any]
) -> list[list[tuple[int, Mapping[str, Any]]]]:
    """What was written of each chain: where it begins, values and statistics."""
    parts: list[list[tuple[int, Mapping[str, Any]]]] = [[] for _ in range(_chains(about))]
    for name, piece in pieces.items():
        chain, first = map(int, name.split())
        parts[chain].append((first, piece))
    return parts


def _joined(parts: list[list[tuple[int, Mapping[str, Any]]]], prepared: Prepared) -> Draws:
    """Draws of all chains, nan where one had not come to."""
    size = len(prepared.space.names)
    chains: list[np.ndarray] = []
    stats: list[dict[str, np.ndarray]] = []
    for own in parts:
        ordered = [piece for _, piece in sorted(own, key=lambda pair: pair[0])]
        values = [_array(piece["values"]) for piece in ordered]
        chains.append(np.concatenate([np.empty((0, size)), *values]))
        stats.append(
            {
                name: np.concatenate([_array(piece["stats"][name]) for piece in ordered])
                for name in (ordered[0]["stats"] if ordered else ())
            }
        )
    longest = max(map(len, chains))
    if not longest:
        raise FitError("it was stopped before the first draw was written")
    joined = np.full((len(chains), longest, size), np.nan)
    names = next((s for s in stats if s), None)
    if names is None:
        raise FitError("it is damaged: its draws have no statistics of the sampler")
    out = {k: np.zeros((len(chains), longest), dtype=v.dtype) for k, v in names.items()}
    for k, chain in enumerate(chains):
        joined[k, : len(chain)] = chain
        for name, array in stats[k].items():
            out[name][k, : len(array)] = array
    return Draws(joined, out, 0.0)
