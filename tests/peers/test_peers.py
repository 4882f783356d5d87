"""The peers' numbers beside ours; skipped where R, its packages or the data sets are not there."""

import pytest
from compare import MODELS, data_folder, r_problem, run

PROBLEM = r_problem()
FOLDER = data_folder()


@pytest.fixture(scope="module")
def numbers():
    if PROBLEM:
        pytest.skip(PROBLEM)
    if FOLDER is None:
        pytest.skip("no folder of data sets: ../shared/datapool or BAYESSEM_DATAPOOL")
    return run([], FOLDER)


@pytest.mark.parametrize("name", [m.name for m in MODELS])
def test_model(numbers, name):
    own = [n for n in numbers if n.model == name]
    wrong = [
        f"{n.peer} {n.what}: {n.here:.7g} here, {n.there:.7g} there" for n in own if not n.agrees
    ]
    assert not wrong
    assert len(own) > 50
