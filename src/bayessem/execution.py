"""Where independent tasks run: this process, others of this machine, or a cluster; one answer.

A task is a function at the top of a module, called with what all tasks share and with its own item,
which holds the seed of its random numbers. So neither the number of workers nor the order in which
they finish changes a result. Across machines Dask distributed does the scheduling (the extra
`cluster`); a task whose worker died is done again.

Workers compute with one core each: one BLAS thread, one chain at a time.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import types
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import ExitStack, closing, contextmanager
from functools import lru_cache
from itertools import islice
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, NamedTuple

from bayessem.arguments import shown
from bayessem.errors import FitError
from bayessem.extras import extra
from bayessem.threads import cores_here, one_blas_thread, with_cores

# Tasks that wait at the workers of a cluster, so that none of them is ever idle, and at those of
# an executor that does not say how many it has.
WAITING = 256
# Workers that may die over one task before it is given up.
STRIKES = 3
# Seconds until a scheduler has to answer.
PATIENCE = 10
# Function and first arguments of a task.
Call = tuple[Callable[..., Any], *tuple[Any, ...]]
# Of addresses, as Dask has them.
PROTOCOLS = ("tcp://", "tls://", "ws://", "wss://", "ucx://", "inproc://")
CHOICES = (
    'None (this process), "processes" (those of this machine), a concurrent.futures.Executor, a '
    'dask.distributed.Client or the address of its scheduler, "tcp://host:port"'
)


class Work(NamedTuple):
    """A function and its first argument, as bytes, and a name for the two together."""

    name: str
    content: bytes


def task_seed(*key: int | str | None) -> int:
    """A seed that depends on a key alone, such as (seed of the study, condition, replicate).

    Returns
    -------
    int
        Between 0 and 2^63; other keys give independent streams of random numbers.
    """
    digest = hashlib.sha256(repr(key).encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def check_executor(executor: object) -> None:
    """Refuse what is no executor, and one that cannot be reached, before any work is done.

    Raises
    ------
    FitError
        Saying what an executor may be.
    """
    if executor is None or executor == "processes" or isinstance(executor, Executor):
        return
    if isinstance(executor, str) and executor.startswith(PROTOCOLS):
        with _connected(executor):
            return
    if _is_client(executor):
        if getattr(executor, "asynchronous", False):
            raise FitError(
                "executor is an asynchronous Client, whose answers nobody awaits here; make it "
                "with Client(address), or give the address itself"
            )
        return
    raise FitError(f"executor is {CHOICES}, not {shown(executor)}")


def run[S, T, R](
    task: Callable[[S, T], R],
    shared: S,
    items: Iterable[T],
    *,
    executor: Any = None,
    cores: int | None = None,
    ready: Callable[[S], object] | None = None,
) -> Generator[tuple[int, R]]:
    """Results of a task for each item, each with the item's position, as they are finished.

    Close it (`contextlib.closing`), so that an interruption leaves nothing at work.

    Parameters
    ----------
    task : callable
        Of a module, called as task(shared, item); changes nothing that another item needs.
    shared : object
        What all tasks have in common; goes to every worker once.
    items : iterable
        Their own arguments.
    executor : optional
        None (this process), "processes", a concurrent.futures.Executor, a dask.distributed.Client
        or the address of its scheduler.
    cores : int, optional
        With None: tasks at once, each in a thread (1). With "processes": how many (as many as
        this machine has cores).
    ready : callable, optional
        Called with `shared` once on each machine before its first task: compiles what tasks need.

    Raises
    ------
    FitError
        For what is no executor, and where workers die again and again.
    """
    check_executor(executor)
    if executor is None and (cores or 1) == 1:
        for k, item in enumerate(items):
            yield k, task(shared, item)
        return
    if executor is None:
        with ThreadPoolExecutor(cores) as threads:
            yield from _collected(
                _Pool(threads, _of_threads(task, shared), 4 * (cores or 1)), items
            )
        return
    if ready is not None and not _is_cluster(executor):
        ready(shared)
    with _opened(executor, cores, _work(task, shared), ready) as pool:
        yield from _collected(pool, items)


def run_in_order[S, T, R](
    task: Callable[[S, T], R], shared: S, items: Iterable[T], **options: Any
) -> list[R]:
    """All results of `run`, in the order of the items."""
    with closing(run(task, shared, items, **options)) as results:
        return [result for _, result in sorted(results, key=lambda pair: pair[0])]


class _Pool:
    """Workers that take an item each.

    Attributes
    ----------
    executor : Executor
    call : tuple
        To which the item is added.
    waiting : int
        Items that are handed out at once.
    """

    def __init__(self, executor: Executor, call: Call, waiting: int) -> None:
        self.executor, self.call, self.waiting = executor, call, waiting

    def submit(self, item: object) -> Future:
        """An item to a worker."""
        function, *first = self.call
        return self.executor.submit(function, *first, item)

    def renew(self) -> bool:
        """Whether dead workers were replaced by new ones."""
        return False

    def stop(self) -> None:
        """End what is not wanted any more."""


class _Processes(_Pool):
    """Our own processes; dead ones are replaced."""

    def __init__(self, work: Work, count: int) -> None:
        self.work, self.count = work, count
        super().__init__(self._made(), (_do_here,), 2 * count)

    def _made(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.count, mp_context=_WithoutMain(), initializer=_keep, initargs=(self.work,)
        )

    def renew(self) -> bool:
        self.executor.shutdown(wait=False, cancel_futures=True)
        self.executor = self._made()
        return True

    def stop(self) -> None:
        living = list((getattr(self.executor, "_processes", None) or {}).values())
        self.executor.shutdown(wait=False, cancel_futures=True)
        for process in living:
            process.terminate()


def _collected(pool: _Pool, items: Iterable[Any]) -> Generator[tuple[int, Any]]:
    """Hand out items and collect results, replacing workers that died."""
    left = enumerate(items)
    at_work: dict[Future, tuple[int, Any]] = {}
    strikes: dict[int, int] = {}
    try:
        while True:
            for pair in islice(left, pool.waiting - len(at_work)):
                at_work[_submitted(pool, pair[1])] = pair
            if not at_work:
                return
            done, _ = wait(at_work, return_when=FIRST_COMPLETED)
            lost = []
            for future in done:
                pair = at_work.pop(future)
                found = _outcome(future)
                if found is None:
                    lost.append(pair)
                else:
                    yield pair[0], found[0]
            if lost:
                at_work = _again(pool, lost + list(at_work.values()), strikes)
    except BaseException:
        for future in at_work:
            future.cancel()
        pool.stop()
        raise


def _submitted(pool: _Pool, item: object) -> Future:
    """A future, already failed where the workers have just died."""
    try:
        return pool.submit(item)
    except BrokenExecutor as error:
        failed: Future = Future()
        failed.set_exception(error)
        return failed


def _outcome(future: Future) -> tuple[Any] | None:
    """The result of a task; None where its worker died."""
    try:
        return (future.result(),)
    except BrokenExecutor:
        return None
    except CancelledError:
        raise FitError(
            "the executor has dropped tasks: it was shut down, or the connection to its scheduler "
            "was lost"
        ) from None
    except Exception as error:
        if type(error).__name__ == "KilledWorker":
            raise FitError(_died(f"{error}")) from None
        raise


def _again(
    pool: _Pool, lost: list[tuple[int, Any]], strikes: dict[int, int]
) -> dict[Future, tuple[int, Any]]:
    """What was at work when a process died, handed to new ones."""
    for k, _ in lost:
        strikes[k] = strikes.get(k, 0) + 1
    if max(strikes[k] for k, _ in lost) >= STRIKES or not pool.renew():
        raise FitError(_died("a process ended without a result"))
    return {_submitted(pool, item): (k, item) for k, item in sorted(lost, key=lambda p: p[0])}


def _died(said: str) -> str:
    return (
        f"workers died again and again ({said}): ended by the system for lack of memory, by "
        "somebody, or by a crash; what was finished is kept where a store was given"
    )


@contextmanager
def _opened(
    executor: Any, cores: int | None, work: Work, ready: Callable[[Any], object] | None
) -> Iterator[_Pool]:
    """The workers of an executor, with what their tasks share."""
    with ExitStack() as stack:
        pool: _Pool
        if executor == "processes":
            pool = _Processes(work, cores_here(cores))
            stack.callback(pool.stop)
        elif isinstance(executor, Executor):
            count = getattr(executor, "_max_workers", None)
            pool = _Pool(executor, (_do, work), 2 * count if count else WAITING)
        else:
            client = executor
            if isinstance(executor, str):
                client = stack.enter_context(_connected(executor))
            _ready_everywhere(client, work, ready)
            # a task as well, so that it is made again when the worker that holds it dies
            everywhere = client.submit(_given, work, pure=False)
            pool = _Pool(client.get_executor(pure=False), (_do, everywhere), WAITING)
        yield pool


def _is_cluster(executor: object) -> bool:
    return _is_client(executor) or (isinstance(executor, str) and executor.startswith(PROTOCOLS))


def _is_client(executor: object) -> bool:
    """Whether it is a Client of Dask; known without importing Dask."""
    distributed = sys.modules.get("distributed")
    return distributed is not None and isinstance(executor, distributed.Client)


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    distributed = extra(
        "distributed", "tasks go to a cluster by Dask distributed", name="cluster", error=FitError
    )
    try:
        client = distributed.Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        said = str(error) or type(error).__name__
        raise FitError(f"no scheduler of Dask answers at {address}: {said}") from None
    with client:
        yield client


def _ready_everywhere(client: Any, work: Work, ready: Callable[[Any], object] | None) -> None:
    """Compile on each machine of a cluster, by one of its workers."""
    if ready is None:
        return
    first: dict[str, str] = {}
    for address, about in client.scheduler_info(n_workers=-1)["workers"].items():
        first.setdefault(about.get("host") or address, address)
    if first:
        client.run(_get_ready, ready, work, workers=list(first.values()))


def _get_ready(ready: Callable[[Any], object], work: Work) -> None:
    ready(_restored(work)[1])


def _work(task: Callable[..., Any], shared: object) -> Work:
    content = pickle.dumps((task, shared), protocol=pickle.HIGHEST_PROTOCOL)
    return Work(hashlib.sha256(content).hexdigest(), content)


@lru_cache(maxsize=2)
def _restored(work: Work) -> tuple[Callable[..., Any], Any]:
    """Function and shared argument in a worker; kept for its next tasks."""
    return pickle.loads(work.content)


def _given(work: Work) -> Work:
    return work


def _do(work: Work, item: object) -> Any:
    """A task in a worker."""
    task, shared = _restored(work)
    with with_cores(1), one_blas_thread():
        return task(shared, item)


_own: Work | None = None


def _keep(work: Work) -> None:
    """Beginning of a process of ours."""
    global _own
    _own = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that gave the tasks
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # of libraries that are not loaded yet


def _end_with_parent() -> None:
    """A process whose parent was killed would wait for tasks for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _do_here(item: object) -> Any:
    assert _own is not None
    return _do(_own, item)


def _of_threads(task: Callable[..., Any], shared: object) -> Call:
    """The same in a thread of this process."""

    def done(item: object) -> Any:
        with with_cores(1):
            return task(shared, item)

    return (done,)


class _HiddenMain(SpawnProcess):
    """A process that does not run the user's script again.

    It needs nothing of it, and a script without `if __name__ == "__main__":` would start processes
    in processes.
    """

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802 - the name is multiprocessing's
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            return SpawnProcess._Popen(process_obj)
        finally:
            sys.modules["__main__"] = main


class _WithoutMain(SpawnContext):
    Process = _HiddenMain
