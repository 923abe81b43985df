"""A report of clusters: one HTML file that holds all it shows and loads nothing from anywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from ..pipeline.frames import NS_PER_S
from .amounts import percent
from .cluster_facts import ClusterFacts
from .cluster_study import ClusterStudy
from .report_figure import ReportFigure
from .report_figures import (
    COMPONENTS,
    LETTERS,
    PAPER_TREE,
    PORTRAITS,
    TREE,
    attribution_name,
    portrait_name,
)
from .report_page import figure_html, page_html, table_html, words_html
from .said import NOTHING_SAID, Said

_HEADS = '<th class="number">cluster</th><th class="number">windows</th><th>in words</th>'
_MADE = {
    "agent": "which the agent uses",
    "bundle": "which came with the bundle",
    "these windows": "fitted on these windows: a running agent's numbers are others",
}


@dataclass(frozen=True, slots=True)
class BandPages:
    """A band's study, its figures by file name, which lie in `folder` beside the report, and what people
    have `said` of its clusters."""

    study: ClusterStudy
    figures: Mapping[str, ReportFigure]
    folder: str
    said: Said = NOTHING_SAID


def report_html(bands: Sequence[BandPages], facts: Mapping[str, str]) -> str:
    """The page: a table of contents, how it was made (`facts`), and a section a band."""
    parts = [
        "<p>A window is 128 rows of a spectrogram by 128 bins. Windows that look alike to the encoder are a "
        "cluster; a name is one that a person gave. This report says of each cluster what it looks like, "
        "where it comes from, what tells it from the others, and how far to trust that.</p>",
        _contents(bands),
        *(_band(band, number) for number, band in enumerate(bands)),
    ]
    return page_html("Why these clusters", parts, facts)


def _contents(bands: Sequence[BandPages]) -> str:
    lines: list[str] = []
    for number, band in enumerate(bands):
        clusters = " ".join(
            f'<a href="#{_anchor(number, each)}"{_hint(band.said, each)}>{each.number}</a>'
            for each in band.study.clusters
        )
        lines.append(
            f'<li><a href="#band-{number}">{_name(band.study)}</a>: '
            f'<a href="#tree-{number}">tree</a>, <a href="#components-{number}">components</a>, '
            f'<a href="#portraits-{number}">portraits</a>; clusters {clusters}</li>'
        )
    made = '<li><a href="#made">How this was made</a></li>'
    return f'<nav aria-label="Contents"><ul>{"".join(lines)}{made}</ul></nav>'


def _band(band: BandPages, number: int) -> str:
    study, figures = band.study, band.figures
    geometry = study.geometry
    parts = [
        f'<section><h2 id="band-{number}">{_name(study)}</h2>',
        f'<p class="soft">{escape(str(geometry))}.</p>',
        table_html(_figures_of_trust(study)),
        _overview(band, number),
        f'<h3 id="tree-{number}">What tells clusters apart</h3>',
        _trees_in_words(study),
        figure_html(figures[TREE], band.folder),
        figure_html(figures[PAPER_TREE], band.folder),
        f'<h3 id="components-{number}">What the components keep</h3>',
        figure_html(figures[COMPONENTS], band.folder),
        f'<h3 id="portraits-{number}">All clusters</h3>',
        figure_html(figures[PORTRAITS], band.folder),
        *(_cluster(band, each, _anchor(number, each)) for each in study.clusters),
        "</section>",
    ]
    return "\n".join(parts)


def _figures_of_trust(study: ClusterStudy) -> list[tuple[str, str]]:
    windows, trees, components = study.assigned.windows, study.trees, study.components
    drawn = "all of them" if windows.given == len(windows) else f"drawn evenly from {windows.given:,}"
    changes = study.changes
    return [
        ("windows", f"{len(windows):,}, {drawn}"),
        (
            "clusters",
            f"{len(study.clusters)} with windows here, of {study.model.cluster_count}; "
            f"model {study.model.name}, {_MADE[study.model_from]}",
        ),
        (
            "components",
            f"85 % of the variance is in the first {components.components_for(0.85)}, "
            f"{components.components} are kept ({percent(components.kept_variance)}); trustworthiness "
            f"{components.kept.trustworthiness:.2f} (1 is best)",
        ),
        (
            "tree of likeness",
            f"{trees.bisector.n_leaves_} leaves, depth {trees.bisector.depth_}; gives "
            f"{_shares(trees.bisector_fidelity.training, trees.bisector_fidelity.held_out)}",
        ),
        (
            "the paper's tree, over components",
            f"{trees.shallow.n_leaves_} leaves, depth {trees.shallow.depth_}; gives "
            f"{_shares(trees.shallow_fidelity.training, trees.shallow_fidelity.held_out)}",
        ),
        (
            "tree over measures",
            f"{trees.measure.n_leaves_} leaves, depth {trees.measure.depth_}; gives "
            f"{_shares(trees.measure_fidelity.training, trees.measure_fidelity.held_out)}",
        ),
        (
            "to compare",
            f"naming always the largest cluster would be right for "
            f"{percent(trees.bisector_fidelity.largest_share)} of the windows",
        ),
        (
            "windows that change their leaf",
            f"{percent(changes.other_seed)} where k-means starts from another seed; "
            f"{percent(changes.other_windows)} where components, k-means and tree are made anew from nine in "
            f"ten of the windows (medians of {changes.reruns}; fits on these windows)",
        ),
    ]


def _shares(training: float, held_out: float) -> str:
    text = f"{percent(training)} of these windows their cluster"
    if not math.isfinite(held_out):
        return f"{text}; all begin at one moment, so that there are none to hold out"
    return f"{text}, {percent(held_out)} of windows of another time than it was grown on"


def _overview(band: BandPages, number: int) -> str:
    rows = "".join(
        f'<tr><td class="number"><a href="#{_anchor(number, each)}">{each.number}</a></td>'
        f'<td class="number">{each.portrait.windows:,}</td>'
        f"<td>{_said(band.said, each)}{words_html(each.words.sentence)}</td></tr>"
        for each in band.study.clusters
    )
    head = f"<thead><tr>{_HEADS}</tr></thead>"
    return f"<table>{head}<tbody>{rows}</tbody></table>"


def _trees_in_words(study: ClusterStudy) -> str:
    named = len(study.clusters) - sum(not each.path for each in study.clusters)
    return (
        "<p>Three trees say the same in three languages. The first (below) asks which of two clusters a "
        "window is more like: it follows the clusters best. The second, the first paper's, cuts the "
        "principal components in which clusters are made, which have no unit. The third cuts what a person "
        "can measure; its rules stand with each cluster. "
        f"{named} of {len(study.clusters)} clusters have a leaf of their own in the first.</p>"
    )


def _cluster(band: BandPages, cluster: ClusterFacts, anchor: str) -> str:
    figures, number = band.figures, cluster.number
    path = cluster.path or "no leaf of the tree is this cluster's: no cut parts it from its neighbours"
    parts = [
        f'<section><h3 id="{anchor}">Cluster {number}{_called(band.said, cluster)}</h3>',
        f'<p class="sentence">{words_html(cluster.words.sentence)}</p>',
        f"<p>{words_html(cluster.words.distinction)}</p>" if cluster.words.distinction else "",
        f"<p>{_normal(band.said, cluster)}</p>" if number in band.said.mutes else "",
        "<dl>",
        f"<dt>Rule of measures</dt><dd>{words_html(cluster.rule)}</dd>",
        f"<dt>Path in the tree of likeness</dt><dd>{escape(path)}</dd>",
        f"<dt>Origins</dt><dd>{words_html(_origins(band.study, cluster))}</dd></dl>",
        figure_html(figures[portrait_name(number)], band.folder),
        figure_html(figures[attribution_name(number)], band.folder),
        "<h4>Why these windows have this label</h4>",
        *(_example(band.study, cluster, place) for place in range(len(cluster.examples))),
        "</section>",
    ]
    return "\n".join(part for part in parts if part)


def _origins(study: ClusterStudy, cluster: ClusterFacts) -> str:
    """The segments with most of its windows, by frequency, until half of them are told."""
    shares = cluster.portrait.origins.segment_shares
    whole = cluster.portrait.origins.all_segments / max(cluster.portrait.origins.all_segments.sum(), 1)
    told: list[str] = []
    reached = 0.0
    for place in (-shares).argsort(kind="stable").tolist()[:4]:
        middle = study.measured.middles_hz[place] / 1e6
        own, of_all = float(shares[place]), float(whole[place])
        told.append(f"{percent(own)} from around {middle:.3f} MHz (of all: {percent(of_all)})")
        reached += own
        if reached >= 0.5:
            break
    return "; ".join(told)


def _example(study: ClusterStudy, cluster: ClusterFacts, place: int) -> str:
    example = cluster.examples[place]
    windows = study.assigned.windows
    start = datetime.fromtimestamp(int(windows.start_ns[example.index]) // NS_PER_S, UTC)
    middle = study.measured.middles_hz[windows.segment[example.index]] / 1e6
    because = "" if example.words.because else " No tree sends it to this cluster."
    return (
        f'<p class="example"><strong>Window {LETTERS[place]}</strong>, {escape(example.chosen_as)} '
        f'<span class="soft">({start:%Y-%m-%d %H:%M:%S} UTC, around {middle:.3f} MHz)</span>: '
        f"{words_html(example.words.text)}{because}</p>"
    )


def _called(said: Said, cluster: ClusterFacts) -> str:
    name = said.names.get(cluster.number)
    return f": {escape(name)}" if name else ""


def _said(said: Said, cluster: ClusterFacts) -> str:
    """Before its sentence in the table: its name, and that it is normal."""
    name = said.names.get(cluster.number)
    parts = [f"<strong>{escape(name)}.</strong> " if name else ""]
    if cluster.number in said.mutes:
        parts.append(f"{_normal(said, cluster)} ")
    return "".join(parts)


def _normal(said: Said, cluster: ClusterFacts) -> str:
    return f"<em>Said to be normal: {words_html(said.mutes[cluster.number])}.</em>"


def _hint(said: Said, cluster: ClusterFacts) -> str:
    name = said.names.get(cluster.number)
    return f' title="{escape(name)}"' if name else ""


def _name(study: ClusterStudy) -> str:
    return escape(f"{study.geometry.node}/{study.geometry.band}")


def _anchor(band: int, cluster: ClusterFacts) -> str:
    return f"band-{band}-cluster-{cluster.number}"
