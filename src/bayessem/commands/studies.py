"""The shipped studies: scripts and data that a new user can run, listed or copied to a folder.

The wheel holds the repository's folders `models/` and `data/` as `bayessem/shipped/`
(pyproject.toml puts them there); in a source tree they are where they are kept.
"""

from __future__ import annotations

import ast
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from bayessem.commands.options import Json
from bayessem.commands.outcome import UsedWrongly, conclude, of_the_call
from bayessem.disk import expanded, require_writable, told
from bayessem.text.described import Described
from bayessem.text.document import Document, Items, Lines, Paragraph, Verbatim

if TYPE_CHECKING:
    import pandas as pd

PACKAGE = Path(__file__).resolve().parents[1]
# With their licences and the scripts that made the simulated data.
FOLDERS = {"models": ("*.py",), "data": ("*.csv", "*.md", "*.txt", "*.py")}


@dataclass(frozen=True)
class Study:
    """A script of the folder `models`: its name and what its first line says it is about."""

    name: str
    about: str

    @property
    def script(self) -> str:
        """Where it is in the folder."""
        return f"models/{self.name}.py"


@dataclass(frozen=True, repr=False)
class Studies(Described):
    """The shipped studies; where they are a user's own, how to run one.

    Attributes
    ----------
    studies : tuple of Study
    folder : str
        Where they were copied to, or "".
    """

    studies: tuple[Study, ...]
    folder: str = ""

    @property
    def table(self) -> pd.DataFrame:
        """A row a study: script, about."""
        import pandas as pd

        rows = [(study.script, study.about) for study in self.studies]
        return pd.DataFrame(rows, columns=["script", "about"])

    def document(self) -> Document:
        """The studies and what to run next."""
        listed = Items(tuple(f"{study.script}: {study.about}" for study in self.studies))
        if self.folder:
            here = Path(self.folder).resolve() == Path.cwd()
            where = "this folder" if here else self.folder
            enter = "" if here else f"    cd {self.folder}\n"
            return Document.of(
                Paragraph(f"Studies and their data are in {where}. To run one:"),
                Verbatim(f"{enter}    python models/holzinger_swineford.py"),
                listed,
                Lines(("data/README.md says where the data come from.",)),
            )
        return Document.of(
            listed,
            Paragraph("`bayessem studies FOLDER` copies them, with their data, to a folder."),
        )


def studies(
    folder: Annotated[
        str | None, Parameter(help="folder to copy them to; without it they are listed")
    ] = None,
    /,
    *,
    json: Json = False,
) -> int:
    """List the shipped studies, or copy them with their data to a folder of your own."""
    root = shipped()
    found = tuple(
        study for path in sorted((root / "models").glob("*.py")) if (study := _read(path))
    )
    if folder is None:
        return conclude(Studies(found), as_json=json)
    target = expanded(folder)
    copies = [
        (path, target / name / path.name)
        for name, patterns in FOLDERS.items()
        for pattern in patterns
        for path in sorted((root / name).glob(pattern))
    ]
    with of_the_call():
        _require_free(target, copies)
        with told(f"the studies cannot be copied to {target}"):
            for source, copy in copies:
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, copy)
    saved = [str(copy) for _, copy in copies] if json else []
    return conclude(Studies(found, str(folder)), as_json=json, saved=saved)


def shipped() -> Path:
    """The folder above `models` and `data`: in the installed package, or the source tree.

    Raises
    ------
    UsedWrongly
        Where there are none.
    """
    for root in (PACKAGE / "shipped", PACKAGE.parents[1]):
        if (root / "models").is_dir() and (root / "data").is_dir():
            return root
    raise UsedWrongly(
        "this installation has no studies; they are in the folders models/ and data/ of the source"
    )


def _read(path: Path) -> Study | None:
    """A script that can be run; None for what scripts share."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    runs = any(isinstance(node, ast.If) for node in tree.body[-1:])  # if __name__ == "__main__"
    if not runs:
        return None
    first = (ast.get_docstring(tree) or "").partition("\n")[0]
    return Study(path.stem, first)


def _require_free(target: Path, copies: list[tuple[Path, Path]]) -> None:
    """Refuse to write over what a user has changed, or where nothing can be written.

    Raises
    ------
    BayessemError
        With the file.
    """
    if target.is_file():
        raise UsedWrongly(f"{target} is a file; name a folder for the studies")
    require_writable(target / "models" / "x", f"the studies in {target}")
    for source, copy in copies:
        if copy.exists() and copy.read_bytes() != source.read_bytes():
            raise UsedWrongly(f"{copy} is there already and is another file: choose another folder")
