"""`bayessem calibrate`: simulation-based calibration of one model of each family."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bayessem.arguments import whole_number
from bayessem.calibration.families import FAMILIES, PRIORS, prepared_family
from bayessem.calibration.sbc import Calibration, calibrate
from bayessem.disk import require_writable, told, write_whole
from bayessem.errors import FitError, ModelError, did_you_mean
from bayessem.text.progress import Bar


def _progress(name: str, fits: int) -> Callable[[int, int], None]:
    """A bar for whoever watches standard error."""
    if not sys.stderr.isatty():
        return lambda done, fits: None
    bar = Bar(name, fits, sys.stderr)
    return lambda done, fits: bar.show(done)


HEAD = """# Simulation-based calibration

Parameters drawn from the prior, data from the model, posterior draws by the program: the rank of
each true value among its draws has to be uniform (Talts et al. 2018, arXiv:1804.06788). The
log-likelihood is one of the quantities. Bands: Säilynoja, Bürkner & Vehtari (2022,
doi:10.1007/s11222-022-10090-6), 99 % for all quantities of a model together.

Regenerate with `bayessem calibrate --ranks ranks.json --write docs/calibration.md` (an hour of one
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


def _kept(ranks: str | None) -> dict[str, Calibration]:
    """Results of an earlier call."""
    if ranks is None or not Path(ranks).is_file():
        return {}
    with told(f"{ranks} cannot be read"):
        text = Path(ranks).read_bytes()
    try:
        return {
            name: Calibration(
                **{**r, "ranks": np.array(r["ranks"]), "quantities": tuple(r["quantities"])}
            )
            for name, r in json.loads(text).items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FitError(
            f"{ranks} does not hold the ranks of an earlier calibration "
            f"({type(error).__name__}: {error}); not replaced: choose another name"
        ) from None


@dataclass(frozen=True)
class Plan:
    """What is calibrated and which files are written; refused here where it cannot be.

    Attributes
    ----------
    only : sequence of str
        Names of families; all by default.
    fits : int
        Data sets of each.
    ranks : str, optional
        File for the ranks. Families that are in it and not asked for now stay, and are in the page.
    write : str, optional
        File for a Markdown page; its figure goes into the folder `figures` beside it.

    Raises
    ------
    ModelError
        For a family that does not exist.
    FitError
        For files that cannot be written.
    """

    only: Sequence[str] = ()
    fits: int = 500
    ranks: str | None = None
    write: str | None = None

    def __post_init__(self) -> None:
        unknown = [name for name in self.only if name not in FAMILIES]
        if unknown:
            raise ModelError(
                f"there is no family {unknown[0]!r}; there are {', '.join(FAMILIES)}."
                f"{did_you_mean(unknown[0], FAMILIES)}"
            )
        whole_number("fits", self.fits, FitError)
        for path, what in ((self.ranks, "the ranks"), (self.write, "the page")):
            if path is not None:
                require_writable(path, what)
        if self.picture is not None:
            require_writable(self.picture, "the figure")
        _kept(self.ranks)

    @property
    def picture(self) -> Path | None:
        """File of the page's figure."""
        if self.write is None:
            return None
        target = Path(self.write)
        return target.parent / "figures" / f"{target.stem}.png"


def calibrated(plan: Plan, *, random_seed: int = 1, quiet: bool = False) -> dict[str, Calibration]:
    """Calibrate the families of a plan, print them and write its files.

    Parameters
    ----------
    plan : Plan
    random_seed : int
        Makes it repeatable.
    quiet : bool
        Print nothing.

    Returns
    -------
    dict
        Family to its calibration, those that the file of ranks had before among them.
    """
    results = _kept(plan.ranks)
    for name in plan.only or FAMILIES:
        prepared = prepared_family(FAMILIES[name])
        results[name] = calibrate(
            prepared, fits=plan.fits, random_seed=random_seed, report=_progress(name, plan.fits)
        )
        if not quiet:
            print(f"== {name} ==\n{results[name]}\n", flush=True)
    results = {name: results[name] for name in FAMILIES if name in results}
    if plan.ranks is not None:
        record = {name: {**asdict(r), "ranks": r.ranks.tolist()} for name, r in results.items()}
        write_whole(plan.ranks, json.dumps(record) + "\n", "the ranks")
    if plan.write is not None and plan.picture is not None:
        from bayessem.plots.calibration import plot_calibration

        drawn = io.BytesIO()
        plot_calibration(results).savefig(drawn, format="png", dpi=150)
        write_whole(plan.picture, drawn.getvalue(), "the figure")
        figure = plan.picture.relative_to(Path(plan.write).parent).as_posix()
        write_whole(plan.write, page(results, figure=figure), "the page")
    return results
