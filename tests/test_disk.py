"""Files written whole or not at all, and errors of the system in our words."""

import os
import threading
from pathlib import Path

import pytest

from bayessem import disk
from bayessem.errors import DataError, FitError


def test_a_file_is_written_with_its_folders(tmp_path):
    path = disk.write_whole(tmp_path / "a" / "b.txt", "ä\n", "the page")
    assert path.read_bytes() == "ä\n".encode()
    disk.write_whole(path, b"\x00", "the page")
    assert path.read_bytes() == b"\x00"
    assert [p.name for p in path.parent.iterdir()] == ["b.txt"]


def test_an_older_file_stays_when_the_disk_is_full(tmp_path, monkeypatch):
    path = disk.write_whole(tmp_path / "page.html", "old", "the page")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FitError, match="the page cannot be written to .*page.html: no space left"):
        disk.write_whole(path, "new", "the page")
    assert path.read_text(encoding="utf-8") == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    disk.write_whole(tmp_path / "link", "x", "the page")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text(encoding="utf-8") == "x"


def test_devices_are_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    seen = []
    reader = threading.Thread(target=lambda: seen.append(pipe.read_text(encoding="utf-8")))
    reader.start()
    disk.require_writable(pipe, "the page")
    disk.write_whole(pipe, "x", "the page")
    reader.join(10)
    assert seen == ["x"]
    assert pipe.is_fifo()
    disk.write_whole(os.devnull, "x", "the page")
    assert not os.path.isfile(os.devnull)


def test_what_a_dead_process_left_goes_and_what_a_live_one_writes_stays(tmp_path):
    target = tmp_path / "page.html"
    dead = tmp_path / f".page.html.partial-{disk._host()}-{2**30}-0123abcd"
    live = tmp_path / f".page.html.partial-{disk._host()}-{os.getppid()}-0123abcd"
    for path in (dead, live):
        path.write_text("half", encoding="utf-8")
    disk.write_whole(target, "x", "the page")
    assert sorted(p.name for p in tmp_path.iterdir()) == [live.name, "page.html"]


@pytest.mark.parametrize("name", ["r.docx", "r", "r.pdf", "r.html.zip", ".html"])
def test_suffixes_that_are_not_written_are_refused(tmp_path, name):
    with pytest.raises(FitError, match=r"written as \.html or \.htm and nothing else.*name it"):
        disk.require_writable(tmp_path / name, "the report", suffixes=(".html", ".htm"))


@pytest.mark.parametrize("name", ["r.html", "R.HTM", "a/b/c.html"])
def test_a_file_that_can_be_written_is_left_alone(tmp_path, name):
    path = disk.require_writable(tmp_path / name, "the report", suffixes=(".html", ".htm"))
    assert path == tmp_path / name
    assert list(tmp_path.iterdir()) == []


def test_files_that_cannot_be_written_are_refused_before_any_work(tmp_path):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    for path in (tmp_path, tmp_path / "file" / "x", tmp_path / ("x" * 300), "a\0b", 7):
        for refuse in (disk.require_writable, lambda p, what: disk.write_whole(p, "x", what)):
            with pytest.raises(FitError, match="the page cannot be written to|is not a path"):
                refuse(path, "the page")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_the_error_is_of_the_kind_that_is_asked_for():
    with (
        pytest.raises(DataError, match="the file cannot be read: no such file"),
        disk.told("the file cannot be read", DataError),
    ):
        Path("no-such-file").read_bytes()
