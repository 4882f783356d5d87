"""The path diagram of a model or a fit: shown, saved as a picture, or as text of other programs."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bayessem.arguments import flag, shown
from bayessem.diagram.drawing import draw
from bayessem.diagram.elements import Panel, fitted_panel, latents_only, model_panel
from bayessem.diagram.layout import Layout, layout
from bayessem.diagram.texts import dot, mermaid, tikz
from bayessem.disk import require_writable, write_whole
from bayessem.errors import ModelError
from bayessem.results.estimates import tail_probability
from bayessem.results.fitted import Fitted
from bayessem.syntax.parameters import ParameterTable
from bayessem.text.described import Described
from bayessem.text.document import Block, Column, Document, Heading, Notes, Table
from bayessem.text.formats import TEXT, percent_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure

PICTURES = (".svg", ".png", ".pdf")
TEXTS = {".dot": "dot", ".gv": "dot", ".mmd": "mermaid", ".tex": "tikz"}
# In a notebook no wider than its cell.
FITTING = 'style="max-width: 100%; height: auto"'
# Groups that are drawn without being asked for.
GROUPS = 6


@dataclass(frozen=True, repr=False)
class Diagram(Described):
    """A path diagram; a notebook shows it, `save` writes it.

    Attributes
    ----------
    panels : tuple of Panel
        What is shown, a panel a group: nodes and edges with their estimates.
    note : str
        What the numbers and lines are.
    """

    panels: tuple[Panel, ...]
    note: str

    @cached_property
    def layouts(self) -> tuple[Layout, ...]:
        """Where everything stands in each panel, in inches.

        The same for all groups; the levels of a two-level model have one each.
        """
        alike: dict[tuple[tuple[str, ...], ...], list[Panel]] = {}
        for panel in self.panels:
            alike.setdefault(_relations(panel), []).append(panel)
        found = {key: layout(panels) for key, panels in alike.items()}
        return tuple(found[_relations(panel)] for panel in self.panels)

    @property
    def layout(self) -> Layout:
        """Where everything stands in the first panel."""
        return self.layouts[0]

    def figure(self) -> MatplotlibFigure:
        """The diagram as a figure of matplotlib."""
        return draw(self.panels, self.layouts, self.note)

    def plot(self) -> MatplotlibFigure:
        """The same as `figure()`, by the name that other results have."""
        return self.figure()

    def svg(self) -> str:
        """The diagram as SVG, with text as text."""
        import matplotlib as mpl
        import matplotlib.pyplot as plt

        figure, out = self.figure(), io.StringIO()
        with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "bayessem"}):
            figure.savefig(out, format="svg", metadata={"Date": None})
        plt.close(figure)
        return out.getvalue()

    def dot(self) -> str:
        """The diagram in Graphviz's language; dot lays it out anew."""
        return dot(self.panels)

    def mermaid(self) -> str:
        """The diagram as a flow chart of Mermaid, for Markdown pages."""
        return mermaid(self.panels)

    def tikz(self) -> str:
        """The diagram as a LaTeX document of its own, laid out as the figure."""
        return tikz(self.panels, self.layouts)

    def save(self, path: str | os.PathLike[str], *, dpi: int = 300) -> Path:
        """Write the diagram; the end of the name says how.

        Parameters
        ----------
        path : path
            Ends in .svg, .png, .pdf (pictures), .dot or .gv (Graphviz), .mmd (Mermaid), .tex
            (TikZ).
        dpi : int
            Dots an inch of a PNG.

        Returns
        -------
        Path

        Raises
        ------
        FitError
            For another ending, or where the file cannot be written.
        """
        target = require_writable(path, "the diagram", suffixes=(*PICTURES, *TEXTS))
        suffix = target.suffix.lower()
        if suffix in TEXTS:
            content: str | bytes = getattr(self, TEXTS[suffix])()
        elif suffix == ".svg":
            content = self.svg()
        else:
            content = self._picture(suffix[1:], dpi)
        write_whole(target, content, "the diagram")
        return target

    def _picture(self, kind: str, dpi: int) -> bytes:
        import matplotlib.pyplot as plt

        figure, out = self.figure(), io.BytesIO()
        figure.savefig(out, format=kind, dpi=dpi)
        plt.close(figure)
        return out.getvalue()

    def document(self) -> Document:
        """The relations with their estimates, a table a group."""
        return Document.of(
            *(block for panel in self.panels for block in _blocks(panel)),
            Notes((self.note,) if self.note else ()),
        )

    def _repr_html_(self) -> str:
        svg = self.svg()
        drawn = svg[svg.index("<svg") :].replace("<svg", f"<svg {FITTING}", 1)
        return f'<div class="bayessem">{drawn}</div>'


def _blocks(panel: Panel) -> list[Block]:
    own = [e for e in panel.edges if e.kind != "factor"]
    names = Column("", [_relation(e.kind, e.source, e.target) for e in own])
    estimates = Column("estimate", [" ".join(e.lines) for e in own], TEXT)
    table = Table((names, estimates)).without_empty()
    return [Heading(panel.group, 2), table] if panel.group else [table]


def _relations(panel: Panel) -> tuple[tuple[str, ...], ...]:
    """What a panel shows, without estimates."""
    edges = [(e.kind, e.source, e.target) for e in panel.edges]
    return (*((n.name,) for n in panel.nodes), *edges)


def _relation(kind: str, source: str, target: str) -> str:
    if kind == "loading":
        return f"{source} =~ {target}"
    if kind == "weight":
        return f"{target} <~ {source}"
    return f"{target} ~ {source}" if kind == "path" else f"{source} ~~ {target}"


def model_diagram(
    table: ParameterTable, *, latents_only: bool = False, covariances: bool = True
) -> Diagram:
    """The diagram of a model; arguments and errors: `SEM.diagram`."""
    flag("latents_only", latents_only, ModelError)
    flag("covariances", covariances, ModelError)
    panels = tuple(
        model_panel(table, g, covariances=covariances, labels={})[0] for g in range(table.levels)
    )
    return _made(panels, "", latents_only)


def fitted_diagram(
    fit: Fitted,
    *,
    standardized: bool = True,
    latents_only: bool = False,
    covariances: bool = True,
    labels: bool = False,
    group: str | None = None,
    ci_prob: float = 0.95,
) -> Diagram:
    """The diagram of a fit; arguments and errors: `Fit.diagram`."""
    for name, value in (
        ("standardized", standardized),
        ("latents_only", latents_only),
        ("covariances", covariances),
        ("labels", labels),
    ):
        flag(name, value, ModelError)
    tail_probability(ci_prob)
    texts: Mapping[str, str] = fit.prepared.sample.labels if labels else {}
    panels = tuple(
        fitted_panel(
            fit,
            g,
            standardized=standardized,
            covariances=covariances,
            ci_prob=ci_prob,
            labels=texts,
        )
        for g in _groups(fit.prepared.table.groups, group)
    )
    what = "Standardised posterior means" if standardized else "Posterior means"
    note = (
        f"{what}, {percent_text(ci_prob)}s in brackets. Lines: the wider, the larger the "
        "standardised value; grey: the interval covers 0."
    )
    return _made(panels, note, latents_only)


def _groups(names: tuple[str, ...], group: str | None) -> list[int]:
    """Positions of the groups to draw."""
    if group is not None:
        if str(group) not in names or names == ("",):
            listed = ", ".join(map(repr, names)) if names != ("",) else "none"
            raise ModelError(f"group={shown(group)} is no group of the model; its groups: {listed}")
        return [names.index(str(group))]
    if len(names) > GROUPS:
        raise ModelError(
            f"the model has {len(names)} groups, too many for one figure; name one: "
            f"group={names[0]!r}"
        )
    return list(range(len(names)))


def _made(panels: tuple[Panel, ...], note: str, only: bool) -> Diagram:
    shown_panels = tuple(latents_only(p) for p in panels) if only else panels
    if not any(p.nodes for p in shown_panels):
        raise ModelError(
            "there is nothing to draw: the model has no loadings, paths or covariances"
            + (" of constructs (latents_only=False shows the observed variables)" if only else "")
        )
    return Diagram(shown_panels, note)
