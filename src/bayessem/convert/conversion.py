"""What a conversion gives: lavaan's text, how to fit it, and what could not be taken."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bayessem.text.described import Described
from bayessem.text.document import Document, Heading, Items, Lines, Paragraph, Verbatim

if TYPE_CHECKING:
    import pandas as pd

# Arguments of models and fits, and the options of the command line that say the same.
FLAGS = {
    "ordered": "--ordered",
    "link": "--link",
    "parameterization": "--parameterization",
    "group_equal": "--group-equal",
    "group_partial": "--group-partial",
    "group": "--group",
    "group_order": "--group-order",
    "cluster": "--cluster",
    "missing": "--missing",
    "meanstructure": "--no-means",
}


@dataclass(frozen=True, repr=False)
class Conversion(Described):
    """A model of another program as lavaan's text.

    Attributes
    ----------
    program : str
        "Mplus", "Amos" or "seminr".
    title : str
        Of the input, or "".
    model : str
        lavaan's text, without comments.
    model_options : mapping
        Arguments of `SEM` that belong to it.
    fit_options : mapping
        Arguments of `SEM.fit`, `SEM.ml` and `SEM.check`.
    not_taken : tuple of str
        What the input says and the model does not, with the place and the reason.
    notes : tuple of str
        What was understood in a way that a reader may want to know.
    """

    program: str
    title: str
    model: str
    model_options: Mapping[str, Any] = field(default_factory=dict)
    fit_options: Mapping[str, Any] = field(default_factory=dict)
    not_taken: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """A row a line of the model, a note, and what was not taken: columns kind, text."""
        import pandas as pd

        rows = [("model", line) for line in self.model.split("\n")]
        rows += [("note", note) for note in self.notes]
        rows += [("not taken", one) for one in self.not_taken]
        return pd.DataFrame(rows, columns=["kind", "text"])

    @property
    def command(self) -> str:
        """The options that `bayessem fit`, `ml` and `check` need with the model."""
        words: list[str] = []
        for name, value in {**self.model_options, **self.fit_options}.items():
            words.append(FLAGS[name])
            if name != "meanstructure":
                words.append(value if isinstance(value, str) else ",".join(value))
        return shlex.join(words)

    @property
    def text(self) -> str:
        """The model with comments: where it comes from, how to fit it, what was not taken."""
        head = [f"Converted from {self.program}" + (f": {self.title}" if self.title else "")]
        if self.command:
            head.append(f"Options: {self.command}")
        head += [f"Note: {note}" for note in self.notes]
        head += [f"Not taken: {one}" for one in self.not_taken]
        return "".join(f"# {' '.join(line.split())}\n" for line in head) + f"{self.model}\n"

    def document(self) -> Document:
        """The model, its options, the list of what was not taken."""
        options = {**self.model_options, **self.fit_options}
        said = ", ".join(f"{name}={value!r}" for name, value in options.items())
        return Document.of(
            Heading(f"Converted from {self.program}" + (f": {self.title}" if self.title else "")),
            Verbatim(self.model),
            Lines((f"Options: {said}", f"On the command line: {self.command}")) if said else None,
            Items(self.notes),
            Paragraph("Not taken:") if self.not_taken else Paragraph("Everything was taken."),
            Items(self.not_taken),
        )
