"""The code of the guide and of the README runs, and the calls that they name exist."""

import os
import re
from pathlib import Path

import pytest

import bayessem
from bayessem import SEM, Fit

ROOT = Path(__file__).resolve().parents[1]
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("docs/guide.md", "README.md")}
BLOCKS = {name: re.findall(r"```python\n(.*?)```", text, re.DOTALL) for name, text in TEXTS.items()}


@pytest.mark.parametrize("page", TEXTS)
def test_every_call_that_is_named_exists(page):
    for owner, pattern in ((Fit, r"`fit\.(\w+)"), (SEM, r"`sem\.(\w+)"), (bayessem, r"`bs\.(\w+)")):
        names = set(re.findall(pattern, TEXTS[page]))
        assert names
        fields = getattr(owner, "__dataclass_fields__", {})
        assert not [name for name in names if not hasattr(owner, name) and name not in fields]


@pytest.mark.slow
def test_the_code_of_the_guide_runs(capsys):
    before = Path.cwd()
    os.chdir(ROOT)
    names: dict = {}
    try:
        for block in BLOCKS["docs/guide.md"]:
            exec(compile(block, "guide.md", "exec"), names)
    finally:
        os.chdir(before)
    assert "Slope of textual on visual by speed" in capsys.readouterr().out


def test_the_five_lines_of_the_readme_run(tmp_path, monkeypatch, capsys):
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    (block,) = BLOCKS["README.md"]
    exec(compile(block, "README.md", "exec"), {})
    assert "R2 of the outcomes" in capsys.readouterr().out
    assert bayessem.load("runs/example").settings["random_seed"] == 1
