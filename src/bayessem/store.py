"""A study on disk: one SQLite file to which each finished piece is added at once.

SQLite, because a piece is either in the file or not, whatever is killed when, a full disk leaves
the file as it was before, and everything can read it: Python's standard library, R, a browser of
databases. One process writes, the one that hands out the tasks; it waits until a piece is on the
disk. The file holds text only (JSON), so that reading it runs no code.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from bayessem.disk import expanded, require_writable, told
from bayessem.errors import FitError

FORMAT = 1
# "bsem" in the header of the file, by which it is known.
APPLICATION = 0x6273656D
# Seconds that another process may keep the file.
PATIENCE = 60.0
SCHEMA = """
CREATE TABLE IF NOT EXISTS study (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS piece (
    name TEXT PRIMARY KEY, value TEXT NOT NULL, sha256 TEXT NOT NULL, finished REAL NOT NULL
);
"""


def settings_hash(settings: Mapping[str, Any]) -> str:
    """SHA-256 of settings, whatever their order."""
    text = json.dumps(settings, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


class Store:
    """The pieces of one study; a context that closes the file.

    Parameters
    ----------
    path : path
        The file; made when it is not there.
    kind : str
        Of study: "design".
    settings : mapping
        All that its pieces depend on besides their names, as JSON has it.

    Raises
    ------
    FitError
        For a file that cannot be read or written, is no such store, is damaged, or holds a study
        with other settings, naming those.
    """

    def __init__(
        self, path: str | os.PathLike[str], kind: str, settings: Mapping[str, Any]
    ) -> None:
        self.path = _placed(path)
        self.connection = _opened(self.path)
        try:
            with _told(self.path):
                self._begin(kind, settings)
        except BaseException:
            self.connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()

    def _begin(self, kind: str, settings: Mapping[str, Any]) -> None:
        about = {"kind": kind, "format": FORMAT, "hash": settings_hash(settings)}
        _check_kind(self.connection, self.path)
        with self.connection:
            self.connection.executescript(f"PRAGMA application_id = {APPLICATION};{SCHEMA}")
        known = _about(self.connection)
        if not known:
            text = {**about, "settings": json.dumps(settings, sort_keys=True)}
            with self.connection:
                self.connection.executemany(
                    "INSERT OR IGNORE INTO study VALUES (?, ?)",
                    [(name, str(value)) for name, value in text.items()],
                )
            known = _about(self.connection)
        _check_same(known, about, settings, self.path)

    def pieces(self) -> dict[str, Any]:
        """What is finished, by name.

        Raises
        ------
        FitError
            For a piece that is not as it was written.
        """
        with _told(self.path):
            return _pieces(self.connection, self.path)

    def add(self, name: str, value: object) -> None:
        """Write a finished piece, JSON, and wait until it is on the disk.

        One that is there already stays: a task gives the same result each time.
        """
        text = json.dumps(value)
        with _told(self.path), self.connection:
            self.connection.execute(
                "INSERT OR IGNORE INTO piece VALUES (?, ?, ?, ?)",
                (name, text, _sum(name, text), time.time()),
            )


def read_store(path: str | os.PathLike[str], kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings and pieces of a study, finished or not; the file is not changed.

    Raises
    ------
    FitError
        For a file that is no store of such a study, or is damaged.
    """
    target = expanded(path)
    with told(f"{target} cannot be read"):
        if not target.is_file():
            raise FitError(f"{target} is not the file of a study: there is no such file")
        target.open("rb").close()
    connection = _opened(target)
    try:
        with _told(target):
            _check_kind(connection, target)
            known = _about(connection)
            if known.get("kind") != kind or known.get("format") != str(FORMAT):
                raise FitError(
                    f"{target} holds a study of kind {known.get('kind')!r}, format "
                    f"{known.get('format')!r}; this version reads {kind!r}, format {FORMAT}"
                )
            settings = json.loads(known.get("settings", "null"))
            if not isinstance(settings, dict):
                raise FitError(f"{target} is damaged: it has no settings")
            return settings, _pieces(connection, target)
    finally:
        connection.close()


def _placed(path: str | os.PathLike[str]) -> Path:
    target = require_writable(path, "the study")
    with told(f"the study cannot be written to {target}"):
        target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _opened(path: Path) -> sqlite3.Connection:
    with _told(path):
        connection = sqlite3.connect(path, timeout=PATIENCE)
        # A journal beside the file rather than a log that needs shared memory, which file systems
        # of clusters do not have; and wait for the disk.
        try:
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
        return connection


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Errors of SQLite are one of ours."""
    try:
        yield
    except (sqlite3.Error, json.JSONDecodeError) as error:
        said = str(error)
        if isinstance(error, sqlite3.OperationalError) and "full" in said:
            said = f"{said}; what was finished before is in it, and the same call continues there"
        if "not a database" in said or "malformed" in said or isinstance(error, ValueError):
            raise FitError(f"{path} is damaged, or a file of something else ({said})") from None
        raise FitError(f"the study in {path}: {said}") from None


def _check_kind(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a database of something else, and a damaged one."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if tables and application != APPLICATION:
        raise FitError(f"{path} is a database of something else; choose another name")
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise FitError(f"{path} is damaged: {found}")


def _about(connection: sqlite3.Connection) -> dict[str, str]:
    with suppress(sqlite3.OperationalError):  # a file that nothing was written to
        return dict(connection.execute("SELECT name, value FROM study"))
    return {}


def _check_same(
    known: Mapping[str, str], about: Mapping[str, Any], settings: Mapping[str, Any], path: Path
) -> None:
    """Refuse the store of another study, saying what differs."""
    if known.get("kind") != about["kind"] or known.get("format") != str(about["format"]):
        raise FitError(
            f"{path} holds a study of kind {known.get('kind')!r}, format {known.get('format')!r}, "
            f"not {about['kind']!r}, format {about['format']}; choose another name"
        )
    if known.get("hash") == about["hash"]:
        return
    earlier = json.loads(known.get("settings", "{}"))
    now = json.loads(json.dumps(settings))
    differ = sorted(k for k in {*earlier, *now} if earlier.get(k) != now.get(k))
    raise FitError(
        f"{path} holds another study: {', '.join(differ) or 'its settings'} "
        f"{'differs' if len(differ) == 1 else 'differ'}; choose another name, or repeat the call "
        "as it was"
    )


def _pieces(connection: sqlite3.Connection, path: Path) -> dict[str, Any]:
    out = {}
    for name, text, written in connection.execute("SELECT name, value, sha256 FROM piece"):
        if _sum(name, text) != written:
            raise FitError(
                f"{path} is damaged: {name!r} is not as it was written (its checksum differs)"
            )
        out[name] = json.loads(text)
    return out


def _sum(name: str, text: str) -> str:
    return hashlib.sha256(f"{name}\n{text}".encode()).hexdigest()
