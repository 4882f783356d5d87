"""The sections DATA, VARIABLE, DEFINE and ANALYSIS of Mplus."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from bayessem.convert.mplus_input import Piece
from bayessem.convert.names import Names, name_list
from bayessem.errors import NotSupported

# Options of VARIABLE that are read; they may be cut to four letters.
_VARIABLE = (
    "NAMES",
    "USEVARIABLES",
    "USEOBSERVATIONS",
    "MISSING",
    "CATEGORICAL",
    "GROUPING",
    "CLUSTER",
    "WITHIN",
    "BETWEEN",
)
# Estimators, and what does the same here.
_ESTIMATORS = {
    "ML": "",
    "MLR": "bayessem ml --se robust has its standard errors",
    "MLM": "bayessem ml --se robust has robust standard errors",
    "MLF": "bayessem ml has standard errors of the observed information",
    "BAYES": "bayessem fit samples the posterior, with priors of its own (bayessem's defaults)",
}


@dataclass
class Settings:
    """What the sections before MODEL say.

    Attributes
    ----------
    names : Names
        Of the columns, and then of everything else in the order of appearance.
    columns, used, ordered, within, between : list of str
        Columns of the data file, those in use, and by role.
    group, cluster : str
    groups : dict
        Values of the grouping column to the names of their groups.
    missing : dict
        Column to its codes for missing values; "" for all columns.
    file : str
    listwise, means : bool
    equal : str
        Of groups: "SCALAR", "METRIC" or "CONFIGURAL".
    options : dict
        Arguments of the model: link, parameterization.
    defined : list of Piece
        Statements of DEFINE, to be done with the data.
    observations : str
        Which rows are used, or "".
    not_taken, notes : list of str
    """

    names: Names = field(default_factory=Names)
    columns: list[str] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    ordered: list[str] = field(default_factory=list)
    within: list[str] = field(default_factory=list)
    between: list[str] = field(default_factory=list)
    group: str = ""
    cluster: str = ""
    groups: dict[str, str] = field(default_factory=dict)
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    file: str = ""
    listwise: bool = False
    means: bool = True
    two_level: bool = False
    equal: str = "SCALAR"
    options: dict[str, Any] = field(default_factory=dict)
    defined: list[Piece] = field(default_factory=list)
    observations: str = ""
    not_taken: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def refuse(self, piece: Piece, why: str) -> None:
        """Put a statement on the list of what was not taken."""
        self.not_taken.append(f"{piece.where}: {why}")


def read_settings(pieces: tuple[Piece, ...]) -> Settings:
    """What the sections DATA, VARIABLE, DEFINE and ANALYSIS say.

    Raises
    ------
    NotSupported
        For types of analysis that no structural equation model here could be.
    """
    out = Settings()
    readers = {"VARIABLE": _variable, "DATA": _data, "ANALYSIS": _analysis, "DEFINE": _define}
    # NAMES first: lists such as x1-x9 are those of the columns.
    for piece in sorted(pieces, key=lambda p: not p.text.upper().startswith("NAME")):
        read = readers.get(piece.section)
        if read is not None:
            read(out, piece)
        elif not piece.section.startswith("MODEL"):
            out.refuse(piece, f"{piece.section} has no counterpart in the text of a model")
    if out.cluster and not out.two_level:
        out.not_taken.append(
            f"VARIABLE: CLUSTER = {out.cluster} without TYPE = TWOLEVEL corrects standard errors, "
            "which bayessem does not have"
        )
        out.cluster = ""
    return out


def assignment(text: str) -> tuple[str, str]:
    """An option and its value: "NAMES ARE x y", "NAMES = x y"; ("", "") where it is none."""
    found = re.fullmatch(
        r"\s*([A-Za-z]\w*)(?:\s*\([^)]*\))?\s*(?:=|\b(?:ARE|IS)\b)\s*(.*)", text, re.S | re.I
    )
    return (found[1].upper(), " ".join(found[2].split())) if found else ("", "")


def _variable(out: Settings, piece: Piece) -> None:
    name, value = assignment(piece.text)
    known = next((x for x in _VARIABLE if len(name) >= 4 and x.startswith(name)), "")
    if known == "NAMES":
        out.columns = name_list(value, out.names)
    elif known == "USEVARIABLES":
        out.used = name_list(value, out.names)
    elif known == "USEOBSERVATIONS":
        out.observations = value
        out.notes.append(f"only rows with {value} are used: choose them in the data")
    elif known == "MISSING":
        _missing(out, piece, value)
    elif known == "CATEGORICAL":
        if "*" in value or "(" in value:
            out.refuse(piece, "categories of its own making; ordered answers are read as they are")
        out.ordered = name_list(re.sub(r"\([^)]*\)|\*", " ", value), out.names)
    elif known == "GROUPING":
        _grouping(out, piece, value)
    elif known == "CLUSTER":
        clusters = name_list(value, out.names)
        out.cluster = clusters[-1]
        if len(clusters) > 1:
            out.refuse(piece, "models have two levels; the lowest is taken")
    elif known in ("WITHIN", "BETWEEN"):
        if "(" in value:
            out.refuse(piece, "models have two levels")
            return
        getattr(out, known.lower()).extend(name_list(value, out.names))
    else:
        out.refuse(piece, "bayessem does not have it")


def _missing(out: Settings, piece: Piece, value: str) -> None:
    """Codes for missing values: ".", "ALL (-99)", "x1-x3 (8 9) y (99)"."""
    if value.strip() in (".", "*", "BLANK"):
        return
    for found in re.finditer(r"([^()]+)\(([^()]*)\)", value):
        codes: list[str] = []
        for code in re.finditer(r"(-?[\d.]+|\.)(?:\s*-\s*(\d+))?", found[2]):
            if code[2]:
                codes += [str(x) for x in range(int(code[1]), int(code[2]) + 1)]
            else:
                codes.append(code[1])
        everywhere = found[1].strip().upper() == "ALL"
        for name in [""] if everywhere else name_list(found[1], out.names):
            out.missing[name] = (*out.missing.get(name, ()), *codes)
    if not out.missing:
        out.refuse(piece, "codes for missing values could not be read")
    else:
        shown = "; ".join(f"{n or 'all'}: {' '.join(c)}" for n, c in out.missing.items())
        out.notes.append(f"missing values are coded ({shown}): empty cells in the data here")


def _grouping(out: Settings, piece: Piece, value: str) -> None:
    found = re.fullmatch(r"([\w.]+)\s*(?:\((.*)\))?", value)
    if found is None:
        out.refuse(piece, "groups are written GROUPING = g (1 = one 2 = two)")
        return
    out.group = out.names.add(found[1])
    out.groups = dict(re.findall(r"([^\s=(),]+)\s*=\s*([^\s=(),]+)", found[2] or ""))
    if not out.groups:
        out.refuse(
            piece, "its groups are not named (g (1 = one 2 = two)); two are assumed, 1 and 2"
        )
        out.groups = {"1": "g1", "2": "g2"}


def _data(out: Settings, piece: Piece) -> None:
    name, value = assignment(piece.text)
    if name == "FILE":
        out.file = value.strip("\"'")
    elif name == "LISTWISE" and value.upper() == "ON":
        out.listwise = True
    elif (name, value.upper()) in (("TYPE", "INDIVIDUAL"), ("FORMAT", "FREE")):
        return  # as they are read anyway
    elif name == "TYPE":
        out.refuse(piece, "bs.from_covariance(matrix, n) makes data of a covariance matrix")
    else:
        out.refuse(piece, "the data are read as rows of numbers between blanks or commas")


def _define(out: Settings, piece: Piece) -> None:
    name = piece.text.split("=")[0].strip()
    if "=" in piece.text and re.fullmatch(r"[A-Za-z]\w*", name):
        out.names.add(name)
    out.defined.append(piece)
    out.notes.append(
        f"{piece.where} has to be done with the data (what is simple, --data-out does)"
    )


def _analysis(out: Settings, piece: Piece) -> None:
    name, value = assignment(piece.text)
    given = value.upper()
    if name == "TYPE":
        _type(out, piece, given.split())
    elif name.startswith("ESTI"):
        told = _ESTIMATORS.get(given, "bayessem has maximum likelihood (ml) and posteriors (fit)")
        if told:
            out.refuse(piece, told)
    elif name == "MODEL":
        _model_option(out, piece, given)
    elif name.startswith("PARAM") and given in ("THETA", "DELTA"):
        out.options["parameterization"] = given.lower()
    elif name == "LINK" and given in ("LOGIT", "PROBIT"):
        out.options["link"] = given.lower()
    else:
        out.refuse(piece, "how Mplus computes; bayessem chooses itself")


def _type(out: Settings, piece: Piece, types: list[str]) -> None:
    for kind in types:
        if kind.startswith("TWO"):
            out.two_level = True
        elif kind.startswith(("MIXT", "EFA", "LCA", "THREE", "CROSS")):
            raise NotSupported(
                f"{piece.where}: bayessem has structural equation models of one or two levels with "
                "known groups, no mixtures, exploratory factors or further levels"
            )
        elif kind.startswith("RAND"):  # needed for XWITH; random slopes say so themselves
            continue
        elif not kind.startswith(("GENE", "MEAN", "MISS", "H1")):
            out.refuse(piece, f"bayessem does not have {kind}")


def _model_option(out: Settings, piece: Piece, given: str) -> None:
    kinds = given.split()
    if kinds == ["NOMEANSTRUCTURE"]:
        out.means = False
    elif len(kinds) == 1 and kinds[0] in ("CONFIGURAL", "METRIC", "SCALAR"):
        out.equal = kinds[0]
    else:
        out.refuse(piece, "sem.invariance and bayessem invariance fit such models in one go")
