"""The guide's code runs from top to bottom, and the calls that it names exist."""

import os
import re
from pathlib import Path

import pytest

import bayessem
from bayessem import SEM, Fit

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_every_call_in_the_guide_exists():
    for owner, pattern in ((Fit, r"`fit\.(\w+)"), (SEM, r"`sem\.(\w+)"), (bayessem, r"`bs\.(\w+)")):
        names = set(re.findall(pattern, TEXT))
        assert names
        assert not [name for name in names if not hasattr(owner, name)]


@pytest.mark.slow
def test_the_code_of_the_guide_runs(capsys):
    before = Path.cwd()
    os.chdir(ROOT)
    names: dict = {}
    try:
        for block in BLOCKS:
            exec(compile(block, "guide.md", "exec"), names)
    finally:
        os.chdir(before)
    assert "Slope of textual on visual by speed" in capsys.readouterr().out
