"""`fit.report("report.html")`: contents to sections to a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bayessem.report.contents import gather
from bayessem.report.page import page
from bayessem.report.sections import sections

if TYPE_CHECKING:
    from bayessem.fit import Fit


def report(
    fit: Fit,
    path: str | os.PathLike[str],
    *,
    title: str = "Structural equation model",
    random_seed: int = 0,
) -> Path:
    """Write everything that reviewers ask for as one HTML file.

    Model and data, priors and what they imply, computation, estimates, measurement, mediation,
    shapes, pooling, fit, prediction, sensitivity, the WAMBS and BARG checklists filled in, and how
    to reproduce it. The file holds its pictures; nothing is fetched when it is opened.

    Parameters
    ----------
    fit : Fit
        A sampled model.
    path : path
        Of the file; replaced when it exists.
    title : str
        Heading.
    random_seed : int
        Of replicated data and prior draws.

    Returns
    -------
    Path
        Of the file.
    """
    contents = gather(fit, random_seed=random_seed)
    sample = fit.prepared.sample
    subtitle = (
        f"Bayesian estimation; {sample.size} respondents, {fit.settings['chains']} chains of "
        f"{fit.settings['draws']} draws, seed {fit.settings['random_seed']}."
    )
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    partial.write_text(page(title, subtitle, sections(contents)), encoding="utf-8")
    partial.replace(target)
    return target
