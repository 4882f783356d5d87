"""The page of a design study, and the truth that a file holds."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

from bayessem.arguments import check_shared
from bayessem.disk import expanded, require_writable, told, write_whole
from bayessem.errors import DataError
from bayessem.planning.result import Design
from bayessem.plots.design import plot_design
from bayessem.report.page import page
from bayessem.results.run_folder import load
from bayessem.syntax.specification import Specification
from bayessem.text.document import (
    Column,
    Document,
    Figure,
    Heading,
    Items,
    Paragraph,
    Table,
    Verbatim,
)
from bayessem.text.formats import NUMBER
from bayessem.text.glossary import with_notes

WHAT = "the report"
CAPTION = (
    "Share of data sets in which each target is found, by sample size, with 95 % Monte Carlo "
    "intervals. Filled points: rightly found; open points: found although it is not there, or with "
    "the wrong sign. Dotted: the assurance that was sought; strokes: the smallest n that reaches "
    "it."
)


@check_shared
def report_design(
    result: Design, path: str | os.PathLike[str], *, title: str = "Design study"
) -> Path:
    """Write a design study as an HTML page: curves, tables, model and truths.

    Parameters
    ----------
    result : Design
        From `bayessem.design` or `bayessem.read_design`.
    path : path
        Ends in .html.
    title : str
        Its heading.

    Raises
    ------
    FitError
        When the file cannot be written, or its name does not end in .html or .htm.
    """
    target = require_writable(path, WHAT, suffixes=(".html", ".htm"))
    text = page(title, result.opening, design_document(result))
    write_whole(target, text, WHAT)
    return target


def design_document(result: Design) -> Document:
    """What the page holds: results, then what was simulated."""
    found = with_notes(result.document())
    return Document.of(
        Heading("What samples would find", 2),
        Figure(lambda: plot_design(result), CAPTION),
        Document(found.blocks[2:]).within(3),  # the title and its first line are the page's
        Heading("What was simulated", 2),
        Verbatim(result.settings["model"].strip("\n")),
        Items(_simulated(result)),
        list(_truths(result)),
    )


def _simulated(result: Design) -> tuple[str, ...]:
    settings = result.settings
    lines = [
        f"Target {text!r}." if name == text else f"Target {name}: {text!r}."
        for name, text in settings["targets"]
    ]
    usual = json.loads(json.dumps(Specification("y ~ x").options))
    options = {k: v for k, v in settings["options"].items() if v != usual.get(k)}
    if options:
        lines.append(f"Options of the model: {json.dumps(options)}.")
    if settings["rope"] is not None:
        lines.append(f"Region of practical equivalence: {settings['rope']}.")
    if settings["sampling"] is not None:
        lines.append(f"Sampling: {json.dumps(settings['sampling'])}.")
    if settings["priors"]:
        lines.append(f"Priors: {json.dumps(settings['priors'])}; the others by default.")
    if settings["pooling"]:
        lines.append(f"Pooling: {json.dumps(settings['pooling'])}.")
    lines.append(f"bayessem {settings['version']}, seed {settings['random_seed']}.")
    return tuple(lines)


def _truths(result: Design) -> Any:
    kind = "standardised" if result.settings["standardized"] else "in the units of the model"
    for name, values in result.settings["truths"].items():
        head = f"Truth {name!r}" if name else "Truth"
        if "sha256" in values:
            yield Paragraph(
                f"{head}: {values['draws']} draws of a fit of the model (SHA-256 of the draws "
                f"{values['sha256'][:12]}...)."
            )
            continue
        names, numbers = list(values), list(values.values())
        yield Table(
            (Column("parameter", names), Column("value", numbers, NUMBER)), f"{head}, {kind}"
        )


def read_truth(path: str) -> Any:
    """A truth from a file or the folder of a fit.

    Raises
    ------
    DataError
        For a file that holds no values by name.
    """
    place = expanded(path)
    if place.is_dir():
        return load(place)
    with told(f"{path} cannot be read", DataError):
        content = place.read_bytes()
    try:
        text = content.decode("utf-8")
        values = tomllib.loads(text) if place.suffix.lower() == ".toml" else json.loads(text)
    except ValueError as error:
        raise DataError(
            f"{path} holds no values of parameters: write JSON such as "
            f'{{"y ~ x": 0.3}}, or TOML such as "y ~ x" = 0.3 ({error})'
        ) from None
    if not isinstance(values, dict):
        raise DataError(f"{path} holds a {type(values).__name__}, not values by name")
    return values
