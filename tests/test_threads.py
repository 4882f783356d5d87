"""BLAS works with one thread inside bayessem's calls, and as before outside of them."""

import threading

import numpy as np
import pytest
import scipy.linalg
from threadpoolctl import threadpool_info, threadpool_limits

from bayessem.threads import one_blas_thread


def blas_threads() -> list[int]:
    return [p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"]


def test_numpy_and_scipy_get_one_thread_and_theirs_back():
    scipy.linalg.inv(np.eye(2))
    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        assert max(before) == 2
        with one_blas_thread():
            assert set(blas_threads()) == {1}
            with one_blas_thread():
                assert set(blas_threads()) == {1}
            assert set(blas_threads()) == {1}
        assert blas_threads() == before


def test_an_error_restores_the_threads():
    @one_blas_thread()
    def fails() -> None:
        raise ZeroDivisionError

    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        with pytest.raises(ZeroDivisionError):
            fails()
        assert blas_threads() == before


def test_calls_in_two_threads_restore_the_threads():
    entered, leave = threading.Event(), threading.Event()

    def second() -> None:
        with one_blas_thread():
            entered.set()
            leave.wait(10)

    before = blas_threads()
    other = threading.Thread(target=second)
    with one_blas_thread():
        other.start()
        assert entered.wait(10)
        assert set(blas_threads()) == {1}
    leave.set()
    other.join()
    assert blas_threads() == before
