"""Commands that write pages and pictures of a run: report, diagram."""

from __future__ import annotations

import os
from typing import Annotated

from cyclopts import Parameter

from bayessem.commands.fitted import require_groups, saved_run
from bayessem.commands.options import Json, ModelOptions, Seed
from bayessem.commands.outcome import UsedWrongly, conclude, in_terminal, of_the_call


def report(
    run: Annotated[str, Parameter(help="folder of a saved run")],
    out: Annotated[str, Parameter(help="file to write: .html, .docx (Word) or .tex (LaTeX)")],
    /,
    *,
    hypothesis: Annotated[
        tuple[str, ...],
        Parameter(help="such as 'H1: y ~ x > 0', judged at the top; may be repeated"),
    ] = (),
    title: Annotated[str, Parameter(help="heading")] = "Structural equation model",
    seed: Seed = None,
    json: Json = False,
) -> int:
    """Write everything that readers and reviewers ask for as HTML, Word or LaTeX."""
    from bayessem.disk import require_writable

    with of_the_call():
        require_writable(out, "the report", suffixes=(".html", ".htm", ".docx", ".tex"))
        if out.lower().endswith(".docx"):
            from bayessem.text.word import require_word

            require_word()
    fit = saved_run(run)
    if hypothesis:
        with of_the_call():
            fit.hypotheses(list(hypothesis))
    path = fit.report(
        out,
        title=title,
        hypotheses=list(hypothesis) or None,
        random_seed=0 if seed is None else seed,
        progress=in_terminal(),
    )
    return conclude(as_json=json, saved=[path])


def diagram(
    what: Annotated[str, Parameter(help="folder of a saved run, or file with a model, or -")],
    out: Annotated[
        str,
        Parameter(help="file to write: .svg, .png, .pdf, .dot, .mmd (Mermaid) or .tex (TikZ)"),
    ],
    /,
    *,
    latents_only: Annotated[bool, Parameter(help="leave the indicators out")] = False,
    no_covariances: Annotated[
        bool, Parameter(help="loadings and paths without covariances")
    ] = False,
    raw: Annotated[bool, Parameter(help="estimates in the units of the data")] = False,
    labels: Annotated[bool, Parameter(help="labels of variables for names")] = False,
    only_group: Annotated[str | None, Parameter(help="one group (all)")] = None,
    json: Json = False,
    how: ModelOptions = ModelOptions(),
) -> int:
    """Draw a saved run with its estimates, or a model's text, as a path diagram."""
    from bayessem.diagram.diagram import PICTURES, TEXTS
    from bayessem.disk import require_writable

    with of_the_call():
        require_writable(out, "the diagram", suffixes=(*PICTURES, *TEXTS))
    shown = {"latents_only": latents_only, "covariances": not no_covariances}
    if os.path.isdir(what):
        fit = saved_run(what)
        require_groups(fit, None if only_group is None else (only_group,))
        drawn = fit.diagram(**shown, standardized=not raw, labels=labels, group=only_group)
    else:
        given = {"--raw": raw, "--labels": labels, "--only-group": only_group is not None}
        idle = [name for name, value in given.items() if value]
        if idle:
            raise UsedWrongly(f"{idle[0]} is for saved runs; {what} is a model without estimates")
        drawn = how.model(what).diagram(**shown)
    return conclude(as_json=json, saved=[drawn.save(out)])
