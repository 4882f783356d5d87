"""Before sampling: answers in ordered categories, how many of each, and what they cost."""

from __future__ import annotations

from bayessem.errors import DataError, NotSupported
from bayessem.model.answer_engine import LAPLACE, answer_engine
from bayessem.model.data import Sample, category_counts
from bayessem.model.findings import Finding
from bayessem.model.node_model import NodeModel
from bayessem.model.prepare import Prepared

# A category with fewer answers is sparse: what is known about its threshold is mostly the prior.
SPARSE = 5
TOPIC = "ordered answers"
# Variables that a finding lists.
LISTED = 12


def answer_findings(prepared: Prepared) -> list[Finding]:
    """What a model with ordered answers needs, and categories that few or nobody chose."""
    if not prepared.table.ordered:
        return []
    try:
        engine, model = answer_engine(prepared.structure, prepared.sample)
    except (NotSupported, DataError) as error:
        return [Finding(True, TOPIC, str(error), "see above")]
    how, remedy = _by_laplace(model) if engine == LAPLACE else _on_nodes(model)
    link, scale = prepared.table.responses.link, prepared.table.responses.parameterization
    cost = Finding(
        False,
        TOPIC,
        f"{len(prepared.table.ordered)} variables are answers in ordered categories ({link}, "
        f"{scale} parameterization); {how}",
        remedy,
    )
    return [cost, _counts(prepared.sample), *_gaps(prepared.sample), *_sparse(prepared)]


def _on_nodes(model: NodeModel) -> tuple[str, str]:
    """How the node engine integrates, and what follows."""
    widest = max(model.cliques, key=len, default=())
    several = {
        1: "one construct at a time",
        2: "two constructs at a time",
        3: "three constructs at a time",
    }[len(widest)]
    return (
        f"the constructs are integrated out on nodes, exactly, {several} ({', '.join(widest)})",
        "the likelihood is of the answers themselves; LOO is by respondent",
    )


def _by_laplace(model: NodeModel) -> tuple[str, str]:
    """How the Laplace engine integrates and why it is taken, and what follows."""
    return (
        f"{model.too_wide}; so what is sampled is Laplace's approximation, and its draws are "
        "weighted to the exact posterior",
        "fit.diagnosis says how many draws the weighted ones are worth; fit() stops before "
        "sampling where the approximation is too far off, as with few items of two or three "
        "categories and high loadings",
    )


def _counts(sample: Sample) -> Finding:
    """How many chose each category."""
    said = []
    for name in sample.ordered:
        counts = category_counts(sample, name)
        said.append(
            f"{name} {counts[0][0]} to {counts[-1][0]}: {'/'.join(str(n) for _, n in counts)}"
        )
    more = f"; and {len(said) - LISTED} more variables" if len(said) > LISTED else ""
    return Finding(
        False,
        "answers by category",
        f"from the lowest to the highest: {'; '.join(said[:LISTED])}{more}",
        "sem.compare_responses(data) shows what treating them as numbers would change",
    )


def _gaps(sample: Sample) -> list[Finding]:
    """Codes between two others that nobody chose."""
    gone = []
    for name in sample.ordered:
        labels = sample.categories[sample.variables.index(name)]
        if all(isinstance(x, int) for x in labels):
            known = {int(x) for x in labels if isinstance(x, int)}
            empty = [str(x) for x in range(min(known), max(known)) if x not in known]
            if 0 < len(empty) <= len(labels):
                gone.append(f"{name} ({', '.join(empty)})")
    if not gone:
        return []
    return [
        Finding(
            False,
            "empty categories",
            f"nobody chose, between others: {', '.join(gone[:LISTED])}"
            + (f" and {len(gone) - LISTED} more" if len(gone) > LISTED else ""),
            "a category without answers is left out: its neighbours become neighbours of each "
            "other, and nothing else changes",
        )
    ]


def _sparse(prepared: Prepared) -> list[Finding]:
    """Categories with few answers, or none in a group."""
    sample = prepared.sample
    few: list[str] = []
    join = ""
    for name in sample.ordered:
        for g, group in enumerate(sample.groups):
            where = f" in group {group!r}" if len(sample.groups) > 1 else ""
            counts = category_counts(sample, name, group=g)
            join = join or _joined(name, counts)
            few += [f"{name} = {label}{where} ({n})" for label, n in counts if n < SPARSE]
    if not few:
        return []
    shown = ", ".join(few[:8]) + (f" and {len(few) - 8} more" if len(few) > 8 else "")
    return [
        Finding(
            False,
            "sparse categories",
            f"fewer than {SPARSE} answers: {shown}",
            "the thresholds beside them are known by their prior as much as by the data. Joining "
            f"such a category with its neighbour ({join}) takes one threshold out of the model; "
            "loadings and paths hardly change, since few answers lose their distinction",
        )
    ]


def _joined(name: str, counts: list[tuple[object, int]]) -> str:
    """How to join the first sparse category with the smaller of its neighbours, as code."""
    for c, (label, n) in enumerate(counts):
        if n < SPARSE:
            near = [k for k in (c - 1, c + 1) if 0 <= k < len(counts)]
            other = counts[min(near, key=lambda k: counts[k][1])][0]
            if isinstance(label, int):
                return f"data[{name!r}] = data[{name!r}].replace({label}, {other})"
            return f"data[{name!r}] = data[{name!r}].replace({label!r}, {other!r})"
    return ""
