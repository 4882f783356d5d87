"""Files on disk: written whole or not at all, and whatever the system refuses is an error of ours.

A full disk, a folder that may not be written, a name that is too long: each is one `FitError` (or
another of the family) with the path and the reason. What is being written stands under a hidden
name beside its target until it is complete and on the disk.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import socket
from collections.abc import Collection, Iterator
from pathlib import Path

from bayessem.errors import BayessemError, FitError

PARTIAL, OLD = "partial", "old"


def reason(error: OSError | ValueError) -> str:
    """What the system said, in words: "no space left on device"."""
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return said[0].lower() + said[1:]


@contextlib.contextmanager
def told(doing: str, kind: type[BayessemError] = FitError) -> Iterator[None]:
    """Errors of the system inside are one error of ours: `doing`, then the reason.

    Parameters
    ----------
    doing : str
        What was tried and failed, with the path: "run/1 cannot be saved".
    kind : type
        The error to raise.
    """
    try:
        yield
    except OSError as error:
        raise kind(f"{doing}: {reason(error)}") from None
    except ValueError as error:  # a path with a NUL character in it
        if "null" not in str(error):
            raise
        raise kind(f"{doing}: {reason(error)}") from None


def write_file(path: Path, content: bytes) -> None:
    """Write a file and wait until it is on the disk; for folders that are still hidden."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the file system can do that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_whole(path: str | os.PathLike[str], content: str | bytes, what: str) -> Path:
    """Write a file under its name when it is complete; an older one stays until then.

    Parameters
    ----------
    path : path
        Of the file; folders above it are made.
    content : str or bytes
        All of it; text is written as UTF-8.
    what : str
        What it is, for messages: "the report".

    Raises
    ------
    FitError
        With path and reason; an older file of that name is unchanged.
    """
    target = expanded(path)
    data = content.encode("utf-8") if isinstance(content, str) else content
    with told(f"{what} cannot be written to {target}"):
        if _is_device(target):
            target.write_bytes(data)
            return target
        final, target = target, target.resolve() if target.is_symlink() else target
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_left_overs(target)
        partial = hidden(target, PARTIAL)
        try:
            write_file(partial, data)
            partial.replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise
        sync_folder(target.parent)
    return final


def _is_device(target: Path) -> bool:
    """Whether a path is no file that could be replaced: /dev/stdout, a named pipe."""
    of_system = target.absolute().parts[1:2] in (("dev",), ("proc",))
    return target.exists() and not target.is_dir() and (of_system or not target.is_file())


def require_writable(
    path: str | os.PathLike[str], what: str, *, suffixes: Collection[str] = ()
) -> Path:
    """Refuse a file that could not be written, before the work that makes its content.

    Parameters
    ----------
    path : path
        Of the file.
    what : str
        What it is, for messages: "the report".
    suffixes : collection of str, optional
        Those that the name may have, the first of which is proposed.

    Raises
    ------
    FitError
        With path, reason and what would work.
    """
    target = expanded(path)
    if suffixes and target.suffix.lower() not in suffixes:
        proposed = next(iter(suffixes))
        better = target.with_suffix(proposed) if target.name else target / f"report{proposed}"
        raise FitError(
            f"{what} is written as {' or '.join(suffixes)} and nothing else, so {target} would not "
            f"be what its name says; name it {better}"
        )
    with told(f"{what} cannot be written to {target}"):
        if target.is_dir():
            raise FitError(f"{what} cannot be written to {target}: that is a folder; add a name")
        if not _is_device(target):
            require_place(target.resolve() if target.is_symlink() else target)
        if target.exists() and not os.access(target, os.W_OK):
            raise FitError(f"{what} cannot be written to {target}: permission denied")
    return target


def expanded(path: str | os.PathLike[str]) -> Path:
    """A path with `~` replaced by the home folder.

    Raises
    ------
    FitError
        For what is no path, or a home folder that is not known.
    """
    try:
        return Path(path).expanduser()
    except TypeError:
        raise FitError(
            f"{path!r} is not a path, which is a text such as 'runs/a', or a pathlib.Path"
        ) from None
    except RuntimeError as error:
        raise FitError(f"{path!r} is not a path: {error}") from None


def require_place(target: Path) -> None:
    """Raise OSError where neither a file nor a folder `target` could be made.

    What is tried is a hidden folder in the deepest folder of the path that exists, under a name as
    long as any that is needed there; it is gone at once.
    """
    place, name = target.absolute().parent, target.name
    while not place.exists():
        place, name = place.parent, place.name
    trial = hidden(place / name, PARTIAL)
    trial.mkdir()
    trial.rmdir()


def hidden(target: Path, kind: str) -> Path:
    """A new hidden name beside a target that says whose it is: host, process, a random mark."""
    mark = f"{_host()}-{os.getpid()}-{secrets.token_hex(4)}"
    return target.with_name(f".{target.name}.{kind}-{mark}")


def _host() -> str:
    """Name of the machine, in characters that every file system has."""
    return re.sub(r"[^A-Za-z0-9.]", "_", socket.gethostname())[:40] or "_"


def left_overs(target: Path, kind: str) -> list[Path]:
    """Hidden names beside a target whose process is dead; never those of a live one.

    Of another machine nothing is known, so its are left alone.
    """
    start = f".{target.name}.{kind}-"
    out = []
    for entry in sorted(target.parent.iterdir()):
        if not entry.name.startswith(start):
            continue
        found = re.fullmatch(r"(.+)-(\d+)-[0-9a-f]{8}", entry.name.removeprefix(start))
        if found and found[1] == _host() and not _alive(int(found[2])):
            out.append(entry)
    return out


def remove_left_overs(target: Path) -> None:
    """Remove what killed processes left of a file that they were writing."""
    for entry in left_overs(target, PARTIAL):
        with contextlib.suppress(OSError):
            entry.unlink()


def _alive(process: int) -> bool:
    """Whether a process of this machine still runs."""
    if os.name != "posix":  # there the signal would end it
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's
        return True
    return True


@contextlib.contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Other processes that ask for the same folder wait; the lock leaves no file and dies with us.

    On file systems without locks nobody waits.
    """
    try:
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        yield
        return
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
