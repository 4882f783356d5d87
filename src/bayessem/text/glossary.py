"""What the heads of columns stand for: the note below a table in a paper."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bayessem.text.document import Block, Document, Notes, Table

# Heads of columns of draws, with their meaning; a table has those that it needs.
MEANINGS = {
    "mean": "posterior mean",
    "sd": "posterior standard deviation",
    "P(>0)": "posterior probability that the value is above 0",
    "std": "standardised value",
    "std sq": "coefficient of the standardised square",
    "X2 of the table": "chi-square of the table of both answers against the expected one",
    "R-hat": "rank-normalised split R-hat (1.01 or less at convergence)",
    "ESS": "bulk effective sample size",
    "elpd": "expected log predictive density",
    "AVE": "average variance extracted",
    "omega": "composite reliability",
    "MI": "modification index",
    "EPC": "expected parameter change",
    "SE": "standard error",
}
INTERVAL = re.compile(r"(std )?(\d+(?:\.\d+)?) %( interval)?")
# A table of draws has one of these, or a mean with its interval; of other tables nothing is said
# about means and intervals.
OF_DRAWS = re.compile(r"R-hat|P\(.*\)|probability|to prior")
ABOVE = re.compile(r"P\(> (\d*\.\d+)\)")
ONLY_OF_DRAWS = frozenset({"mean", "sd"})


def abbreviations(tables: Iterable[Table]) -> str:
    """One sentence that says what the heads of the tables' columns stand for; "" for nothing."""
    found: dict[str, str] = {}
    percents: dict[str, None] = {}
    for table in tables:
        titles = [column.title for column in table.columns]
        drawn = any(map(OF_DRAWS.fullmatch, titles)) or (
            "mean" in titles and any(map(INTERVAL.fullmatch, titles))
        )
        for title in titles:
            if title in MEANINGS and (drawn or title not in ONLY_OF_DRAWS):
                found[title] = MEANINGS[title]
            elif above := ABOVE.fullmatch(title):
                found[title] = f"posterior probability that the value is above {above[1]}"
            elif drawn and (interval := INTERVAL.fullmatch(title)):
                percents[interval[2]] = None
    order = [*MEANINGS, *(title for title in found if title not in MEANINGS)]
    said = [f"{title} = {found[title]}" for title in order if title in found]
    said += [f"{p} % interval = equal-tailed {p} % credible interval" for p in percents]
    return f"{'; '.join(said)}." if said else ""


def with_notes(document: Document) -> Document:
    """The document with the meaning of its abbreviations in the note below each table."""
    out: list[Block] = []
    blocks = document.blocks
    for k, block in enumerate(blocks):
        if isinstance(block, Notes) and k and isinstance(blocks[k - 1], Table):
            continue  # it is part of the note below the table
        out.append(block)
        if isinstance(block, Table):
            following = blocks[k + 1] if k + 1 < len(blocks) else None
            own = following.texts if isinstance(following, Notes) else ()
            meaning = abbreviations([block])
            out.append(Notes((*([meaning] if meaning else []), *own)))
    return Document.of(out)
