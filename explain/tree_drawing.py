"""A shallow tree as SVG (the first paper's figure 7): rules, samples and misassigned ones, a leaf a cluster.

The root is on the left and each leaf a line of its own on the right: 24 leaves stay readable on a page.
Colours are given with their background, so that the figure reads the same in print and on a dark screen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from .shallow_tree import Node, ShallowTree

_BOX_WIDTH, _BOX_HEIGHT = 124.0, 50.0  # the least width: long lines widen their box
_LEAF_PITCH, _LEVEL_GAP, _MARGIN = 57.0, 30.0, 14.0
_TITLE_CHARACTER, _FACT_CHARACTER = 7.4, 6.4  # their widths in pixels, in a wide font
_THINNEST, _THICKEST = 1.0, 9.0

_INK, _PAPER, _LINE, _CUT, _LEAF, _WRONG = "#1b1f24", "#ffffff", "#9fb3c8", "#eef3f8", "#e6f4ea", "#c0392b"


@dataclass(frozen=True, slots=True)
class _Box:
    x: float
    y: float
    width: float

    @property
    def middle(self) -> float:
        return self.y + _BOX_HEIGHT / 2


def draw_tree(
    tree: ShallowTree,
    *,
    feature_names: Sequence[str] | None = None,
    cluster_names: Mapping[int, str] | None = None,
) -> str:
    """The fitted tree as the text of an SVG file, fit to stand in an HTML page too.

    Features and clusters without a name are told by their number. Lines are as thick as the share of the
    samples that go along them; the bar at the foot of a box shows the share that is misassigned.
    """
    titles = [_title(node, feature_names, cluster_names or {}) for node in tree.nodes_]
    boxes = _places(tree, titles)
    width = max(box.x + box.width for box in boxes) + _MARGIN
    height = max(box.y for box in boxes) + _BOX_HEIGHT + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'width="{width:.0f}" font-family="system-ui, sans-serif" font-size="12" fill="{_INK}">',
        f"<title>{tree.n_leaves_} leaves, depth {tree.depth_}</title>",
        f'<rect width="100%" height="100%" fill="{_PAPER}"/>',
    ]
    for node, box in zip(tree.nodes_, boxes, strict=True):
        if not node.is_leaf:
            parts += _branch(tree, box, boxes[node.left], node.left, "yes")
            parts += _branch(tree, box, boxes[node.right], node.right, "no")
    for node, box, title in zip(tree.nodes_, boxes, titles, strict=True):
        parts += _box(node, box, title)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _title(node: Node, features: Sequence[str] | None, clusters: Mapping[int, str]) -> str:
    if node.is_leaf:
        return clusters.get(node.centre, f"cluster {node.centre}")
    name = str(node.feature) if features is None else features[node.feature]
    return f"{name} <= {node.threshold:.3f}"


def _facts(node: Node) -> tuple[str, str]:
    share = f" ({node.misassigned / node.samples:.0%})" if node.samples else ""
    return f"{node.samples:,} samples", f"{node.misassigned:,} misassigned{share}"


def _places(tree: ShallowTree, titles: list[str]) -> list[_Box]:
    """Leaves one below the other in their order, cuts halfway between their sides, depth to the right."""
    widths = [
        max(
            _BOX_WIDTH,
            _TITLE_CHARACTER * len(title) + 14,
            *(_FACT_CHARACTER * len(fact) + 14 for fact in _facts(node)),
        )
        for node, title in zip(tree.nodes_, titles, strict=True)
    ]
    level = max(widths) + _LEVEL_GAP
    boxes = [_Box(0, 0, 0)] * len(tree.nodes_)
    leaves = 0
    for number, node in enumerate(tree.nodes_):  # leaves stand in their order, the left side first
        if node.is_leaf:
            boxes[number] = _Box(_MARGIN + level * node.depth, _MARGIN + _LEAF_PITCH * leaves, widths[number])
            leaves += 1
    for number in reversed(range(len(boxes))):
        node = tree.nodes_[number]
        if not node.is_leaf:
            y = (boxes[node.left].y + boxes[node.right].y) / 2
            boxes[number] = _Box(_MARGIN + level * node.depth, y, widths[number])
    return boxes


def _branch(tree: ShallowTree, box: _Box, end: _Box, number: int, word: str) -> list[str]:
    share = tree.nodes_[number].samples / max(tree.nodes_[0].samples, 1)
    x, turn = box.x + box.width, end.x - 14
    curve = ((x, box.middle), (turn, box.middle), (x, end.middle), (end.x, end.middle))
    start, *rest = (f"{at:.1f} {down:.1f}" for at, down in curve)
    line = f"M{start}C{' '.join(rest)}"
    thickness = _THINNEST + share * (_THICKEST - _THINNEST)
    beside = -thickness / 2 - 3 if word == "yes" else thickness / 2 + 9
    return [
        f'<path d="{line}" fill="none" stroke="{_LINE}" stroke-width="{thickness:.1f}"/>',
        f'<text x="{end.x - 3:.1f}" y="{end.middle + beside:.1f}" font-size="9" '
        f'text-anchor="end">{word}</text>',
    ]


def _box(node: Node, box: _Box, title: str) -> list[str]:
    samples, misassigned = _facts(node)
    x = box.x + 7
    parts = [
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{_BOX_HEIGHT:.1f}" rx="5" '
        f'fill="{_LEAF if node.is_leaf else _CUT}" stroke="{_LINE}"/>',
        f'<text x="{x:.1f}" y="{box.y + 14:.1f}" font-weight="600">{escape(title)}</text>',
        f'<text x="{x:.1f}" y="{box.y + 28:.1f}" font-size="11">{samples}</text>',
        f'<text x="{x:.1f}" y="{box.y + 41:.1f}" font-size="11">{misassigned}</text>',
    ]
    if node.misassigned:
        wrong = (box.width - 10) * node.misassigned / node.samples
        line = f"M{box.x + 5:.1f} {box.y + _BOX_HEIGHT - 2.5:.1f}h{wrong:.1f}"
        parts.append(f'<path d="{line}" stroke="{_WRONG}" stroke-width="3"/>')
    return parts
