"""Commands that show that the program is right, or get it ready: conformance, calibrate, warm."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bayessem.commands.options import Json, Whole
from bayessem.commands.outcome import FINE, NO, conclude, in_terminal, of_the_call


def conformance(
    directory: Annotated[str, Parameter(help="folder with cases.json and data/")],
    /,
    *,
    only: Annotated[str | None, Parameter(help="id of one case, or how ids begin")] = None,
    bayes: Annotated[bool, Parameter(help="posterior cases as well (minutes)")] = False,
    out: Annotated[str | None, Parameter(help="file for the results as JSON")] = None,
    json: Json = False,
) -> int:
    """Compare with the numbers of lavaan, OpenMx, modsem and blavaan, case by case."""
    from bayessem.conformance.command import (
        check_case,
        choose_cases,
        closing_line,
        result_text,
        write_results,
    )
    from bayessem.disk import require_writable
    from bayessem.text.progress import Bar

    folder = Path(directory)
    with of_the_call():
        if out is not None:
            require_writable(out, "the results")
        cases = choose_cases(folder, only)
    bar = Bar("cases", len(cases), sys.stderr, after=2.0) if in_terminal() else None
    results = []
    for done, case in enumerate(cases, start=1):
        results.append(check_case(case, folder, bayes=bayes))
        if bar is not None:
            bar.clear()
        if not json:
            print(result_text(results[-1]), flush=True)
        if bar is not None:
            bar.show(done)
    if not json:
        print(closing_line(results))
    saved = [] if out is None else [write_results(out, results)]
    code = FINE if all(r.passed for r in results) else NO
    if json:
        more = {"cases": [r.as_json() for r in results]}
        return conclude(as_json=True, saved=saved, code=code, more=more)
    return code


def calibrate(
    *families: Annotated[str, Parameter(help="families of models (all)")],
    fits: Annotated[Whole, Parameter(help="data sets of each")] = 500,
    seed: Annotated[Whole, Parameter(name="--seed", help="random seed")] = 1,
    ranks: Annotated[
        str | None, Parameter(help="JSON file for the ranks; what it has of others stays")
    ] = None,
    write: Annotated[str | None, Parameter(help="Markdown page to write, with a figure")] = None,
    json: Json = False,
) -> int:
    """Simulation-based calibration: are posterior probabilities what they say? By family."""
    from bayessem.report import calibration

    with of_the_call():
        plan = calibration.Plan(families, fits=fits, ranks=ranks, write=write)
    found = calibration.calibrated(plan, random_seed=seed, quiet=json)
    code = FINE if all(r.passed for r in found.values()) else NO
    saved = [path for path in (ranks, write) if path is not None]
    if json:
        more = {"families": list(found)}
        return conclude(*found.values(), as_json=True, saved=saved, code=code, more=more)
    return code


def warm(*, json: Json = False) -> int:
    """Compile everything now, once after installing, so that no later run has to wait."""
    from bayessem.likelihood.compiled import warm as compiled

    folder, absent = compiled()
    code = FINE if folder is not None and not absent else NO
    if absent:
        print(f"not compiled in {folder}: {', '.join(absent)}", file=sys.stderr)
    if json:
        more = {"folder": None if folder is None else str(folder), "absent": list(absent)}
        return conclude(as_json=True, code=code, more=more)
    if code == FINE:
        print(f"compiled, in {folder}")
    return code
