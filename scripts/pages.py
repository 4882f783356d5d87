"""Run the code of the documentation's pages and write what it prints and draws into them.

    .venv/bin/python scripts/pages.py docs/index.md docs/gallery.md

The Python blocks of a page run from the top to the bottom, in the folder of the repository. A text
block right below one is replaced by what that block printed; a picture of `figures/pages/` right
below one (or below its text) is drawn anew, from the value of the block's last line.
"""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PYTHON = re.compile(r"```python\n(.*?)```\n", re.DOTALL)
PRINTED = re.compile(r"(\n```text\n).*?(```\n)", re.DOTALL)
PICTURE = re.compile(r"\n?!\[[^\]]*\]\((?:\.\./)*(figures/pages/[\w.-]+)\)")
# Lines that fit beside the contents of a page.
COLUMNS = "92"


def blocks(text: str) -> list[str]:
    """The Python blocks of a page, in order."""
    return PYTHON.findall(text)


def run(code: str, names: dict[str, Any], page: str) -> Any:
    """Run a block; the value of its last line, if that is an expression."""
    tree = ast.parse(code, page)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, page, "exec"), names)
    if last is not None:
        return eval(compile(ast.Expression(last.value), page, "eval"), names)
    return None


def rendered(text: str, page: str) -> str:
    """The page with its code's output; draws its figures."""
    names: dict[str, Any] = {"__name__": "page"}
    done, rest = "", text
    while found := PYTHON.search(rest):
        done, rest = done + rest[: found.end()], rest[found.end() :]
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            value = run(found[1], names, page)
        if below := PRINTED.match(rest):
            lines = "".join(f"{line.rstrip()}\n" for line in printed.getvalue().splitlines())
            done, rest = done + below[1] + lines + below[2], rest[below.end() :]
        if picture := PICTURE.match(rest):
            draw(value, ROOT / "docs" / picture[1])
    return done + rest


def draw(value: Any, path: Path) -> None:
    """Save a diagram or the current figure of matplotlib."""
    import matplotlib.pyplot as plt

    path.parent.mkdir(parents=True, exist_ok=True)
    if hasattr(value, "save"):
        value.save(path)
    else:
        figure = getattr(value, "figure", value)
        figure.savefig(path, bbox_inches="tight", dpi=130)
    plt.close("all")


def main() -> None:
    """Rewrite the pages that are named."""
    os.environ["MPLBACKEND"] = "Agg"
    os.environ["COLUMNS"] = COLUMNS
    import pandas as pd

    pd.options.display.width = int(COLUMNS)
    pd.options.display.max_columns = 20
    pd.options.display.precision = 3
    pages = [Path(name).resolve() for name in sys.argv[1:]]
    os.chdir(ROOT)
    for page in pages:
        text = page.read_text(encoding="utf-8")
        page.write_text(rendered(text, page.name), encoding="utf-8")
        print(f"{page.relative_to(ROOT)}: {len(blocks(text))} blocks", file=sys.stderr)


if __name__ == "__main__":
    main()
