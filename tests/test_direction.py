"""One direction: a room uses what is below it, and no files import each other in a circle.

The contract stands in pyproject.toml (`tool.importlinter`); ARCHITECTURE.md draws it.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINT = (
    "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
)


def checked(folder: Path) -> subprocess.CompletedProcess:
    """The contract checked on the sources below a folder."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    return subprocess.run(
        [sys.executable, "-c", LINT], cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.fixture
def copy(tmp_path):
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src" / "bayessem", tmp_path / "src" / "bayessem", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_direction_holds():
    done = checked(ROOT)
    assert done.returncode == 0, done.stdout
    assert "Contracts: 2 kept, 0 broken." in done.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("effects/effects.py", "from bayessem.fit import Fit\n", "One direction"),
        ("model/prepare.py", "def f():\n    from bayessem.ml.estimate import fit_ml\n", "One dir"),
        (
            "comparison/loo.py",
            "import typing\nif typing.TYPE_CHECKING:\n    from bayessem.sem import SEM\n",
            "One direction",
        ),
        ("model/space.py", "def f():\n    import bayessem.model.prepare\n", "No circle of files"),
    ],
)
def test_a_planted_import_is_found(copy, module, line, contract):
    path = copy / "src" / "bayessem" / module
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{line}", encoding="utf-8")
    done = checked(copy)
    assert done.returncode != 0
    assert re.search(rf"{contract}.*BROKEN", done.stdout)


def test_every_room_is_in_the_contract():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    named = {room for layer in layers for room in re.split(r"\s*[:|]\s*", layer)}
    package = ROOT / "src" / "bayessem"
    there = {p.parent.name for p in package.glob("*/__init__.py")} | {
        p.stem for p in package.glob("*.py") if p.stem != "__init__"
    }
    assert named == there
