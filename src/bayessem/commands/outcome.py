"""How a command ends: results on standard output, as text or JSON, and an exit code.

Exit codes: 0 fine; 1 the model or the data say no; 2 used wrongly; 130 interrupted.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bayessem.errors import BayessemError

if TYPE_CHECKING:
    from bayessem.text.described import Described

FINE, NO, WRONG = 0, 1, 2
# As shells count a process that Ctrl-C (signal 2) ended.
INTERRUPTED = 130
EXIT_CODES = (
    "Exit codes: 0 fine; 1 the model or the data say no; 2 used wrongly: an option, a name, or a "
    "file that cannot be read or written; 130 interrupted (Ctrl-C): what was printed and saved by "
    "then is whole."
)


class UsedWrongly(BayessemError):
    """The call cannot be what was meant: an option, a name in one, or a file."""


@contextlib.contextmanager
def of_the_call() -> Iterator[None]:
    """Errors inside are about what the call names (files, options), not about model or data."""
    try:
        yield
    except BayessemError as error:
        raise UsedWrongly(str(error)) from None


def tell(notes: Sequence[str]) -> None:
    """Say what a reader should know, apart from the results."""
    for note in notes:
        print(f"bayessem: {note}", file=sys.stderr)


def in_terminal() -> bool:
    """Whether somebody watches standard error, for bars of progress."""
    return sys.stderr.isatty()


def conclude(
    *results: Described,
    as_json: bool,
    saved: Sequence[object] = (),
    code: int = FINE,
    more: dict[str, Any] | None = None,
) -> int:
    """Print results, and what was saved, as text or as one JSON object; returns the exit code.

    The object has `results` (each as `Described.to_json` has it), `saved` (paths) and `exit_code`;
    `more` are further keys of commands that have some.
    """
    if as_json:
        from bayessem.text.json import json_text, result_object

        content: dict[str, Any] = {
            "results": [
                result_object(type(r).__name__, r.to_frame(), r.document()) for r in results
            ],
            "saved": [str(path) for path in saved],
            "exit_code": code,
        }
        sys.stdout.write(json_text(content | (more or {})))
        return code
    parts = [str(result) for result in results] + [f"saved in {path}" for path in saved]
    print("\n\n".join(parts))
    return code
