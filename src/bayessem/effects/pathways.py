"""The arrows of a model: which paths lead from one variable to another, and what lies on them."""

from __future__ import annotations

from collections.abc import Sequence

from bayessem.errors import ModelError, NotSupported, did_you_mean
from bayessem.model.structure import Structure

MOST_PATHS = 1000


def position(structure: Structure, name: str, role: str = "variable") -> int:
    """Where a variable stands in `structure.variables`.

    Raises
    ------
    ModelError
        Naming the variables there are.
    """
    if name in structure.variables:
        return structure.variables.index(name)
    why = "measures a construct" if name in structure.observed else "is not in the model"
    raise ModelError(
        f"{role} {name!r} {why}; constructs and observed variables with paths: "
        f"{', '.join(structure.variables)}.{did_you_mean(name, structure.variables)}"
    )


def arrows(structure: Structure) -> dict[int, tuple[int, ...]]:
    """Predictor to its outcomes, through paths and products that are not fixed at 0."""
    found: dict[int, dict[int, None]] = {i: {} for i in range(len(structure.variables))}
    for k, place in structure.places.items():
        row = structure.table.rows[k]
        if row.free < 0 and row.value == 0.0:
            continue
        if place.matrix == "paths":
            found[place.j][place.i] = None
        elif place.matrix == "products":
            for factor in structure.products[place.j]:
                found[factor][place.i] = None
    return {i: tuple(children) for i, children in found.items()}


def directed_paths(structure: Structure, x: int, y: int) -> list[tuple[int, ...]]:
    """Every directed path from x to y that visits no variable twice, the shortest first.

    Raises
    ------
    ModelError
        When there is none, or there are more than `MOST_PATHS`.
    NotSupported
        When one of them has a random slope.
    """
    _refuse_random(structure, x, y)
    graph, names = arrows(structure), structure.variables
    reach = {y}
    while True:
        wider = reach | {i for i, children in graph.items() if reach & set(children)}
        if wider == reach:
            break
        reach = wider
    found: list[tuple[int, ...]] = []
    todo: list[tuple[int, ...]] = [(x,)]
    while todo:
        path = todo.pop()
        for child in graph[path[-1]]:
            if child == y:
                found.append((*path, y))
            elif child in reach and child not in path:
                todo.append((*path, child))
        if len(found) > MOST_PATHS:
            raise ModelError(
                f"more than {MOST_PATHS} directed paths lead from {names[x]} to {names[y]}; ask "
                "for the effects on or of a variable between them"
            )
    if x == y or not found:
        outcomes = ", ".join(names[i] for i in graph[x]) or "nothing"
        causes = ", ".join(names[i] for i, c in graph.items() if y in c) or "nothing"
        raise ModelError(
            f"no directed path leads from {names[x]} to {names[y]} in the model; arrows go from "
            f"{names[x]} to {outcomes}, and to {names[y]} from {causes}"
        )
    return sorted(found, key=lambda path: (len(path), path))


def on_circle(structure: Structure) -> set[int]:
    """Variables that lie on a directed circle of paths, {} in a recursive model."""
    graph = arrows(structure)

    def below(start: int) -> set[int]:
        seen: set[int] = set()
        todo = list(graph[start])
        while todo:
            i = todo.pop()
            if i not in seen:
                seen.add(i)
                todo += graph[i]
        return seen

    return {i for i in graph if i in below(i)}


def descendants(structure: Structure, start: int) -> set[int]:
    """Variables that a variable reaches through paths or products, without itself."""
    graph = arrows(structure)
    seen: set[int] = set()
    todo = [start]
    while todo:
        for child in graph[todo.pop()]:
            if child not in seen:
                seen.add(child)
                todo.append(child)
    return seen - {start}


def moderators(structure: Structure, paths: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Variables whose value changes a slope along the paths without being caused by their start.

    The start itself, and what it causes, are not moderators: they make the effect depend on the
    start's own value.
    """
    start = paths[0][0]
    own = descendants(structure, start) | {start}
    coefficients = {
        (place.i, place.j)
        for k, place in structure.places.items()
        if place.matrix == "products"
        and not (structure.table.rows[k].free < 0 and structure.table.rows[k].value == 0.0)
    }
    found: dict[int, None] = {}
    for path in paths:
        for predictor, outcome in zip(path, path[1:], strict=False):
            for t, factors in enumerate(structure.products):
                if (outcome, t) in coefficients and predictor in factors:
                    found |= dict.fromkeys(i for i in factors if i != predictor and i not in own)
    return tuple(found)


def mediators(structure: Structure, x: str, y: str) -> tuple[str, ...]:
    """Variables on the directed paths between x and y, in the order of the model."""
    i, j = position(structure, x), position(structure, y)
    between = {v for path in directed_paths(structure, i, j) for v in path[1:-1]}
    order = _causal_order(structure)
    return tuple(structure.variables[v] for v in sorted(between, key=order.index))


def _causal_order(structure: Structure) -> list[int]:
    """Variables with causes before outcomes, as far as circles allow."""
    graph = arrows(structure)
    waiting, order = set(graph), []
    while waiting:
        caused = {child for v in waiting for child in graph[v] if child != v}
        ready = sorted(waiting - caused) or [min(waiting)]
        order += ready
        waiting -= set(ready)
    return order


def _refuse_random(structure: Structure, x: int, y: int) -> None:
    """Refuse effects that differ between clusters, of which there is no one number."""
    graph = {i: set(children) for i, children in arrows(structure).items()}
    for s in structure.slopes:
        graph[s.predictor].add(s.outcome)

    def reached(start: int) -> set[int]:
        found, todo = {start}, [start]
        while todo:
            new = graph[todo.pop()] - found
            found |= new
            todo += new
        return found

    names = structure.variables
    for s in structure.slopes:
        if s.predictor in reached(x) and y in reached(s.outcome):
            slope = names[s.slope]
            raise NotSupported(
                f"the effect of {names[x]} on {names[y]} differs between clusters: {slope} is the "
                f"random slope of {names[s.predictor]} on {names[s.outcome]}. Its mean "
                f"and variance are in the summary ({slope} ~ 1, {slope} ~~ {slope}), and what "
                "follows from them can be defined with ':=' in the model"
            )
