"""A state of the agent as a terminal shows it: a block for each band, right at 80 columns and up."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from . import wording
from .band_status import AgentStatus, BandStatus, ForecastStatus, SegmentStatus

MOST_REMARKS = 3

_MARKS = {
    "warming_up": ("○", "dim"),
    "normal": ("●", "green"),
    "novel": ("▲", "bold yellow"),
    "deviating": ("◆", "bold red"),
}
_LABEL_COLUMNS = 10
_SEGMENT_COLUMNS = 6


def draw(status: AgentStatus, url: str | None, width_columns: int) -> RenderableType:
    """The whole view of a state, for a terminal of this width."""
    inner_columns = width_columns - 4
    blocks: list[RenderableType] = []
    for band in status.bands:
        if blocks:
            blocks.append(Text())
        blocks.append(_band(band, inner_columns))
    if not blocks:
        blocks.append(Text("waiting for the first row", style="dim"))
    waiting = [f"{depth} wait before {stage}" for stage, depth in sorted(status.queue_depth.items()) if depth]
    if any(band.ready and band.segments for band in status.bands):
        blocks.append(_line("", _legend()))
    return Panel(
        Group(*blocks),
        title=f"[bold]bandwatch[/] {escape(status.version)} · up {wording.duration(status.uptime_seconds)}",
        title_align="left",
        subtitle=f"[dim]{escape(' · '.join([url, *waiting] if url else waiting))}[/]"
        if url or waiting
        else None,
        subtitle_align="left",
        border_style="cyan" if status.healthy else "yellow",
        width=width_columns,
    )


def _legend() -> Text:
    said = Text()
    for state, (mark, style) in _MARKS.items():
        said.append(f"{mark} ", style=style).append(f"{state.replace('_', ' ')}   ", style="dim")
    return said


def _band(band: BandStatus, columns: int) -> RenderableType:
    lines: list[RenderableType] = [_head(band), _levels(band)]
    if band.segments:
        lines += _segments(band, columns)
        lines += _remarks(band)
    elif band.bins is not None:
        lines.append(_line("segments", Text(f"none: {band.bins} bins are too few for windows", style="dim")))
    lines.append(_line("forecast", _forecast(band.forecast)))
    lines.append(_line("lost", _losses(band)))
    return Group(*lines)


def _head(band: BandStatus) -> RenderableType:
    if band.last_frame_ns is None:
        mark, says = ("○", "dim"), Text("waiting for the first row", style="dim")
    elif band.flowing:
        mark, says = ("●", "green"), Text(wording.rate(band.rows_per_second), style="green")
    else:
        silence = wording.duration(band.silent_seconds)
        mark, says = ("■", "bold red"), Text(f"silent for {silence}", style="bold red")
    name = Text.assemble(mark, " ", (band.name, "bold"))
    if band.spectrum is not None:
        name.append(f"  {wording.frequency_range(band.spectrum.low_hz, band.spectrum.high_hz)}", style="cyan")
    head = Table.grid(expand=True)
    head.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    head.add_column(justify="right", no_wrap=True)
    head.add_row(name, says)
    return head


def _levels(band: BandStatus) -> RenderableType:
    if band.noise_floor_db is None and band.level_db is None:
        return _line("floor", Text("–", style="dim"))
    occupied = "–" if band.occupancy_ratio is None else f"{band.occupancy_ratio * 100:.1f} %"
    said = (
        f"{wording.level(band.noise_floor_db)} {band.unit}   level {wording.level(band.level_db)}   "
        f"occupied {occupied}   {wording.count(band.rows)} rows"
    )
    return _line("floor", Text(said))


def _segments(band: BandStatus, columns: int) -> list[RenderableType]:
    if not band.ready and not band.windows:
        return [_line("segments", Text(f"{len(band.segments)}, no window yet", style="dim"))]
    if not band.ready:
        return [_line("segments", _warming(band))]
    a_row = max(1, (columns - _LABEL_COLUMNS) // _SEGMENT_COLUMNS)
    shown = [band.segments[first : first + a_row] for first in range(0, len(band.segments), a_row)]
    return [*(_segment_rows(segments) for segments in shown), *_names(band.segments, columns)]


def _names(segments: tuple[SegmentStatus, ...], columns: int) -> list[RenderableType]:
    """What people call the clusters that are shown, in one line, cut where there is no more room."""
    names = {segment.cluster: segment.name for segment in segments if segment.cluster is not None}
    said = " · ".join(f"{cluster} {name}" for cluster, name in sorted(names.items()) if name is not None)
    if not said:
        return []
    line = Text(said, no_wrap=True)
    line.truncate(columns - _LABEL_COLUMNS, overflow="ellipsis")
    return [_line("names", line)]


def _warming(band: BandStatus) -> Text:
    said = Text(f"{len(band.segments)}, warming up", style="yellow")
    if band.warming is not None:
        windows, needed = band.warming.windows, band.warming.needed
        filled = round(20 * min(1.0, windows / needed)) if needed else 20
        said.append(f" {windows}/{needed} windows  ")
        said.append("━" * filled, style="yellow").append("╌" * (20 - filled), style="dim")
    return said


def _segment_rows(segments: tuple[SegmentStatus, ...]) -> RenderableType:
    table = Table.grid()
    table.add_column(width=_LABEL_COLUMNS, style="dim")
    for _ in segments:
        table.add_column(width=_SEGMENT_COLUMNS, no_wrap=True)
    table.add_row("segment", *(Text(str(segment.segment), style="dim") for segment in segments))
    table.add_row("cluster", *(_cluster(segment) for segment in segments))
    table.add_row("novelty", *(_novelty(segment) for segment in segments))
    table.add_row("verdict", *(Text(*_MARKS[segment.state]) for segment in segments))
    return table


def _cluster(segment: SegmentStatus) -> Text:
    return Text("–", style="dim") if segment.cluster is None else Text(str(segment.cluster), style="bold")


def _novelty(segment: SegmentStatus) -> Text:
    if segment.novelty is None:
        return Text("–", style="dim")
    return Text(f"{segment.novelty:.2f}", style=_MARKS[segment.state][1])


def _remarks(band: BandStatus) -> list[RenderableType]:
    strange = [segment for segment in band.segments if segment.state in ("novel", "deviating")]
    strange.sort(key=lambda segment: -(segment.score or 0.0))
    lines: list[RenderableType] = [_drift(band)] if band.drift_ratio is not None else []
    for segment in strange[:MOST_REMARKS]:
        mark, style = _MARKS[segment.state]
        said = Text.assemble(
            (f"{mark} segment {segment.segment} {segment.state}", style),
            f"  {wording.frequency_range(segment.low_hz, segment.high_hz)}",
        )
        lines.append(_line("", said))
        if segment.reasons:
            lines.append(_line("", Text(f"  {segment.reasons[0]}", style="dim")))
    if len(strange) > MOST_REMARKS:
        lines.append(_line("", Text(f"and {len(strange) - MOST_REMARKS} more", style="dim")))
    return lines


def _drift(band: BandStatus) -> RenderableType:
    said = Text("" if band.drift_ratio is None else f"{band.drift_ratio:.0%} of the last hours")
    if band.drifting:
        said.append("   the band has changed: fit its model anew", style="bold yellow")
    return _line("drift", said)


def _forecast(forecast: ForecastStatus | None) -> Text:
    if forecast is None:
        return Text("none yet: it needs 24 steps of history", style="dim")
    last = len(forecast.mean_db)
    said = Text.assemble(f"in {wording.span(forecast.step_s)} ", (wording.level(forecast.mean_db[0]), "bold"))
    if forecast.low_db[0] is not None and forecast.high_db[0] is not None:
        interval = f" ({wording.level(forecast.low_db[0])} to {wording.level(forecast.high_db[0])})"
        said.append(interval, style="dim")
    said.append(f"   in {wording.span(last * forecast.step_s)} ")
    said.append(wording.level(forecast.mean_db[-1]), style="bold")
    said.append(f"   by {forecast.model}", style="dim")
    return said


def _losses(band: BandStatus) -> Text:
    rows = sum(loss.rows for loss in band.losses)
    samples = sum(loss.samples for loss in band.losses)
    windows = sum(loss.windows for loss in band.losses)
    gaps = sum(loss.gaps for loss in band.losses)
    if not band.losses:
        return Text("nothing", style="green")
    parts = [(rows, "rows"), (samples, "samples"), (windows, "windows")]
    lost = [f"{wording.count(number)} {what}" for number, what in parts if number]
    why = ", ".join(f"{loss.reason} {loss.gaps}" if loss.gaps else loss.reason for loss in band.losses)
    said = Text(", ".join(lost) or "no row known", style="yellow" if rows or samples else "")
    return said.append(f"   in {wording.count(gaps)} gaps ({why})" if gaps else f"   ({why})", style="dim")


def _line(label: str, said: Text) -> RenderableType:
    line = Table.grid()
    line.add_column(width=_LABEL_COLUMNS, style="dim")
    line.add_column()
    line.add_row(label, said)
    return line
