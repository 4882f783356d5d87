"""docs/errors.md says what bayessem says: every bad input is run again."""

import functools
import re

import pytest
from errors_catalogue import PAGE, PRELUDE, numbered, page, place, run_lines, said

import bayessem
from bayessem.errors import BayessemError

CASES = {name: case for name, _, case in numbered()}
MENDED = [name for name, case in CASES.items() if case.mended]


@pytest.fixture(scope="module")
def names():
    with place() as found:
        yield found


@pytest.fixture(scope="module")
def entries():
    """Kind and message of each case as the page has them."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"^### (\S+) .*?\n`([^`]+)`\n\n```text\n(.*?)\n```$", text, re.M | re.S)
    return {name: (kind, message) for name, kind, message in found}


@pytest.fixture(scope="module")
def outcome_of(names):
    """What a case says, run once."""
    return functools.cache(lambda name: run_lines(CASES[name].lines, names))


def test_there_are_many_and_each_is_on_the_page_once(entries):
    assert len(CASES) >= 250
    assert len(MENDED) >= 120
    assert list(entries) == list(CASES)
    assert len({case.lines for case in CASES.values()}) >= 0.98 * len(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_bad_input_is_one_error_of_ours_before_sampling(outcome_of, entries, name):
    outcome = outcome_of(name)
    assert (outcome.kind, said(outcome)) == entries[name]
    if outcome.kind.startswith("exit code"):
        assert outcome.kind in ("exit code 1", "exit code 2")
        assert outcome.said.startswith("bayessem: ")
        assert outcome.said.count("bayessem: ") == 1
    else:
        assert issubclass(getattr(bayessem, outcome.kind), BayessemError)
    assert "Traceback" not in outcome.said
    assert "KeyError" not in outcome.said
    assert len(outcome.said) > 15


@pytest.mark.parametrize("name", MENDED)
def test_what_the_message_advises_works(names, name):
    outcome = run_lines(CASES[name].mended, names)
    assert outcome.kind in ("", "exit code 0"), outcome.said


def test_the_page_is_made_of_the_cases(outcome_of):
    outcomes = {name: outcome_of(name) for name in CASES}
    assert page(outcomes) == PAGE.read_text(encoding="utf-8")
    assert PRELUDE in page(outcomes)
