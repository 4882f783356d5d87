"""`fit.report("report.html")`: contents to sections to a file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bayessem.arguments import check_shared, flag
from bayessem.disk import require_writable, write_whole
from bayessem.errors import FitError
from bayessem.model.level_data import refuse_levels
from bayessem.model.thresholds import refuse_answers
from bayessem.report.contents import gather
from bayessem.report.page import page
from bayessem.report.sections import report_document
from bayessem.results.fitted import Fitted

SUFFIXES = (".html", ".htm")


@check_shared
def report(
    fit: Fitted,
    path: str | os.PathLike[str],
    *,
    title: str = "Structural equation model",
    random_seed: int = 0,
    progress: bool = True,
) -> Path:
    """Write everything that reviewers ask for as one HTML file.

    Arguments, result and errors: `Fit.report`.
    """
    refuse_answers(fit.prepared.table, "the report")
    refuse_levels(fit.prepared.table, "the report")
    target = require_writable(path, "the report", suffixes=SUFFIXES)
    told = _told if flag("progress", progress, FitError) else None
    contents = gather(fit, random_seed=random_seed, told=told)
    if told is not None:
        told("figures and tables")
    sample = fit.prepared.sample
    subtitle = (
        f"Bayesian estimation; {sample.size} respondents, {fit.settings['chains']} chains of "
        f"{fit.settings['draws']} draws, seed {fit.settings['random_seed']}."
    )
    write_whole(target, page(title, subtitle, report_document(contents)), "the report")
    return target


def _told(what: str) -> None:
    print(f"bayessem: report: {what} ...", file=sys.stderr, flush=True)
