"""Tasks give the same results wherever, in whatever order and however often their workers die."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

import pytest
from execution_tasks import announce, die, die_once, draw, fail, note_ready, where

from bayessem.errors import FitError, ModelError
from bayessem.execution import check_executor, run, run_in_order, task_seed

ITEMS = [(k, task_seed(7, k)) for k in range(40)]
TESTS = str(Path(__file__).parent)


def here() -> list[float]:
    return run_in_order(draw, 1.0, ITEMS)


def test_seeds_depend_on_the_whole_key():
    keys = [(1, "a", 2), (1, "a", 3), (2, "a", 2), (1, "b", 2), ("1", "a", 2), (1, "a2")]
    seeds = [task_seed(*key) for key in keys]
    assert len(set(seeds)) == len(keys)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert task_seed(1, "a", 2) == seeds[0]


def test_here_is_lazy_and_in_order():
    with closing(run(draw, 0.0, ITEMS)) as results:
        assert next(results)[0] == 0
    assert here() == [draw(1.0, item) for item in ITEMS]


def test_processes_threads_and_a_given_executor_give_the_same():
    expected = here()
    assert run_in_order(draw, 1.0, ITEMS, executor="processes", cores=2) == expected
    assert run_in_order(draw, 1.0, ITEMS, cores=3) == expected
    with ThreadPoolExecutor(3) as pool:
        assert run_in_order(draw, 1.0, ITEMS, executor=pool) == expected
        assert pool.submit(int, 1).result() == 1  # it is the user's, and still works
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert run_in_order(draw, 1.0, ITEMS, executor=pool) == expected


def test_workers_have_one_core_and_one_blas_thread():
    found = run_in_order(where, None, range(6), executor="processes", cores=2)
    assert {cores for _, cores, _ in found} == {1}
    assert {n for _, _, blas in found for n in blas} == {1}
    assert os.getpid() not in {pid for pid, _, _ in found}
    assert len({pid for pid, _, _ in found}) == 2


def test_an_error_of_a_task_is_raised_as_it_is():
    for executor in (None, "processes"):
        with pytest.raises(ModelError, match="item 3 is none"):
            run_in_order(fail, None, range(6), executor=executor)


def test_a_dead_worker_is_replaced(tmp_path):
    found = run_in_order(die_once, str(tmp_path), range(8), executor="processes", cores=2)
    assert found == [k * k for k in range(8)]
    assert (tmp_path / "died").exists()


def test_what_kills_every_worker_is_given_up():
    with pytest.raises(FitError, match="workers died again and again"):
        run_in_order(die, None, range(4), executor="processes", cores=2)


def test_ready_is_called_before_the_first_task(tmp_path):
    run_in_order(announce, str(tmp_path), range(2), executor="processes", ready=note_ready)
    assert (tmp_path / f"ready-{os.getpid()}").exists()
    assert len(list(tmp_path.glob("ready-*"))) == 1


def test_a_script_needs_no_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {TESTS!r})\n"
        "from execution_tasks import announce\n"
        "from bayessem.execution import run_in_order\n"
        f"print(run_in_order(announce, {str(tmp_path)!r}, range(3), executor='processes'))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[1, 2, 3]\n", done.stderr
    assert not done.stderr


@pytest.mark.skipif(os.name != "posix", reason="kills")
def test_workers_end_with_a_driver_that_is_killed(tmp_path):
    code = (
        f"import sys; sys.path.insert(0, {TESTS!r})\n"
        "from execution_tasks import announce\n"
        "from bayessem.execution import run_in_order\n"
        f"run_in_order(announce, {str(tmp_path)!r}, range(600), executor='processes', cores=2)\n"
    )
    driver = subprocess.Popen([sys.executable, "-c", code])
    pids = wait_for(lambda: [int(p.name[4:]) for p in tmp_path.glob("pid-*")], 2)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    deadline = time.monotonic() + 20
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, pids))


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(found, count: int) -> list:
    deadline = time.monotonic() + 60
    while len(out := found()) < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return out


@pytest.mark.parametrize(
    ("executor", "said"),
    [
        ("process", "executor is None"),
        (4, "not 4"),
        ("127.0.0.1:8786", "executor is None"),
    ],
)
def test_what_is_no_executor(executor, said):
    with pytest.raises(FitError, match=said):
        check_executor(executor)


class TestDask:
    """On a real cluster of worker processes of this machine."""

    def test_an_address_and_a_client_give_the_same(self, cluster, tmp_path):
        from distributed import Client

        expected = here()
        assert run_in_order(draw, 1.0, ITEMS, executor=cluster.scheduler_address) == expected
        with Client(cluster) as client:
            assert run_in_order(draw, 1.0, ITEMS, executor=client) == expected
            run_in_order(announce, str(tmp_path), range(8), executor=client, ready=note_ready)
        assert len(list(tmp_path.glob("ready-*"))) == 1
        assert len(list(tmp_path.glob("pid-*"))) == 2

    def test_an_error_of_a_task_is_raised_as_it_is(self, cluster):
        with pytest.raises(ModelError, match="item 3 is none"):
            run_in_order(fail, None, range(6), executor=cluster.scheduler_address)

    def test_workers_killed_and_added_meanwhile(self, cluster, tmp_path):
        def disturb() -> None:
            first = wait_for(lambda: [int(p.name[4:]) for p in tmp_path.glob("pid-*")], 2)
            os.kill(first[0], signal.SIGKILL)
            cluster.scale(3)

        thread = threading.Thread(target=disturb)
        thread.start()
        found = run_in_order(announce, str(tmp_path), range(60), executor=cluster.scheduler_address)
        thread.join()
        assert found == [k + 1 for k in range(60)]
        assert len(list(tmp_path.glob("pid-*"))) >= 3

    def test_nobody_at_the_address(self, monkeypatch):
        pytest.importorskip("distributed")
        monkeypatch.setattr("bayessem.execution.PATIENCE", 1)
        with pytest.raises(FitError, match="no scheduler of Dask answers at tcp://127.0.0.1:9"):
            check_executor("tcp://127.0.0.1:9")
