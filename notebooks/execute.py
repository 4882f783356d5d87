"""Run notebooks from top to bottom and keep their outputs: `python notebooks/execute.py [NAME]`."""

from __future__ import annotations

import argparse
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent


def execute(path: Path) -> nbformat.NotebookNode:
    """Run a notebook in its folder; a cell that fails raises CellExecutionError."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    )
    client.execute()
    for cell in notebook.cells:  # when it ran, and for how long, changes with every run
        cell.metadata.pop("execution", None)
    return notebook


def main() -> None:
    """Run all notebooks, or those named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="such as 01_alliance_study; all by default")
    names = parser.parse_args().names
    for path in sorted(FOLDER.glob("*.ipynb")):
        if not names or path.stem in names:
            notebook = execute(path)
            nbformat.write(notebook, path)
            print(f"{path.name}: {len(notebook.cells)} cells, {path.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
