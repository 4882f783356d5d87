"""`bayessem calibrate`: simulation-based calibration of one model of each family."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from bayessem.calibration.families import FAMILIES, PRIORS, prepared_family
from bayessem.calibration.sbc import Calibration, calibrate
from bayessem.disk import require_writable, told, write_whole
from bayessem.errors import FitError, ModelError


def _progress(name: str) -> Callable[[int, int], None]:
    began = time.monotonic()

    def report(done: int, fits: int) -> None:
        if sys.stderr.isatty() and (done % 10 == 0 or done == fits):
            seconds = time.monotonic() - began
            end = "\n" if done == fits else ""
            print(f"\r{name}: {done} of {fits}, {seconds:.0f} s", end=end, file=sys.stderr)

    return report


HEAD = """# Simulation-based calibration

Parameters drawn from the prior, data from the model, posterior draws by the program: the rank of
each true value among its draws has to be uniform (Talts et al. 2018, arXiv:1804.06788). The
log-likelihood is one of the quantities. Bands: Säilynoja, Bürkner & Vehtari (2022,
doi:10.1007/s11222-022-10090-6), 99 % for all quantities of a model together.

Regenerate with `bayessem calibrate --json ranks.json --write docs/calibration.md` (an hour of one
core); models and priors are in `src/bayessem/calibration/families.py`.

| model | data sets | quantities | outside the joint 99 % band | outside their own 99 % band | \
largest distance from uniform | effective draws of those ranked | divergences |
|---|---|---|---|---|---|---|---|"""


def page(results: dict[str, Calibration], *, figure: str) -> str:
    """The results as a Markdown page."""
    lines = [HEAD]
    for name, result in results.items():
        table = result.table
        lines.append(
            f"| {name.replace('_', ' ')} | {len(result.ranks)} | {len(table)} "
            f"| {int((~table['inside_joint_99']).sum())} | {int((~table['inside_99']).sum())} "
            f"| {table['largest_gap'].max():.3f} | {result.effective:.0f} of {result.size} "
            f"| {result.divergences} |"
        )
    lines += ["", f"![ranks minus uniform]({figure})", "", "Priors: "]
    lines[-1] += ", ".join(f"`{kind} ~ {prior}`" for kind, prior in PRIORS.items()) + "."
    return "\n".join(lines) + "\n"


def _kept(json_file: str | None) -> dict[str, Calibration]:
    """Results of an earlier call."""
    if json_file is None or not Path(json_file).is_file():
        return {}
    with told(f"{json_file} cannot be read"):
        text = Path(json_file).read_bytes()
    try:
        return {
            name: Calibration(
                **{**r, "ranks": np.array(r["ranks"]), "quantities": tuple(r["quantities"])}
            )
            for name, r in json.loads(text).items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FitError(
            f"{json_file} does not hold the ranks of an earlier calibration "
            f"({type(error).__name__}: {error}); not replaced: choose another name"
        ) from None


def command(
    *,
    only: Sequence[str] = (),
    fits: int = 500,
    random_seed: int = 1,
    json_file: str | None = None,
    write: str | None = None,
) -> int:
    """Calibrate the families, print and write the results; 1 when one is not calibrated.

    Parameters
    ----------
    only : sequence of str
        Names of families; all by default.
    fits : int
        Data sets of each.
    random_seed : int
        Makes it repeatable.
    json_file : str, optional
        File for the ranks. Families that are in it and not asked for now stay, and are in the page.
    write : str, optional
        File for a Markdown page; its figure goes into the folder `figures` beside it.

    Raises
    ------
    ModelError
        For a family that does not exist.
    FitError
        For files that cannot be written, before any fit.
    """
    unknown = [name for name in only if name not in FAMILIES]
    if unknown:
        raise ModelError(f"there is no family {unknown[0]!r}; there are {', '.join(FAMILIES)}")
    for path, what in ((json_file, "the ranks"), (write, "the page")):
        if path is not None:
            require_writable(path, what)
    target = None if write is None else Path(write)
    picture = None if target is None else target.parent / "figures" / f"{target.stem}.png"
    if picture is not None:
        require_writable(picture, "the figure")
    results = _kept(json_file)
    for name in only or FAMILIES:
        prepared = prepared_family(FAMILIES[name])
        results[name] = calibrate(
            prepared, fits=fits, random_seed=random_seed, report=_progress(name)
        )
        print(f"== {name} ==\n{results[name]}\n", flush=True)
    results = {name: results[name] for name in FAMILIES if name in results}
    if json_file is not None:
        record = {name: {**asdict(r), "ranks": r.ranks.tolist()} for name, r in results.items()}
        write_whole(json_file, json.dumps(record) + "\n", "the ranks")
    if target is not None and picture is not None:
        from bayessem.plots.calibration import plot_calibration

        drawn = io.BytesIO()
        plot_calibration(results).savefig(drawn, format="png", dpi=150)
        write_whole(picture, drawn.getvalue(), "the figure")
        text = page(results, figure=picture.relative_to(target.parent).as_posix())
        write_whole(target, text, "the page")
    return 0 if all(r.passed for r in results.values()) else 1
