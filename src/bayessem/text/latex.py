r"""Documents as LaTeX: booktabs tables, escaped names, minus signs.

Without a preamble they go into a paper that has `\usepackage{booktabs, longtable, array, caption}`;
a page of its own has one that pdfLaTeX, XeLaTeX and LuaLaTeX take.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from bayessem.text.arrangement import Arranged, arranged
from bayessem.text.document import (
    Block,
    Document,
    Figure,
    Heading,
    Items,
    Lines,
    Notes,
    Paragraph,
    Table,
    Verbatim,
)
from bayessem.text.numbering import Numbering, Place, numbered
from bayessem.text.numbers import minus_signs, typeset

GREEK = (
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"),
    *("lambda", "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi"),
    "omega",
)
CAPITALS = (
    *("Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi"),
    "Omega",
)


def _greek() -> dict[str, str]:
    out = {}
    for names, size in ((GREEK, "SMALL"), (CAPITALS, "CAPITAL")):
        for name in names:
            known = name.upper().replace("LAMBDA", "LAMDA")  # as Unicode spells it
            out[unicodedata.lookup(f"GREEK {size} LETTER {known}")] = rf"$\{name}$"
    out |= {"ο": "$o$", "ς": r"$\varsigma$"}
    latin = zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧ", "ABEZHIKMNOPTX", strict=True)
    out |= {capital: rf"$\mathrm{{{letter}}}$" for capital, letter in latin}
    for accented in "άέήίόύώ":  # few fonts of other scripts have them
        letter = out[unicodedata.normalize("NFD", accented)[0]].strip("$")
        out[accented] = rf"$\acute{{{letter}}}$"
    return out


SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "\N{MINUS SIGN}": "$-$",
    "\N{RIGHTWARDS ARROW}": r"$\rightarrow$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{INFINITY}": r"$\infty$",
    "\N{SUPERSCRIPT TWO}": r"$^2$",
    "\N{SUPERSCRIPT THREE}": r"$^3$",
    "\N{LESS-THAN OR EQUAL TO}": r"$\leq$",
    "\N{GREATER-THAN OR EQUAL TO}": r"$\geq$",
    "\N{ALMOST EQUAL TO}": r"$\approx$",
    "\N{NO-BREAK SPACE}": "~",
    "\N{EN DASH}": r"\textendash{}",
    "\N{EM DASH}": r"\textemdash{}",
    "\N{LEFT DOUBLE QUOTATION MARK}": "``",
    "\N{RIGHT DOUBLE QUOTATION MARK}": "''",
    "\N{DOUBLE LOW-9 QUOTATION MARK}": r"\quotedblbase{}",
    "\N{LEFT SINGLE QUOTATION MARK}": "`",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
    "\N{BULLET}": r"\textbullet{}",
    "\N{EURO SIGN}": r"\texteuro{}",
    "\N{TRADE MARK SIGN}": r"\texttrademark{}",
    "\n": r"\newline ",
    **_greek(),
}
# Words too long for a cell or a line may break behind these, and checksums anywhere.
LONG_WORD, JOINTS = re.compile(r"\S{20,}"), re.compile(r"([_:.])(?=\w)|([^\W_]{8})(?=[^\W_]{32})")
BREAK = "\ue002"
# The last character that the fonts of pdfLaTeX have as it is.
LAST_LATIN = 0x17F
SECTIONS = ("section*", "section*", "subsection*", "subsubsection*")
# Rows above which a table may break between pages.
ROWS = 30
# Characters beside each other, and the size of letters in which so many fit 6.5 inches.
SIZES = ((88, r"\normalsize"), (100, r"\small"), (114, r"\footnotesize"), (132, r"\scriptsize"))
ROOM = SIZES[-1][0]
NEEDS = r"% needs \usepackage{booktabs, longtable, array, caption} and \usepackage[T1]{fontenc}"
# Of a page: text and accents in any of the three programs, pictures that stay where they are.
PREAMBLE = r"""\documentclass{article}
\usepackage[a4paper, margin=2.4cm]{geometry}
\usepackage{iftex}
\ifpdftex
  \usepackage[utf8]{inputenc}
  \usepackage[T1]{fontenc}
  \usepackage{textcomp}
  \usepackage{lmodern}
\else
  \usepackage{fontspec}
\fi
\usepackage{booktabs, longtable, array, graphicx, float}
\usepackage[singlelinecheck=false, labelfont=bf, textfont=it, labelsep=newline]{caption}
\usepackage[hidelinks]{hyperref}
\setlength{\tabcolsep}{4pt}
\setlength{\parindent}{0pt}
\setlength{\parskip}{.6em}
\setlength{\LTleft}{0pt}
\sloppy
% A caption stays with its table.
\newcommand{\roombelow}{\par\ifdim\dimexpr\pagegoal-\pagetotal<8\baselineskip\pagebreak\fi}
"""

# Fonts with Chinese, Japanese, Korean, Greek and Cyrillic letters, as systems and TeX have them.
FONTS = {
    "main": ("Noto Serif CJK SC", "Source Han Serif SC", "Noto Sans CJK SC", "SimSun", "Songti SC"),
    "mono": ("Noto Sans Mono CJK SC", "Noto Sans CJK SC", "SimSun", "Songti SC"),
}

# A figure and its number to the name of its file and its width in inches.
Pictures = Callable[[Figure, int], tuple[str, float]]
# Inches between the margins of a page of its own.
LINE = 6.4


def escaped(text: str) -> str:
    """A text as LaTeX shows it: nothing in it is a command."""
    whole = LONG_WORD.sub(lambda found: JOINTS.sub(rf"\g<0>{BREAK}", found[0]), text)
    shown = "".join(SPECIAL.get(c, c) for c in whole).replace("--", "-{}-")
    return shown.replace(BREAK, r"\allowbreak{}")


def document_latex(document: Document, *, pictures: Pictures | None = None) -> str:
    r"""The blocks of a document as LaTeX, without a preamble.

    Parameters
    ----------
    document : Document
    pictures : callable, optional
        Of a page of its own, in which all tables may break between pages and references are links:
        takes a figure and its number, and returns the name for `\includegraphics` and the width
        in inches. Without it figures are left out.
    """
    numbering = numbered(document)
    out, blocks = [], document.blocks
    for k, block in enumerate(blocks):
        if isinstance(block, Notes) and k and isinstance(blocks[k - 1], Table):
            continue  # stands in the table
        if isinstance(block, Table):
            following = blocks[k + 1] if k + 1 < len(blocks) else None
            notes = following.texts if isinstance(following, Notes) else ()
            note = _note(notes, numbering) if notes else ""
            out.append(_table(block, numbering.places[k], note, page=pictures is not None))
        elif isinstance(block, Figure):
            out += [_figure(block, numbering.places[k], pictures)] if pictures else []
        else:
            out.append(_prose_block(block, numbering))
    return "\n\n".join(out)


def fragment_latex(document: Document) -> str:
    """A document to be put into a paper, with what it needs as a comment."""
    return f"{NEEDS}\n{document_latex(document)}\n"


def page_latex(body: str, *, title: str, subtitle: str) -> str:
    """A page of its own around the body of a document.

    Characters that pdfLaTeX's fonts do not have (Chinese, Japanese, Korean, ...) are shown as their
    numbers there; XeLaTeX and LuaLaTeX take the first of `FONTS` that is installed, and a comment
    at the top says so.
    """
    strange = sorted({c for c in body + title if ord(c) > LAST_LATIN and c not in SPECIAL})
    first, known = "", ""
    if strange:
        declared = "".join(
            f"  \\DeclareUnicodeCharacter{{{ord(c):04X}}}{{[U+{ord(c):04X}]}}\n" for c in strange
        )
        known = f"\\ifpdftex\n{declared}\\else\n{_fonts()}\\fi\n"
        first = (
            f"% This text has characters such as {' '.join(strange[:3])}: compile it with LuaLaTeX "
            "or XeLaTeX.\n% pdfLaTeX shows their numbers. Name a font of yours with \\setmainfont "
            "where those below are not installed.\n"
        )
    return (
        f"{first}{PREAMBLE}{known}\\title{{{escaped(typeset(title))}}}\n"
        f"\\author{{{escaped(typeset(subtitle))}}}\n\\date{{}}\n"
        f"\\begin{{document}}\n\\maketitle\n\n{body}\n\n\\end{{document}}\n"
    )


def _fonts() -> str:
    """The first font that is installed; Latin Modern where there is none."""
    lines = []
    for kind, names in FONTS.items():
        chosen = "".join(rf"\IfFontExistsTF{{{x}}}{{\set{kind}font{{{x}}}}}{{" for x in names)
        lines.append(f"  {chosen}{'}' * len(names)}\n")
    return "".join(lines)


def _said(text: str, numbering: Numbering) -> str:
    """Prose; the tables and figures that it names are links."""
    return "".join(
        escaped(typeset(piece))
        if place is None
        else rf"\hyperref[{place.anchor}]{{{place.kind}~\ref*{{{place.anchor}}}}}"
        for piece, place in numbering.pieces(text)
    )


def _prose_block(block: Block, numbering: Numbering) -> str:
    match block:
        case Heading(text, level):
            command = SECTIONS[min(level, len(SECTIONS) - 1)]
            return rf"\{command}{{{escaped(typeset(text))}}}"
        case Paragraph(text, warning):
            said = _said(text, numbering)
            return rf"\textbf{{{said}}}" if warning else said
        case Lines(texts):
            return " \\\\\n".join(_guarded(_said(text, numbering)) for text in texts)
        case Notes(texts):
            return _note(texts, numbering)
        case Items(texts):
            items = "\n".join(rf"  \item {{}}{_said(text, numbering)}" for text in texts)
            return f"\\begin{{itemize}}\n{items}\n\\end{{itemize}}"
        case Verbatim(text):
            lines = [escaped(line).replace(" ", r"\ ") or r"\ " for line in text.split("\n")]
            shown = " \\\\\n".join(map(_guarded, lines))
            return f"{{\\ttfamily\\small\\raggedright\n{shown}\\par}}"
        case _:
            raise TypeError(type(block).__name__)


def _note(texts: tuple[str, ...], numbering: Numbering) -> str:
    said = " ".join(_said(text, numbering) for text in texts)
    return rf"{{\footnotesize\textit{{Note.}} {said}\par}}"


def _guarded(cell: str) -> str:
    r"""What may stand after `\\`, which takes a star or a bracket for its own."""
    return f"{{}}{cell}" if cell.startswith(("[", "*")) else cell


def _table(table: Table, place: Place, note: str, *, page: bool) -> str:
    """A table with its note; in a page, or with many rows, one that may break between pages."""
    plan = arranged(table, ROOM)
    size = next((name for most, name in SIZES if plan.characters <= most), SIZES[-1][1])
    title = escaped(typeset(place.caption))
    label = rf"\label{{{place.anchor}}}" if page else ""
    caption = rf"\caption{{{title}}}" if title else ""
    breaks = page or len(table.columns[0].cells) > ROWS
    parts = [_part(table, plan, part, breaks) for part in plan.parts]
    if breaks:
        # outside the table, which may be narrower than its caption
        above = rf"\captionof{{table}}{{{title}}}{label}" if title else ""
        above = f"\\roombelow\n{above}" if page else above
        return "\n".join(filter(None, [f"{{{size}", above, *parts, f"}}{note}"]))
    head = "\n".join(filter(None, (r"\begin{table}[htbp]", r"\raggedright", caption, size)))
    body = "\n\n\\medskip\n".join(parts)
    below = f"\\par\\smallskip\n{note}" if note else ""
    return "\n".join(filter(None, (head, body, below, r"\end{table}")))


def _part(table: Table, plan: Arranged, part: list[int], breaks: bool) -> str:
    """Columns that stand beside each other, between rules."""
    chosen = [table.columns[i] for i in part]
    titles = " & ".join(_cell(c.title) for c in chosen)
    written = [
        [_cell(minus_signs(x) if c.format.right else typeset(x)) for x in c.written()]
        for c in chosen
    ]
    rows = "\n".join(f"{_guarded(' & '.join(cells))} \\\\" for cells in zip(*written, strict=True))
    named = any(c.title for c in chosen)
    head = f"\\toprule\n{titles} \\\\\n\\midrule" if named else r"\toprule"
    columns = _columns(table, plan, part)
    if breaks:
        return (
            f"\\begin{{longtable*}}[l]{{{columns}}}\n{head}\n\\endhead\n\\bottomrule\n"
            f"\\endlastfoot\n{rows}\n\\end{{longtable*}}"
        )
    return f"\\begin{{tabular}}{{{columns}}}\n{head}\n{rows}\n\\bottomrule\n\\end{{tabular}}"


def _cell(text: str) -> str:
    """A cell, on one line."""
    return escaped(" ".join(text.split("\n")))


def _columns(table: Table, plan: Arranged, part: list[int]) -> str:
    """What each column is: numbers to the right, texts to the left or broken into lines."""
    right = [column.format.right for column in table.columns]
    kinds = [
        rf">{{\ragged{'left' if right[i] else 'right'}\arraybackslash}}"
        rf"p{{{0.43 * plan.widths[i]:.1f}em}}"
        if plan.broken[i]
        else ("r" if right[i] else "l")
        for i in part
    ]
    return f"@{{}}{''.join(kinds)}@{{}}"


def _figure(figure: Figure, place: Place, pictures: Pictures) -> str:
    name, width = pictures(figure, place.number)
    share = min(width / LINE, 1.0)
    return (
        f"\\begin{{figure}}[H]\n\\raggedright\n"
        f"\\includegraphics[width={share:.3f}\\linewidth]{{{name}}}\n"
        f"\\caption{{{escaped(typeset(figure.caption))}}}\\label{{{place.anchor}}}\n\\end{{figure}}"
    )
