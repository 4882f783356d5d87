"""A column without numbers: what it holds instead, and the line of code that makes numbers of it.

Every line of code that a message gives works on the column it is given for, with missing cells
staying missing; the tests run each. Where more than one thing may be meant, the message says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from numbers import Number
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# Texts that stand for a missing answer in somebody's program.
MISSING_WORDS = frozenset(
    ("na", "n/a", "n.a.", "#n/a", "nan", "none", "null", "nil", "missing", "unknown", "k.a.", "nd")
    + (".", "-", "--", "?", "#null!", "#value!", "#div/0!")
)
# Texts that are listed in full; more are no answers to a question.
FEW = 11
_NUMBER = r"-?\d+(?:\.\d+)?"
# "1 = disagree", "7 (agree)", "3: neutral", but not "18-24" nor "3 years".
_LABELLED = re.compile(rf"({_NUMBER})(?![.,]?\d)\s*[=:.,()\[-]+\s*[^\W\d].*")
# "12 kg"
_UNIT = re.compile(rf"({_NUMBER})(?![.,]?\d)\s*([^\W\d]+)")


@dataclass(frozen=True)
class Writing:
    """A way of writing numbers that pandas does not take for numbers.

    Attributes
    ----------
    pattern : str
        What the texts that are no numbers to pandas all match.
    what : str
        What it is, in words, before the examples.
    code : str
        Follows `data['x'].astype(str)` and makes texts of numbers.
    fits : callable
        Whether the texts, and those that are numbers to pandas, can be meant so.
    read : str
        The argument of `pd.read_csv` that reads them, "" for none.
    """

    pattern: str
    what: str
    code: str
    fits: Callable[[Sequence[str], Sequence[str]], bool] = lambda odd, plain: True
    read: str = ""


def _whole(plain: Sequence[str]) -> bool:
    return all(re.fullmatch(r"-?\d+(\.0*)?", x) for x in plain)


def _groups_of_three(odd: Sequence[str], plain: Sequence[str]) -> bool:
    """Whether commas can group thousands: nothing starts with 0, or is long without a comma."""
    return not any(re.match(r"-?0", x) for x in odd) and not any(
        len(x.partition(".")[0].lstrip("-")) > 3 for x in plain
    )


def _decimal_commas(odd: Sequence[str], plain: Sequence[str]) -> bool:
    return _whole(plain)


_DECIMAL = Writing(
    r"[-+]?\d*,\d+",
    "decimal commas",
    ".str.replace(',', '.')",
    _decimal_commas,
    "decimal=','",
)
_THOUSANDS = Writing(
    r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?",
    "commas between thousands",
    ".str.replace(',', '')",
    _groups_of_three,
    "thousands=','",
)
# The first that fits all texts is meant.
WRITINGS = (
    Writing(
        r"[-+]?\d{1,3}(\.\d{3})+,\d+|[-+]?\d+,\d+|[-+]?\d{1,3}(\.\d{3}){2,}",
        "decimal commas and points between thousands",
        ".str.replace('.', '').str.replace(',', '.')",
        lambda odd, plain: (
            any("." in x for x in odd)
            and all(re.fullmatch(r"-?(\d{1,3}(\.\d{3})*|\d+)", x) for x in plain)
        ),
        "decimal=',', thousands='.'",
    ),
    _THOUSANDS,
    _DECIMAL,
    Writing(
        r"[-+]?\d{1,3}(['\u2019 \u00a0\u202f]\d{3})+(\.\d+)?",
        "blanks or apostrophes between thousands",
        r".str.replace(r'[^\d.-]', '', regex=True)",
    ),
    Writing(
        r"[-+]?\d+(\.\d+)?\s*%",
        "percent signs",
        ".str.replace('%', '')",
        lambda o, plain: not plain,
    ),
    Writing(
        r"-?[$\u20ac\u00a3\u00a5]\s*-?\d{1,3}(,?\d{3})*(\.\d+)?",
        "amounts of money",
        r".str.replace(r'[^\d.-]', '', regex=True)",
    ),
    Writing(
        r"[\u2212\u2013]\d+(\.\d+)?",
        "minus signs that are another character",
        r".str.replace(r'[^\d.]', '-', regex=True)",
    ),
)


def why_not_numeric(name: str, column: pd.Series) -> str:
    """What a column holds instead of numbers, and how to make numbers of it.

    Parameters
    ----------
    name : str
        Of the column.
    column : Series
        Its values, which are not numbers.
    """
    import pandas as pd

    here = f"data[{name!r}]"
    if column.dtype.kind == "c":
        return f"it holds complex numbers; take their real parts: {here} = {here}.to_numpy().real"
    if column.dtype.kind in "mM" or isinstance(column.dtype, pd.PeriodDtype):
        return _dates(here, column)
    if isinstance(column.dtype, pd.CategoricalDtype) and column.cat.ordered:
        return (
            f"it holds ordered categories, {_quoted(map(str, column.cat.categories))}; number them "
            f"in this order: {here} = {here}.cat.codes.where({here}.notna()) + 1"
        )
    known = column.dropna().astype(object)
    strange = [value for value in known if not isinstance(value, str | Number)]
    if strange:
        return (
            f"it holds values that are neither numbers nor texts, such as a "
            f"{type(strange[0]).__name__}; a column holds one number a respondent"
        )
    if any(isinstance(value, bool) for value in known):
        return (
            "it holds True and False beside other values; make numbers of them: "
            f"{here} = {here}.map(float, na_action='ignore')"
        )
    raw = known.drop_duplicates()
    text = raw.astype(str).str.strip()
    number = pd.to_numeric(text, errors="coerce")
    return _explained(name, column, raw[number.isna()], list(text[number.notna()]))


def _explained(name: str, column: pd.Series, odd: pd.Series, plain: Sequence[str]) -> str:
    """The message for the different values of a column that are no numbers, and those that are."""
    here = f"data[{name!r}]"
    if odd.empty:
        return (
            f"it holds numbers stored as {column.dtype}; convert them: "
            f"{here} = pd.to_numeric({here}.astype(str), errors='coerce')"
        )
    odd = odd.astype(str)
    words = odd.str.strip().str.lower()
    gone = list(odd[words.isin(MISSING_WORDS) | (words == "")])
    answers = [x for x in odd if x not in gone]
    if not answers:
        return _only_missing(here, column, gone)
    texts = list(dict.fromkeys(x.strip() for x in answers))
    known = _known(here, gone)
    written = _written(known, texts, plain)
    if written:
        return written.replace("data = ", f"{here} = ")
    if _labelled(texts):
        return (
            f"it has words beside the numbers ({_quoted(texts)}); take the numbers: {here} = "
            f"pd.to_numeric({known}.astype(str).str.extract(r'^\\s*({_NUMBER})', expand=False))"
        )
    if plain:
        return _mixed(here, column, answers, gone)
    return _categories(name, answers, gone)


def _known(here: str, gone: Sequence[str]) -> str:
    """Code of a column in which these texts are missing."""
    masked = f"{here}.astype(object).mask({here}.isin({list(gone)!r}))"
    return masked if gone else here


def _only_missing(here: str, column: pd.Series, gone: Sequence[str]) -> str:
    cells = int(column.isin(list(gone)).sum())
    blank = not any(x.strip() for x in gone)
    what = ("blanks" if cells > 1 else "a blank") if blank else _quoted(x.strip() for x in gone)
    held = f"1 cell holds {what}" if cells == 1 else f"{cells} cells hold {what}"
    return (
        f"{held}; make missing values of them: {here} = "
        f"pd.to_numeric({_known(here, gone)}, errors='coerce')"
    )


def _written(known: str, texts: Sequence[str], plain: Sequence[str]) -> str:
    """The message for numbers written in another way, "" when the texts are no such numbers."""
    found = [
        w
        for w in WRITINGS
        if all(re.fullmatch(w.pattern, x) for x in texts) and w.fits(texts, plain)
    ]
    if not found:
        return ""
    chosen = found[:1]
    if chosen == [_THOUSANDS] and _DECIMAL in found and not _surely_thousands(texts, plain):
        chosen = [_THOUSANDS, _DECIMAL]

    def how(w: Writing) -> str:
        code = f"data = pd.to_numeric({known}.astype(str){w.code}, errors='coerce')"
        return code + (f", or read the file with pd.read_csv(..., {w.read})" if w.read else "")

    if len(chosen) == 1:
        return f"it has {chosen[0].what} ({_quoted(texts)}); {how(chosen[0])}"
    either = "; ".join(f"where they are {w.what}, {how(w)}" for w in chosen)
    return f"it has commas ({_quoted(texts)}): {either}"


def _surely_thousands(texts: Sequence[str], plain: Sequence[str]) -> bool:
    """Whether "1,234" cannot be 1.234, of which some would have fewer digits behind the comma."""
    long = any(len(x.partition(".")[0].lstrip("-")) == 3 for x in plain)
    return long or any(x.count(",") > 1 for x in texts) or (bool(plain) and len(texts) > 50)


def _labelled(texts: Sequence[str]) -> bool:
    """Whether all texts are numbers with a label, one text a number, or with one unit."""
    labelled = [_LABELLED.fullmatch(x) for x in texts]
    if all(labelled):
        return len({match[1] for match in labelled if match}) == len(texts)
    units = [_UNIT.fullmatch(x) for x in texts]
    return all(units) and len({match[2] for match in units if match}) == 1


def _mixed(here: str, column: pd.Series, answers: Sequence[str], gone: Sequence[str]) -> str:
    """The message for texts among numbers: missing answers, or labels of some numbers."""
    cells = int(column.isin(list(answers)).sum())
    head = (
        f"{cells} of its {int(column.notna().sum())} values are text "
        f"({_quoted(x.strip() for x in answers)}), the others numbers; "
    )
    if len(answers) > FEW:
        return f"{head}look at them: {here}[pd.to_numeric({here}, errors='coerce').isna()]"
    numbered = ", ".join(f"{x!r}: ..." for x in answers)
    without = _known(here, [*answers, *gone])
    return (
        f"{head}where they are labels of answers (the ends of a scale), say which number each is: "
        f"{here} = pd.to_numeric({_known(here, gone)}.astype(object).replace({{{numbered}}})); "
        f"where they mean that the answer is missing: {here} = pd.to_numeric({without})"
    )


# Answers of which the second is the 1 of a variable of 0 and 1.
_YES = frozenset(
    ("yes", "true", "ja", "oui", "si", "sí", "y", "j", "t", "wahr", "vrai", "agree", "present")
)


def _categories(name: str, labels: Sequence[str], gone: Sequence[str]) -> str:
    """The message for texts alone: two answers, a few, or as many as respondents."""
    here, known = f"data[{name!r}]", f"data[{name!r}].astype(object)"
    shown = _quoted(x.strip() for x in labels)
    if len(labels) > FEW:
        return f"it holds {len(labels)} different texts ({shown}), which no model can use"
    if len(labels) == 1:
        return f"every answer in it is {shown}; take it out of the model"
    if len(labels) == 2:
        first = labels[0].strip().lower() in _YES
        numbered = ", ".join(f"{x!r}: {i}" for i, x in enumerate(labels[::-1] if first else labels))
        return f"it holds {shown}; code them: {here} = {known}.map({{{numbered}}})"
    new = f"data[{re.sub(r'\W+', '_', f'{name}_{labels[1].strip()}')!r}]"
    ordered = ", ".join(f"{x!r}: ..." for x in labels)
    return (
        f"it holds {shown}. Kinds without an order (countries, jobs) are no numbers: all but one "
        f"get a column of 0 and 1, as in {new} = ({here} == {labels[1]!r})"
        f".where({_known(here, gone)}.notna()), or are groups: group={name!r}. Answers with an "
        f"order are numbered: {here} = {known}.map({{{ordered}}})"
    )


def _dates(here: str, column: pd.Series) -> str:
    if column.dtype.kind == "m":
        return f"it holds durations; take their days: {here} = {here} / pd.Timedelta(days=1)"
    if column.dtype.kind != "M":
        return f"it holds periods; take for example the year: {here} = {here}.dt.year"
    return (
        f"it holds dates; take the year, {here} = {here}.dt.year, or the days since the first, "
        f"{here} = ({here} - {here}.min()) / pd.Timedelta(days=1)"
    )


def _quoted(texts: Iterable[object]) -> str:
    labels = [str(x) for x in texts]
    return ", ".join(map(repr, labels[:8])) + (", ..." if len(labels) > 8 else "")
