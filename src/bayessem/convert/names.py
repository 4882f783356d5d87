"""Names of variables, in any case, and lists of them such as x1-x9."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bayessem.errors import ModelError


class Names:
    """The names of a model in the order of their first appearance; Mplus ignores their case.

    Parameters
    ----------
    known : iterable of str
        Names that there are from the beginning: the columns of the data.
    """

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._by_key: dict[str, str] = {}
        for name in known:
            self.add(name)

    def add(self, name: str) -> str:
        """The name as it was first written."""
        return self._by_key.setdefault(name.casefold(), name)

    def has(self, name: str) -> bool:
        """Whether it was seen."""
        return name.casefold() in self._by_key

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_key.values())

    def between(self, first: str, last: str) -> list[str]:
        """The names of a list `first-last`: as they stand among the known ones, else by number.

        Raises
        ------
        ModelError
            Where neither is possible.
        """
        keys = list(self._by_key)
        ends = [name.casefold() for name in (first, last)]
        if all(end in self._by_key for end in ends):
            low, high = map(keys.index, ends)
            if low <= high:
                return [self._by_key[key] for key in keys[low : high + 1]]
        return [self.add(name) for name in numbered(first, last)]


def numbered(first: str, last: str) -> list[str]:
    """The names from one number to another: x1-x3 are x1, x2, x3; x01-x12 keep their zeros.

    Raises
    ------
    ModelError
        For names that do not begin alike and end with numbers that rise.
    """
    one = re.fullmatch(r"(.*?)(\d+)", first)
    two = re.fullmatch(r"(.*?)(\d+)", last)
    if one and two and one[1].casefold() == two[1].casefold() and int(one[2]) <= int(two[2]):
        width = len(one[2]) if one[2].startswith("0") else 0
        return [f"{one[1]}{k:0{width}d}" for k in range(int(one[2]), int(two[2]) + 1)]
    raise ModelError(
        f"the list {first}-{last} cannot be written out: its names are not among those of the "
        "data, and do not differ by a number at their end"
    )


def name_list(text: str, names: Names) -> list[str]:
    """The names in a text such as "x1-x3 y, z"; ALL are all known ones.

    Raises
    ------
    ModelError
        For a list that cannot be written out.
    """
    out: list[str] = []
    for found in re.finditer(r"([^\s,;-]+)(?:\s*-\s*([^\s,;-]+))?", text):
        if found[2]:
            out += names.between(found[1], found[2])
        elif found[1].upper() == "ALL":
            out += list(names)
        else:
            out.append(names.add(found[1]))
    return out
