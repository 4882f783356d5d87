"""What a look at a model and its data before sampling finds, in plain words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from bayessem.errors import IdentificationError
from bayessem.text.described import Described
from bayessem.text.document import Document, Lines

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Finding:
    """One thing to know before sampling.

    Attributes
    ----------
    serious : bool
        The model cannot be estimated as it is.
    topic : str
        A word or two.
    message : str
        What is the matter and with what.
    remedy : str
        What would mend it.
    warning : bool
        The model can be estimated, but its reader has to know: a fit warns.
    """

    serious: bool
    topic: str
    message: str
    remedy: str
    warning: bool = False

    def __str__(self) -> str:
        mark = "ERROR" if self.serious else "WARNING" if self.warning else "note"
        return f"{mark} [{self.topic}] {self.message}\n    {self.remedy}"


@dataclass(frozen=True, repr=False)
class CheckReport(Described):
    """What `SEM.check` found.

    Attributes
    ----------
    findings : tuple of Finding
        Errors first.
    moments, parameters : int
        Sample moments that the model explains, and its free parameters.
    respondents : int
        Rows used.
    text : str
        The facts in words.
    cases : str
        The part of it about missing values and rows left out; "" without any.
    """

    findings: tuple[Finding, ...]
    moments: int
    parameters: int
    respondents: int
    text: str
    cases: str = ""

    @property
    def ok(self) -> bool:
        """No serious finding."""
        return not any(f.serious for f in self.findings)

    def to_frame(self) -> pd.DataFrame:
        """A row a finding: serious, topic, message, remedy, warning."""
        import pandas as pd

        names = list(Finding.__dataclass_fields__)
        return pd.DataFrame([asdict(f) for f in self.findings], columns=names)

    def raise_errors(self) -> None:
        """Raise IdentificationError with all serious findings, if there are any."""
        serious = [f for f in self.findings if f.serious]
        if serious:
            raise IdentificationError("\n".join(f"{f.message}\n    {f.remedy}" for f in serious))

    def document(self) -> Document:
        """The facts, then the findings."""
        return Document.of(Lines((self.text, *map(str, self.findings))))
