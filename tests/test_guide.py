"""The code of the documentation and of the README runs, and the calls that they name exist."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import bayessem
from bayessem import SEM, Fit
from bayessem.cli import COMMANDS, _app
from bayessem.posterior.settings import Sampling

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
TEXTS = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted(DOCS.rglob("*.md")))
    if path.name != "errors.md" or path.parent != DOCS  # made of bad inputs, by a program
}
PYTHON = {name: re.findall(r"```python\n(.*?)```", text, re.DOTALL) for name, text in TEXTS.items()}
SHELL = {name: re.findall(r"```bash\n(.*?)```", text, re.DOTALL) for name, text in TEXTS.items()}
OWNERS = ((Fit, "fit"), (SEM, "sem"), (bayessem, "bs"), (bayessem.plots, "plots"))
# Draws that show that a page's code runs; the numbers on the pages are of the default ones.
SHORT = {"draws": 150, "tune": 150, "chains": 2}
DATA_SETS = 4
# Blocks that are commands of a newcomer, run in order as they stand.
RUN = (
    "docs/index.md",
    "docs/howto/command-line.md",
    "docs/howto/data.md",
    "docs/howto/sample-size.md",
    "docs/tutorials/mplus.md",
)
# Files that a reader of them has.
FILES = {
    "docs/howto/sample-size.md": {
        "model.txt": "y ~ x\n",
        "truth.json": '{"y ~ x": 0.3, "y ~~ y": 0.91, "x ~~ x": 1.0}',
    },
}


# What a reader of these pages has already.
BEFORE = {
    "docs/large-data.md": """
import bayessem as bs
bs.read_data("data/holzinger_swineford_1939.csv").to_parquet("survey.parquet")
model = "visual =~ x1 + x2 + x3"
""",
}


@pytest.fixture
def short(monkeypatch):
    """Make every posterior of a page a short one, and every design study a small one."""
    import pymc as pm

    sample = pm.sample
    as_written = Sampling.__post_init__

    def shortened(self):
        for name, most in SHORT.items():
            object.__setattr__(self, name, min(getattr(self, name), most))
        as_written(self)

    study = bayessem.design

    def small(*args, **options):
        return study(*args, **{**options, "replicates": DATA_SETS})

    monkeypatch.setattr(Sampling, "__post_init__", shortened)
    monkeypatch.setattr(bayessem, "design", small, raising=False)
    monkeypatch.setattr(pm, "sample", lambda *args, **options: sample(*args, **options | SHORT))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the shipped data, as `bayessem studies` makes it."""
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_call_that_is_named_exists():
    missing = []
    for owner, short_name in OWNERS:
        fields = getattr(owner, "__dataclass_fields__", {})
        for page, text in TEXTS.items():
            names = set(re.findall(rf"`{short_name}\.(\w+)", text)) - {"json"}  # a file of a run
            missing += [
                f"{page}: {short_name}.{n}"
                for n in names
                if not hasattr(owner, n) and n not in fields
            ]
    assert not missing


# ArviZ wants more draws for leave-one-out than these short posteriors have.
@pytest.mark.filterwarnings("ignore:Estimated shape parameter of Pareto:UserWarning")
@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p, blocks in PYTHON.items() if blocks and p != "README.md"])
def test_the_code_of_a_page_runs(page, short, folder, capsys):
    import matplotlib.pyplot as plt

    names: dict = {}
    for number, block in enumerate([BEFORE.get(page, ""), *PYTHON[page]]):
        exec(compile(block, f"{page}, block {number}", "exec"), names)
        plt.close("all")
    assert names.get("bs") is bayessem  # a page begins with what its reader has to import


def test_the_five_lines_of_the_readme_run(folder, capsys):
    (block,) = PYTHON["README.md"]
    exec(compile(block, "README.md", "exec"), {})
    assert "R2 of the outcomes" in capsys.readouterr().out
    assert bayessem.load("runs/example").settings["random_seed"] == 1


# What prints no draws, which differ between processors: codebooks, checks, maximum likelihood.
DRAWS = re.compile(r"\.fit\(|random_seed|replicates|\.plot\(")


def before_draws(text: str) -> str:
    """A page up to the first block that samples."""
    for found in re.finditer(r"```python\n(.*?)```", text, re.DOTALL):
        if DRAWS.search(found[1]):
            return text[: found.start()]
    return text


EXACT = {
    page: before_draws(text)
    for page, text in TEXTS.items()
    if re.search(r"```python\n((?!```).)*```\n\n```text\n", before_draws(text), re.DOTALL)
}


def test_some_pages_print_what_is_the_same_everywhere():
    assert len(EXACT) >= 8


@pytest.mark.parametrize("page", EXACT)
def test_what_a_page_prints_before_any_draws_is_what_is_printed(page, folder):
    import pandas as pd

    specification = importlib.util.spec_from_file_location("pages", ROOT / "scripts" / "pages.py")
    pages = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(pages)
    width, columns, digits = "display.width", "display.max_columns", "display.precision"
    with pd.option_context(width, int(pages.COLUMNS), columns, 20, digits, 3):
        assert pages.rendered(EXACT[page], page) == EXACT[page]


def test_what_a_page_prints_is_there():
    empty = [name for name, text in TEXTS.items() if "```text\n```" in text]
    assert not empty, "scripts/pages.py fills them in"


def commands(text: str) -> list[str]:
    """Calls of the command line in a page: lines of shell blocks, and code within sentences."""
    lines = [
        line
        for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
        for line in block.split("\n")
    ]
    calls = re.findall(r"`(bayessem [^`\n]+)`", text) + lines
    # COMMAND stands for any, ... for more of the same
    return [
        c for c in calls if c.startswith("bayessem ") and not re.search(r"COMMAND|\.\.\.|--h", c)
    ]


@pytest.mark.parametrize("page", [name for name, text in TEXTS.items() if commands(text)])
def test_every_command_can_be_read(page):
    for call in commands(TEXTS[page]):
        tokens = shlex.split(call.split(" > ")[0])[1:]
        if tokens[0].startswith("--install"):
            continue
        if len(tokens) == 1:  # speaks of the command
            assert tokens[0] in COMMANDS
            continue
        _app(tokens).parse_args(tokens, exit_on_error=False, print_error=False)


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN)
def test_the_commands_of_a_page_run(page, tmp_path):
    program = tmp_path / "bin" / "bayessem"
    program.parent.mkdir()
    few = " ".join(f"--{name} {value}" for name, value in SHORT.items())
    program.write_text(
        f'#!/bin/sh\n[ "$1" = fit ] && set -- "$@" {few}\n'
        f'exec {shlex.quote(sys.executable)} -m bayessem "$@"\n'
    )
    program.chmod(0o755)
    (tmp_path / "data").symlink_to(ROOT / "data")
    for name, text in FILES.get(page, {}).items():
        (tmp_path / name).write_text(text)
    blocks = [block for block in SHELL[page] if "pip install" not in block]
    environment = {
        **os.environ,
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "src"),
    }
    ran = subprocess.run(
        ["bash", "-e"], input="\n".join(blocks), cwd=tmp_path, env=environment,
        text=True, capture_output=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout


def test_no_block_is_left_out():
    """Shell blocks are run here, but for the two commands that set up and run all of this."""
    assert {name for name, blocks in SHELL.items() if blocks} - set(RUN) == {"README.md"}
    assert "\n".join(SHELL["README.md"]).split("#")[0].strip() == "make study"
