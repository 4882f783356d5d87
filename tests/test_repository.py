"""What the repository says about itself is true: ARCHITECTURE.md, constraints, start-up."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "bayessem"

# Importing these takes from tenths of a second to several; only a fit may.
HEAVY = ("arviz", "matplotlib", "numba", "nutpie", "pandas", "pymc", "pytensor", "scipy", "xarray")


def modules() -> list[str]:
    """Every module of the package by its path inside it; `__init__.py` files only re-export."""
    paths = (path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
    return sorted(path for path in paths if not path.endswith("__init__.py"))


def named_paths(text: str) -> set[str]:
    """Paths of Python files in a text: `table.py`, `src/bayessem/table.py`, `models/x.py`."""
    return set(re.findall(r"[\w./-]*\w\.py\b", text))


def exists(path: str) -> bool:
    return (ROOT / path).is_file() or (PACKAGE / path).is_file()


@pytest.fixture(scope="module")
def architecture() -> str:
    return (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pairs}


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_architecture_names_every_module(architecture):
    named = {path.removeprefix("src/bayessem/") for path in named_paths(architecture)}
    missing = [module for module in modules() if module not in named]
    assert modules()
    assert not missing, f"ARCHITECTURE.md does not name {missing}"


def test_architecture_names_only_files_that_exist(architecture):
    gone = sorted(path for path in named_paths(architecture) if not exists(path))
    assert not gone, f"ARCHITECTURE.md names {gone}, which do not exist"


def test_constraints_are_exact_pins_and_name_no_host():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pin = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][A-Za-z0-9.!]*")
    wrong = [line for line in lines if line and line[0] != "#" and not pin.fullmatch(line)]
    assert not wrong
    assert not [line for line in lines if "://" in line]


def test_every_requirement_is_pinned_within_its_range(pins, project):
    extras = project["optional-dependencies"]
    requirements = project["dependencies"] + [x for extra in extras.values() for x in extra]
    for requirement in map(Requirement, requirements):
        name = canonicalize_name(requirement.name)
        assert name in pins, f"constraints.txt does not pin {name}"
        assert requirement.specifier.contains(pins[name], prereleases=True), requirement


def test_version_of_this_python_is_in_the_supported_range(project):
    supported = Requirement(f"python{project['requires-python']}").specifier
    assert supported.contains(".".join(map(str, sys.version_info[:3])))


def test_importing_bayessem_imports_nothing_heavy():
    code = "import sys, bayessem; print(*{name.partition('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(run.stdout.split())
    assert "bayessem" in imported
    assert not imported.intersection(HEAVY)


@pytest.mark.parametrize("module", modules())
def test_module_begins_by_saying_what_it_is(module):
    docstring = ast.get_docstring(ast.parse((PACKAGE / module).read_text(encoding="utf-8")))
    assert docstring, f"{module} has no docstring"
