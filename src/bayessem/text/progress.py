"""Progress of what takes a while: a bar on one line of standard error, with the time left."""

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
        self.made = time.monotonic()
        self.begin, self.shown = self.made + after, -1

    def show(self, done: int, tail: str = "") -> None:
        """So many steps are done; with what there is to say about them."""
        share = math.floor(100 * done / self.total)
        late = time.monotonic() >= self.begin or self.shown >= 0
        if share == self.shown or not late:
            return
        self.shown = share
        bar = "#" * (share // 4)
        end = "\n" if done == self.total else ""
        # Blanks over what a longer line before it may have left.
        line = f"\r{self.what} [{bar:<25}] {done}/{self.total}{tail}{self._left(done):<14}"
        print(line, end=end, file=self.stream)
        self.stream.flush()

    def clear(self) -> None:
        """Blank the line, for what is printed next; the bar comes again with the next step."""
        if self.shown >= 0:
            print("\r" + " " * 78, end="\r", file=self.stream)
            self.stream.flush()

    def _left(self, done: int) -> str:
        """How long the steps that are left take at the pace so far; "" where nothing tells."""
        if not 0 < done < self.total:
            return ""
        pace = (time.monotonic() - self.made) / done
        return f", {duration((self.total - done) * pace)} left"


def duration(seconds: float) -> str:
    """A time in the unit that suits it: "8 s", "3 min", "2 h"."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"
