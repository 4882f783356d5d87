"""Path diagrams as text of other programs: Graphviz's DOT, Mermaid, TikZ."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bayessem.diagram.drawing import FADED, FILL, line_width
from bayessem.diagram.elements import Edge, Node, Panel
from bayessem.diagram.layout import Layout

DOT_SHAPES = {"latent": "ellipse", "observed": "box", "product": "hexagon"}
MERMAID_SHAPES = {"latent": "([{}])", "observed": "[{}]", "product": "{{{{{}}}}}"}
LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "²": r"\textsuperscript{2}",
    "³": r"\textsuperscript{3}",
    "×": r"$\times$",
    "−": r"$-$",
} | {x: f"\\{x}" for x in "&%$#_{}"}
# LaTeX takes a bracket after a bare line break for a distance.
LINE = r"\\{}"
TIKZ_HEAD = r"""\documentclass[border=2mm]{standalone}
\usepackage[utf8]{inputenc}
\usepackage{tikz}
\usetikzlibrary{arrows.meta, shapes.geometric}
\begin{document}
\begin{tikzpicture}[x=1in, y=1in, font=\footnotesize, >={Latex[length=1.6mm]},
  part/.style={draw, inner sep=0pt, align=center},
  latent/.style={part, ellipse, fill=blue!6},
  observed/.style={part, fill=white},
  product/.style={part, rounded corners=1.5mm, fill=orange!10},
  estimate/.style={fill=white, inner sep=0.6pt, font=\tiny, align=center}]
"""


def _ids(panels: Sequence[Panel]) -> list[dict[str, str]]:
    """Plain names for nodes, by panel."""
    return [
        {n.name: f"n{g}_{i}" if len(panels) > 1 else f"n{i}" for i, n in enumerate(panel.nodes)}
        for g, panel in enumerate(panels)
    ]


def _dot_text(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def dot(panels: Sequence[Panel]) -> str:
    """The panels in Graphviz's language, a cluster a group."""
    out = [
        "digraph model {",
        "  rankdir=LR;",
        '  node [fontname="Helvetica", fontsize=11, style=filled];',
        '  edge [fontname="Helvetica", fontsize=9];',
    ]
    for g, (panel, ids) in enumerate(zip(panels, _ids(panels), strict=True)):
        pad = "  "
        if len(panels) > 1:
            out += [f"  subgraph cluster_{g} {{", f"    label={_dot_text(panel.group)};"]
            pad = "    "
        for n in panel.nodes:
            text = _dot_text("\n".join(x for x in (n.text, n.note) if x))
            out.append(
                f"{pad}{ids[n.name]} [label={text}, shape={DOT_SHAPES[n.kind]}, "
                f'fillcolor="{FILL[n.kind]}"];'
            )
        out += [f"{pad}{ids[e.source]} -> {ids[e.target]} [{_dot_look(e)}];" for e in panel.edges]
        if len(panels) > 1:
            out.append("  }")
    return "\n".join([*out, "}", ""])


def _dot_look(edge: Edge) -> str:
    look = [f"penwidth={line_width(edge):.2f}"]
    if edge.lines:
        look.append(f"label={_dot_text(chr(10).join(edge.lines))}")
    if edge.kind == "covariance":
        look += ["dir=both", "constraint=false"]
    if edge.kind == "factor":
        look += ["dir=none", "style=dashed"]
    if edge.covers_zero:
        look += [f'color="{FADED}"', f'fontcolor="{FADED}"']
    return ", ".join(look)


def _mermaid_text(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace('"', "#quot;").replace("<", "&lt;")
    return '"' + escaped.replace(">", "&gt;").replace("\n", "<br/>") + '"'


def mermaid(panels: Sequence[Panel]) -> str:
    """The panels as a flow chart of Mermaid, a subgraph a group."""
    out, styles, count = ["flowchart LR"], [], 0
    for g, (panel, ids) in enumerate(zip(panels, _ids(panels), strict=True)):
        pad = "  "
        if len(panels) > 1:
            out.append(f"  subgraph g{g} [{_mermaid_text(panel.group)}]")
            pad = "    "
        for n in panel.nodes:
            text = _mermaid_text("\n".join(x for x in (n.text, n.note) if x))
            out.append(f"{pad}{ids[n.name]}{MERMAID_SHAPES[n.kind].format(text)}")
        for e in panel.edges:
            arrow = {"covariance": "<-->", "factor": "-.-"}.get(e.kind, "-->")
            label = f"|{_mermaid_text(chr(10).join(e.lines))}|" if e.lines else ""
            out.append(f"{pad}{ids[e.source]} {arrow}{label} {ids[e.target]}")
            shade = f",stroke:{FADED},color:{FADED}" if e.covers_zero else ""
            styles.append(f"  linkStyle {count} stroke-width:{line_width(e):.1f}px{shade}")
            count += 1
        if len(panels) > 1:
            out.append("  end")
    return "\n".join([*out, *styles, ""])


def _latex(text: str) -> str:
    return "".join(LATEX.get(x, x) for x in text)


def tikz(panels: Sequence[Panel], layouts: Sequence[Layout]) -> str:
    """The panels as a LaTeX document, below each other, where the figure has everything."""
    out = [TIKZ_HEAD]
    below: float | None = None  # where the panel before ends
    for panel, ids, layout in zip(panels, _ids(panels), layouts, strict=True):
        left, bottom, _, top = layout.bounds
        down = 0.0 if below is None else below - top
        below = down + bottom - 0.6
        if panel.group:
            title = _latex(panel.group)
            out.append(
                f"\\node[anchor=west] at ({left:.3f},{top + down + 0.25:.3f}) "
                f"{{\\textbf{{{title}}}}};"
            )
        out += [_tikz_node(n, ids[n.name], layout, down) for n in panel.nodes]
        for e, curve, box in zip(panel.edges, layout.curves, layout.labels, strict=True):
            places = [f"({x:.3f},{y + down:.3f})" for x, y in curve.points]
            if curve.bent:
                way = f"{places[0]} .. controls {places[1]} and {places[2]} .. {places[3]}"
            else:
                way = " -- ".join(places)
            out.append(f"\\draw[{_tikz_look(e)}] {way};")
            if box is not None and e.lines:
                shade = ", text=gray" if e.covers_zero else ""
                text = LINE.join(map(_latex, e.lines))
                out.append(
                    f"\\node[estimate{shade}] at ({box.x:.3f},{box.y + down:.3f}) {{{text}}};"
                )
    return "\n".join([*out, r"\end{tikzpicture}", r"\end{document}", ""])


def _tikz_node(node: Node, name: str, layout: Layout, down: float) -> str:
    box = layout.boxes[node.name]
    text = LINE.join(_latex(x) for x in (*node.text.split("\n"), node.note) if x)
    text = re.sub(r"R\\textsuperscript\{2\}", "$R^2$", text)
    size = f"minimum width={2 * box.half_width:.3f}in, minimum height={2 * box.half_height:.3f}in"
    return f"\\node[{node.kind}, {size}] ({name}) at ({box.x:.3f},{box.y + down:.3f}) {{{text}}};"


def _tikz_look(edge: Edge) -> str:
    arrow = {"covariance": "<->", "factor": "dashed"}.get(edge.kind, "->")
    shade = ", gray!60" if edge.covers_zero else ""
    return f"{arrow}, line width={line_width(edge):.2f}pt, rounded corners=2mm{shade}"
