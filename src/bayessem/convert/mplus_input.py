"""An input file of Mplus as its sections and the statements in them.

A section begins with its name and a colon at the start of a line or after a semicolon; statements
end with a semicolon; comments begin with "!".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bayessem.errors import SyntaxProblem

# Names of sections; they may be cut to four letters.
SECTIONS = (
    "TITLE",
    "DATA",
    "VARIABLE",
    "DEFINE",
    "ANALYSIS",
    "MODEL",
    "OUTPUT",
    "SAVEDATA",
    "PLOT",
    "MONTECARLO",
)
# What stands behind MODEL and is no group.
PARTS = ("INDIRECT", "CONSTRAINT", "TEST", "PRIORS", "POPULATION", "COVERAGE", "MISSING")
_DATA_PARTS = "IMPUTATION|WIDETOLONG|LONGTOWIDE|TWOPART|MISSING|SURVIVAL|COHORT"
_HEAD = re.compile(
    rf"""(?:(?<=^)|(?<=\n)|(?<=;))[^\S\n]*
    (?P<name>TITLE|DATA(?:[^\S\n]+(?:{_DATA_PARTS}))?|VARI\w*|DEFI\w*|ANAL\w*
      |MODEL(?:[^\S\n]+[\w.\#-]+)?|OUTP\w*|SAVE\w*|PLOT|MONT\w*)[^\S\n]*:""",
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True)
class Piece:
    """A statement of Mplus without its semicolon; its line breaks are kept.

    Attributes
    ----------
    section : str
        In capitals, as "MODEL" or "MODEL INDIRECT".
    text : str
        What it says.
    line : int
        Where it begins, from 1.
    """

    section: str
    text: str
    line: int

    @property
    def where(self) -> str:
        """The statement and its place, as the list of what was not taken quotes it."""
        return f'{self.section}, line {self.line}: "{" ".join(self.text.split())}"'


def read_input(text: str) -> tuple[str, tuple[Piece, ...]]:
    """The title and the statements of an input file.

    Raises
    ------
    SyntaxProblem
        For a text without a section MODEL.
    """
    plain = re.sub("\r\n?", "\n", text)
    # Comments become blanks, so that lines and columns stay what they are.
    plain = re.sub(r"![^\n]*", lambda found: " " * len(found[0]), plain)
    heads = _heads(plain)
    if not any(name.split()[0] == "MODEL" for name, _, _ in heads):
        raise SyntaxProblem("an input of Mplus has a section 'MODEL:'; this text has none")
    title, pieces = "", []
    for k, (name, _, end) in enumerate(heads):
        stop = heads[k + 1][1] if k + 1 < len(heads) else len(plain)
        if name == "TITLE":
            title = " ".join(plain[end:stop].split())
        else:
            pieces += _statements(name, plain, end, stop)
    return title, tuple(pieces)


def _heads(text: str) -> list[tuple[str, int, int]]:
    """Name, begin and end of each section's head; a title runs to the next head on a line."""
    out: list[tuple[str, int, int]] = []
    for found in _HEAD.finditer(text):
        first, _, rest = " ".join(found["name"].upper().split()).partition(" ")
        full = next(s for s in SECTIONS if s.startswith(first[:4]))
        if full == "MODEL":  # names of groups keep their letters
            rest = found["name"].split(maxsplit=1)[1] if rest else ""
            rest = rest.upper() if rest.upper() in PARTS else rest
        out.append((f"{full} {rest}".strip(), found.start(), found.end()))
    return out


def _statements(section: str, text: str, start: int, stop: int) -> list[Piece]:
    out, at = [], start
    for part in text[start:stop].split(";"):
        # "%WITHIN%" is a statement of its own, without a semicolon.
        for label in re.finditer(r"(?P<block>%[^%\n]+%)|(?P<rest>(?:(?!%[^%\n]+%).)+)", part, re.S):
            said = label[0].strip()
            if said:
                begin = at + label.start() + len(label[0]) - len(label[0].lstrip())
                out.append(Piece(section, label[0].strip("\n \t"), text.count("\n", 0, begin) + 1))
        at += len(part) + 1
    return out
