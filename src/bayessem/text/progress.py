"""Progress of what takes a while: a bar on one line of standard error."""

from __future__ import annotations

import math
import time
from typing import TextIO


class Bar:
    """A progress bar on one line.

    Parameters
    ----------
    what : str
        What is being done.
    total : int
        Steps.
    stream : TextIO
        Where it is written.
    after : float
        Seconds that pass before it appears: what is done by then needs none.
    """

    def __init__(self, what: str, total: int, stream: TextIO, *, after: float = 0.0) -> None:
        self.what, self.total, self.stream = what, total, stream
        self.begin, self.shown = time.monotonic() + after, -1

    def show(self, done: int, tail: str = "") -> None:
        """So many steps are done; with what there is to say about them."""
        share = math.floor(100 * done / self.total)
        late = time.monotonic() >= self.begin or self.shown >= 0
        if share == self.shown or not late:
            return
        self.shown = share
        bar = "#" * (share // 4)
        end = "\n" if done == self.total else ""
        line = f"\r{self.what} [{bar:<25}] {done}/{self.total}{tail}"
        print(line, end=end, file=self.stream)
        self.stream.flush()
