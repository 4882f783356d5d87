"""`fit.report("report.html")`: contents to sections to a file, and what belongs beside it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bayessem.arguments import check_shared, flag
from bayessem.disk import require_writable, write_whole
from bayessem.effects.hypotheses import hypotheses as judged
from bayessem.errors import FitError
from bayessem.model.thresholds import refuse_answers
from bayessem.report.answers import used_references
from bayessem.report.contents import Contents, gather
from bayessem.report.page import page
from bayessem.report.references import bibtex
from bayessem.report.sections import report_document
from bayessem.results.fitted import Fitted
from bayessem.text.document import Document, Figure
from bayessem.text.latex import document_latex, page_latex
from bayessem.text.pictures import picture
from bayessem.text.word import document_word, require_word

HTML = (".html", ".htm")
SUFFIXES = (*HTML, ".docx", ".tex")
WHAT = "the report"


@check_shared
def report(
    fit: Fitted,
    path: str | os.PathLike[str],
    *,
    title: str = "Structural equation model",
    hypotheses: Mapping[str, str] | Sequence[str] | str | None = None,
    random_seed: int = 0,
    progress: bool = True,
) -> Path:
    """Write everything that readers and reviewers ask for as HTML, Word or LaTeX.

    Arguments, result and errors: `Fit.report`.
    """
    refuse_answers(fit.prepared.table, WHAT)
    target = require_writable(path, WHAT, suffixes=SUFFIXES)
    suffix = target.suffix.lower()
    if suffix == ".docx":
        require_word()
    if suffix == ".tex":
        for beside in (_bibliography(target), _figures(target) / "figure-1.pdf"):
            require_writable(beside, WHAT)
    told = _told if flag("progress", progress, FitError) else None
    found = None if hypotheses is None else judged(fit, hypotheses)
    contents = gather(fit, hypotheses=found, random_seed=random_seed, told=told)
    if told is not None:
        told("figures and tables")
    document, subtitle = report_document(contents), _subtitle(fit)
    if suffix in HTML:
        text = page(title, subtitle, document, bibtex=bibtex(used_references(contents)))
        write_whole(target, text, WHAT)
    elif suffix == ".docx":
        write_whole(target, document_word(document, title=title, subtitle=subtitle), WHAT)
    else:
        _write_latex(target, document, contents, title=title, subtitle=subtitle)
    return target


def _subtitle(fit: Fitted) -> str:
    return (
        f"Bayesian estimation; {fit.prepared.sample.size} respondents, {fit.settings['chains']} "
        f"chains of {fit.settings['draws']} draws, seed {fit.settings['random_seed']}."
    )


def _bibliography(target: Path) -> Path:
    """The references beside a LaTeX file, for BibTeX."""
    return target.with_suffix(".bib")


def _figures(target: Path) -> Path:
    """The folder of its figures."""
    return target.with_name(f"{target.stem}_figures")


def _write_latex(
    target: Path, document: Document, contents: Contents, *, title: str, subtitle: str
) -> None:
    """The file, and beside it its figures as PDF and its references."""
    folder = _figures(target)

    def pictured(figure: Figure, number: int) -> tuple[str, float]:
        content, (width, _) = picture(figure, "pdf")
        name = f"figure-{number}.pdf"
        write_whole(folder / name, content, WHAT)
        return f"{folder.name}/{name}", width

    body = document_latex(document, pictures=pictured)
    write_whole(_bibliography(target), bibtex(used_references(contents)), WHAT)
    write_whole(target, page_latex(body, title=title, subtitle=subtitle), WHAT)


def _told(what: str) -> None:
    print(f"bayessem: report: {what} ...", file=sys.stderr, flush=True)
