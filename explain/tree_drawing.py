"""A tree of clusters as SVG (the first paper's figure 7): cuts, samples and misassigned ones, leaves.

The root is on the left and each leaf a line of its own on the right: 24 leaves stay readable on a page.
Colours are given with their background, so that the figure reads the same in print and on a dark screen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from .bisector_tree import cluster_name
from .centre_tree import CentreTree, Node

_BOX_WIDTH, _TOP, _LINE_HEIGHT, _FOOT = 96.0, 16.0, 15.0, 8.0  # the least width: long lines widen their box
_LEAF_PITCH, _LEVEL_GAP, _MARGIN = 62.0, 26.0, 8.0
_TITLE, _FACT, _ANSWER = 14, 13, 12  # sizes of type: on a page of paper 24 leaves are shown at a half
_TITLE_CHARACTER, _FACT_CHARACTER = 8.4, 7.3  # their widths in pixels, in a wide font
_THINNEST, _THICKEST = 1.0, 9.0

_INK, _PAPER, _LINE, _CUT, _LEAF, _WRONG = "#1b1f24", "#ffffff", "#9fb3c8", "#eef3f8", "#e6f4ea", "#c0392b"


@dataclass(frozen=True, slots=True)
class _Box:
    x: float
    middle: float
    width: float
    height: float

    @property
    def y(self) -> float:
        return self.middle - self.height / 2


def draw_tree(
    tree: CentreTree[Any],
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
    height = max(box.y + box.height for box in boxes) + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'width="{width:.0f}" font-family="system-ui, sans-serif" font-size="{_TITLE}" fill="{_INK}">',
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


def _title(node: Node, features: Sequence[str] | None, clusters: Mapping[int, str]) -> tuple[str, ...]:
    """The lines of a box's title."""
    if node.is_leaf:
        return (cluster_name(node.centre, clusters),)
    if node.near >= 0:
        near, far = (
            cluster_name(cluster, clusters).removeprefix("cluster ") for cluster in (node.near, node.far)
        )
        return f"more like {near}", f"than {far}"
    name = str(node.feature) if features is None else features[node.feature]
    return (f"{name} <= {node.threshold:.3f}",)


def _facts(node: Node) -> tuple[str, str]:
    share = f" ({node.misassigned / node.samples:.0%})" if node.samples else ""
    return f"{node.samples:,} samples", f"{node.misassigned:,} wrong{share}"


def _places(tree: CentreTree[Any], titles: list[tuple[str, ...]]) -> list[_Box]:
    """Leaves one below the other in their order, cuts halfway between their sides, depth to the right."""
    widths = [
        max(
            _BOX_WIDTH,
            *(_TITLE_CHARACTER * len(line) + 14 for line in title),
            *(_FACT_CHARACTER * len(fact) + 14 for fact in _facts(node)),
        )
        for node, title in zip(tree.nodes_, titles, strict=True)
    ]
    level = max(widths) + _LEVEL_GAP
    heights = [_TOP + _LINE_HEIGHT * (len(title) + 1) + _FOOT for title in titles]
    first = _MARGIN + max(heights) / 2  # a cut may be the topmost box, and higher than its leaf
    boxes = [_Box(0, 0, 0, 0)] * len(tree.nodes_)
    leaves = 0
    for number, node in enumerate(tree.nodes_):  # leaves stand in their order, the left side first
        if node.is_leaf:
            middle = first + _LEAF_PITCH * leaves
            boxes[number] = _Box(_MARGIN + level * node.depth, middle, widths[number], heights[number])
            leaves += 1
    for number in reversed(range(len(boxes))):
        node = tree.nodes_[number]
        if not node.is_leaf:
            middle = (boxes[node.left].middle + boxes[node.right].middle) / 2
            boxes[number] = _Box(_MARGIN + level * node.depth, middle, widths[number], heights[number])
    return boxes


def _branch(tree: CentreTree[Any], box: _Box, end: _Box, number: int, word: str) -> list[str]:
    share = tree.nodes_[number].samples / max(tree.nodes_[0].samples, 1)
    x, turn = box.x + box.width, end.x - 12
    curve = ((x, box.middle), (turn, box.middle), (x, end.middle), (end.x, end.middle))
    start, *rest = (f"{at:.1f} {down:.1f}" for at, down in curve)
    line = f"M{start}C{' '.join(rest)}"
    thickness = _THINNEST + share * (_THICKEST - _THINNEST)
    beside = -thickness / 2 - 3 if word == "yes" else thickness / 2 + 11
    return [
        f'<path d="{line}" fill="none" stroke="{_LINE}" stroke-width="{thickness:.1f}"/>',
        f'<text x="{end.x - 3:.1f}" y="{end.middle + beside:.1f}" font-size="{_ANSWER}" '
        f'text-anchor="end">{word}</text>',
    ]


def _box(node: Node, box: _Box, title: tuple[str, ...]) -> list[str]:
    x = box.x + 7
    baselines = [box.y + _TOP + _LINE_HEIGHT * line for line in range(len(title) + 2)]
    parts = [
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="5" '
        f'fill="{_LEAF if node.is_leaf else _CUT}" stroke="{_LINE}"/>',
    ]
    for line, y in zip(title, baselines, strict=False):
        parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-weight="600">{escape(line)}</text>')
    for line, y in zip(_facts(node), baselines[-2:], strict=True):
        parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{_FACT}">{line}</text>')
    if node.misassigned:
        wrong = (box.width - 10) * node.misassigned / node.samples
        line = f"M{box.x + 5:.1f} {box.y + box.height - 2.5:.1f}h{wrong:.1f}"
        parts.append(f'<path d="{line}" stroke="{_WRONG}" stroke-width="3"/>')
    return parts
