"""A study on disk survives kills and full disks, and is refused where it is another's."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from bayessem.errors import FitError
from bayessem.store import Store, read_store, settings_hash

SETTINGS = {"model": "y ~ x", "n": [1, 2], "seed": 3}


def test_what_was_added_is_read_again(tmp_path):
    path = tmp_path / "deep" / "study.sqlite"
    with Store(path, "design", SETTINGS) as store:
        assert store.pieces() == {}
        store.add("a", {"x": 0.1 + 0.2, "y": None})
        store.add("b", [1, "two"])
        store.add("a", {"x": 9.0})  # the first stays
    with Store(path, "design", dict(reversed(SETTINGS.items()))) as store:
        assert store.pieces() == {"a": {"x": 0.1 + 0.2, "y": None}, "b": [1, "two"]}
    settings, pieces = read_store(path, "design")
    assert settings == SETTINGS
    assert list(pieces) == ["a", "b"]


def test_the_hash_knows_content_and_not_order():
    assert settings_hash(SETTINGS) == settings_hash(dict(reversed(SETTINGS.items())))
    assert settings_hash(SETTINGS) != settings_hash({**SETTINGS, "seed": 4})


def test_another_study_is_refused_by_name(tmp_path):
    path = tmp_path / "study.sqlite"
    Store(path, "design", SETTINGS).__exit__()
    with pytest.raises(FitError, match=r"holds another study: n, seed differ"):
        Store(path, "design", {**SETTINGS, "seed": 4, "n": [1]})
    with pytest.raises(FitError, match="of kind 'design'"):
        Store(path, "calibration", SETTINGS)
    with pytest.raises(FitError, match="of kind 'design'"):
        read_store(path, "calibration")


def test_foreign_and_damaged_files(tmp_path):
    text = tmp_path / "text"
    text.write_text("not a database, and longer than the hundred bytes of a header " * 4)
    other = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(other)) as connection, connection:
        connection.execute("CREATE TABLE mine (x)")
    for path, said in ((text, "not a database"), (other, "a database of something else")):
        before = path.read_bytes()
        with pytest.raises(FitError, match=said):
            Store(path, "design", SETTINGS)
        with pytest.raises(FitError, match=said):
            read_store(path, "design")
        assert path.read_bytes() == before
    with pytest.raises(FitError, match="no such file"):
        read_store(tmp_path / "none", "design")
    with pytest.raises(FitError, match="is a folder"):
        Store(tmp_path, "design", SETTINGS)


def test_a_changed_piece_is_noticed(tmp_path):
    path = tmp_path / "study.sqlite"
    with Store(path, "design", SETTINGS) as store:
        store.add("a", 1)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE piece SET value = '2'")
    with pytest.raises(FitError, match="'a' is not as it was written"):
        read_store(path, "design")


def test_a_truncated_file_is_damaged(tmp_path):
    path = tmp_path / "study.sqlite"
    with Store(path, "design", SETTINGS) as store:
        for k in range(200):
            store.add(f"piece {k}", "x" * 500)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(FitError, match=r"damaged|malformed"):
        read_store(path, "design")


def test_a_full_disk_leaves_what_was_there(tmp_path):
    path = tmp_path / "study.sqlite"
    with Store(path, "design", SETTINGS) as store:
        store.add("a", "small")
        pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
        store.connection.execute(f"PRAGMA max_page_count = {pages + 1}")
        with pytest.raises(FitError, match="full; what was finished before is in it"):
            store.add("b", "x" * 1_000_000)
        assert store.pieces() == {"a": "small"}
    with Store(path, "design", SETTINGS) as store:  # there is room again
        store.add("b", "x" * 1_000_000)
        assert set(store.pieces()) == {"a", "b"}


@pytest.mark.skipif(os.name != "posix", reason="kills")
def test_a_killed_writer_leaves_whole_pieces(tmp_path):
    path = tmp_path / "study.sqlite"
    code = (
        "import sys; from bayessem.store import Store\n"
        f"with Store({str(path)!r}, 'design', {SETTINGS!r}) as store:\n"
        "    for k in range(100000):\n"
        "        store.add(str(k), ['x' * 5000, k]); print(k, flush=True)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    while int(writer.stdout.readline()) < 20:
        pass
    time.sleep(0.013)
    writer.send_signal(signal.SIGKILL)
    said = [int(line) for line in writer.stdout]
    writer.wait()
    writer.stdout.close()
    _, pieces = read_store(path, "design")
    assert list(pieces) == [str(k) for k in range(len(pieces))]
    assert len(pieces) > max([20, *said])
    assert [*pieces.values()] == [["x" * 5000, k] for k in range(len(pieces))]
