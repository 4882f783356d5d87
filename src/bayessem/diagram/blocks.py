"""A construct with all that stands beside it: indicators, dimensions with theirs, products."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bayessem.diagram.elements import Node
from bayessem.diagram.shapes import LEADING, NAME, NOTE, POINTS, Box, Point, text_width

OUTWARDS: dict[str, Point] = {
    "left": (-1.0, 0.0),
    "right": (1.0, 0.0),
    "above": (0.0, 1.0),
    "below": (0.0, -1.0),
}
# Between a name and the border of its shape; between shapes; of the lines of loadings.
INSIDE, BETWEEN, LINE = 0.09, 0.07, 0.42
# Between a shape and what is written at an arrow that ends there: its head stays visible.
HEAD = 0.14

Size = tuple[float, float]
SizeOf = Callable[[str, str], Size]


@dataclass
class Block:
    """Boxes about the middle of a construct at (0, 0).

    Attributes
    ----------
    boxes : dict
        Box by name; its own among them.
    sides : dict
        By name, the side on which a node stands beside its parent.
    """

    boxes: dict[str, Box] = field(default_factory=dict)
    sides: dict[str, str] = field(default_factory=dict)

    def extent(self, side: str) -> float:
        """How far it reaches to a side of (0, 0)."""
        reach = {
            "left": lambda b: b.half_width - b.x,
            "right": lambda b: b.x + b.half_width,
            "above": lambda b: b.y + b.half_height,
            "below": lambda b: b.half_height - b.y,
        }[side]
        return max(reach(b) for b in self.boxes.values())

    def moved(self, x: float, y: float) -> Block:
        """The block elsewhere."""
        boxes = {
            n: Box(b.x + x, b.y + y, b.half_width, b.half_height) for n, b in self.boxes.items()
        }
        return Block(boxes, dict(self.sides))


def node_size(node: Node) -> Size:
    """Half width and half height of a node's shape."""
    lines = node.text.split("\n")
    text = max(text_width(x, NAME) for x in lines)
    note = text_width(node.note, NOTE)
    more = (len(lines) - 1) * NAME * LEADING
    line = (NAME + more + (NOTE * 1.2 if node.note else 0.0)) / POINTS
    if node.kind == "latent":
        return max(0.36, 0.64 * max(text, note) + INSIDE), max(0.2, 0.78 * line + INSIDE)
    if node.kind == "product":
        return max(text, note) / 2 + INSIDE + 0.04, line / 2 + 0.07
    return max(text, note) / 2 + INSIDE, line / 2 + 0.06


def block(
    name: str,
    side: str,
    children: Mapping[str, Sequence[str]],
    nodes: Mapping[str, Node],
    label: SizeOf,
    stretch: float = 1.0,
) -> Block:
    """A construct with its children on one side, and theirs beyond them.

    Parameters
    ----------
    name : str
        The construct.
    side : {"left", "right", "above", "below"}
    children : mapping
        By construct, names of what stands beside it.
    nodes : mapping
        Node by name.
    label : callable
        Width and height of what is written at the relation of two nodes.
    stretch : float
        Of all distances, to make room.
    """
    half_width, half_height = node_size(nodes[name])
    out = Block({name: Box(0.0, 0.0, half_width, half_height)})
    below = [block(c, side, children, nodes, label, stretch) for c in children.get(name, ())]
    if not below:
        return out
    names = list(children[name])
    if side in ("left", "right"):
        _widened(below, names, nodes)
    labels = [label(name, c) for c in names]
    along = ("above", "below") if side in ("left", "right") else ("left", "right")
    across = {"left": "right", "right": "left", "above": "below", "below": "above"}[side]
    lying = side in ("left", "right")
    # of a label the height counts beside each other, the width along the line; or the reverse
    long = max(w if lying else h for w, h in labels)
    own = half_width if lying else half_height
    # lines draw together towards the construct, and with them what is written on them
    nearer = 1.0 - (HEAD + long / 2) / (LINE + long + own)
    thick = [(0.5 * (h if lying else w) + 0.01) / nearer for w, h in labels]
    ends = [
        (max(b.extent(along[0]), t), max(b.extent(along[1]), t))
        for b, t in zip(below, thick, strict=True)
    ]
    if not lying:
        ends = [(b, a) for a, b in ends]
    places = [0.0]
    for (_, last), (first, _) in zip(ends, ends[1:], strict=False):
        places.append(places[-1] + stretch * (last + first + BETWEEN))
    middle = (places[0] + places[-1]) / 2
    away = own + stretch * LINE + long + max(b.extent(across) for b in below)
    sign = sum(OUTWARDS[side])
    for child, one, place in zip(names, below, places, strict=True):
        offset = place - middle
        x, y = (sign * away, -offset) if lying else (offset, sign * away)
        placed = one.moved(x, y)
        out.boxes |= placed.boxes
        out.sides |= placed.sides | {child: side}
    return out


def _widened(below: Sequence[Block], names: Sequence[str], nodes: Mapping[str, Node]) -> None:
    """Give indicators below each other one width."""
    widest = max(b.boxes[n].half_width for b, n in zip(below, names, strict=True))
    for one, name in zip(below, names, strict=True):
        if nodes[name].kind == "observed":
            one.boxes[name] = replace(one.boxes[name], half_width=widest)


def with_products(
    made: Block, name: str, products: Sequence[str], nodes: Mapping[str, Node], side: str
) -> Block:
    """The block with products of the construct above or below it, where its children are not."""
    y_sign = 1.0 if side == "below" else -1.0
    reach = made.boxes[name].half_height
    for product in products:
        half_width, half_height = node_size(nodes[product])
        reach += 0.3 + half_height
        made.boxes[product] = Box(0.0, y_sign * reach, half_width, half_height)
        reach += half_height
    return made
