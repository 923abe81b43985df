"""Between a band's route and the sinks: what people call normal is given out as normal."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ..pipeline.frames import Assignment, LevelledRow, PsdFrame, Verdict
from ..pipeline.windows import WINDOW_BINS, segment_starts
from . import wording
from .outputs import Fitted, Named, Output, Unfitted
from .words import Words
from .words_book import ClusterMute, RangeMute, in_words

RECENT_WINDOWS = 40
MUTED_FROM = 0.75
MUTED_UNTIL = 0.5
COVERED_FROM = 0.5

_BAD_STATES = ("novel", "deviating")


@dataclass(slots=True)
class _Segment:
    truth: Verdict | None = None
    given: Verdict | None = None
    clusters: deque[int] = field(default_factory=lambda: deque(maxlen=RECENT_WINDOWS))
    muted_by_clusters: bool = False


class Muting:
    """Outputs of one band's route in, the same out, but what is muted is `normal`, with the reason first.

    A segment that is novel or deviating is muted where muted ranges cover at least half of its width
    together: no narrower one may silence what else happens in it. Or where at least three in four of its
    last 40 windows are of muted clusters, until fewer than half are: should something else come to be heard
    there, the true verdict is given out although the route has nothing new to say. What the route knows is
    left as it is.

    After a start a bad verdict waits for what it is to be judged by: the first row, and where clusters are
    muted the segment's first window. `told` hears of ranges that mute nothing.
    """

    def __init__(self, node: str, band: str, words: Words, told: Callable[[str], None]) -> None:
        self._node = node
        self._band = band
        self._words = words
        self._told = told
        self._axis: tuple[float, float, int] | None = None
        self._segments_hz: list[tuple[float, float]] = []
        self._segments: dict[int, _Segment] = {}
        self._model: str | None = None
        self._names: dict[int, str] = {}
        self._end_ns: int | None = None
        self._told_of: set[RangeMute] = set()
        self._covering_ranges: dict[int, list[RangeMute]] = {}

    def take(self, outputs: Sequence[Output]) -> list[Output]:
        """What is to be given to the sinks instead of these."""
        given: list[Output] = []
        heard: list[int] = []
        for output in outputs:
            if isinstance(output, Verdict):
                given += self._judged(output)
                continue
            given.append(output)
            match output:
                case LevelledRow():
                    given += self._row(output.frame)
                case Assignment():
                    given += self._assigned(output)
                    heard.append(output.segment)
                case Fitted():
                    given += self._fitted(output)
                case Unfitted():
                    self._model = None
                    self._segments.clear()
                    given += self._named()
                case _:
                    pass
        for segment in heard:
            given += self._given_anew(segment, only_states=True)
        return given

    def words_changed(self) -> list[Output]:
        """Words hold that did not, or no longer do: the names and verdicts that are others now."""
        self._covering_ranges.clear()
        outputs = self._named()
        for segment in sorted(self._segments):
            outputs += self._given_anew(segment)
        self._tell_of_narrow_ranges()
        return outputs

    def _row(self, frame: PsdFrame) -> list[Output]:
        self._end_ns = frame.end_ns
        axis = (frame.first_hz, frame.bin_hz, frame.bins)
        if axis == self._axis:
            return []
        first, self._axis = self._axis is None, axis
        last = min(frame.bins, WINDOW_BINS) - 1
        self._segments_hz = [
            (frame.first_hz + start * frame.bin_hz, frame.first_hz + (start + last) * frame.bin_hz)
            for start in segment_starts(frame.bins).tolist()
        ]
        self._told_of.clear()
        self._covering_ranges.clear()
        self._tell_of_narrow_ranges()
        if not first:
            self._segments.clear()
        return [output for segment in sorted(self._segments) for output in self._given_anew(segment)]

    def _assigned(self, assignment: Assignment) -> list[Output]:
        if assignment.cluster is None:
            self._model = None
            return []
        self._segment(assignment.segment).clusters.append(assignment.cluster)
        self._use(assignment.model, None)
        return self._named()

    def _fitted(self, fitted: Fitted) -> list[Output]:
        """A model that was fitted where there was one already has kept the numbers of its clusters."""
        if not fitted.windows and fitted.model != self._model:
            # Another was loaded: what was said before was said of other rows.
            self._segments.clear()
        self._use(fitted.model, self._model if fitted.windows else None)
        return self._named(again=True)

    def _use(self, model: str, after: str | None) -> None:
        if model != self._model:
            self._model = model
            self._words.use_model(self._node, self._band, model, after=after)

    def _named(self, *, again: bool = False) -> list[Output]:
        """The names that clusters go by, where they are others than before; or `again`, if there are any."""
        names = self._words.names(self._node, self._band) if self._model is not None else {}
        if names == self._names and not (again and names):
            return []
        self._names = names
        return [Named(self._node, self._band, tuple(names.items()))]

    def _judged(self, verdict: Verdict) -> list[Output]:
        segment = self._segment(verdict.segment)
        segment.truth = verdict
        shown = self._shown(segment)
        segment.given = shown
        return [] if shown is None else [shown]

    def _given_anew(self, number: int, *, only_states: bool = False) -> list[Output]:
        """The verdict on a segment, dated by the newest row, where it is another than was given."""
        segment = self._segment(number)
        shown, given = self._shown(segment), segment.given
        if shown is None or shown == given:
            return []
        if only_states and given is not None and shown.state == given.state:
            return []
        segment.given = shown
        if given is None or self._end_ns is None:
            return [shown]
        return [replace(shown, time_ns=max(shown.time_ns, self._end_ns))]

    def _shown(self, segment: _Segment) -> Verdict | None:
        """What is said of a segment; None while that cannot be known."""
        truth = segment.truth
        if truth is None or self._axis is None:
            return None
        if truth.state not in _BAD_STATES:
            return truth
        ranges = self._covering(truth.segment)
        if ranges:
            why = "; ".join(in_words(each) for each in ranges)
        else:
            muted = self._words.muted_clusters(self._node, self._band)
            if muted and not segment.clusters:
                return None
            clusters = self._mostly_muted(segment, muted)
            if not clusters:
                return truth
            why = "; ".join(self._in_words(each) for each in clusters)
        return replace(
            truth,
            state="normal",
            reasons=(f"muted: {why}", *(f"{truth.state}: {each}" for each in truth.reasons)),
        )

    def _covering(self, segment: int) -> list[RangeMute]:
        if segment not in self._covering_ranges:
            self._covering_ranges[segment] = self._find_covering(segment)
        return self._covering_ranges[segment]

    def _find_covering(self, segment: int) -> list[RangeMute]:
        """The muted ranges that reach into a segment, if together they cover enough of it."""
        if segment >= len(self._segments_hz):
            return []
        low_hz, high_hz = self._segments_hz[segment]
        ranges = [
            each
            for each in self._words.muted_ranges(self._node, self._band)
            if each.low_hz <= high_hz and each.high_hz >= low_hz
        ]
        covered_hz, end_hz = 0.0, low_hz
        for each in sorted(ranges, key=lambda each: each.low_hz):
            covered_hz += max(0.0, min(each.high_hz, high_hz) - max(each.low_hz, end_hz))
            end_hz = max(end_hz, each.high_hz)
        return ranges if ranges and covered_hz >= COVERED_FROM * (high_hz - low_hz) else []

    def _mostly_muted(self, segment: _Segment, muted: dict[int, ClusterMute]) -> list[ClusterMute]:
        """The mutes of the clusters that a segment's windows are of, if enough of them are."""
        windows = list(segment.clusters)
        share = sum(cluster in muted for cluster in windows) / len(windows) if windows else 0.0
        segment.muted_by_clusters = share >= (MUTED_UNTIL if segment.muted_by_clusters else MUTED_FROM)
        return (
            [muted[each] for each in sorted(set(windows)) if each in muted]
            if segment.muted_by_clusters
            else []
        )

    def _in_words(self, mute: ClusterMute) -> str:
        name = self._words.name(self._node, self._band, mute.cluster)
        return in_words(mute) if name is None else f"{name}, {in_words(mute)}"

    def _tell_of_narrow_ranges(self) -> None:
        """Say once of a range in this band that it covers too little of every segment."""
        if not self._segments_hz:
            return
        segment_hz = self._segments_hz[0][1] - self._segments_hz[0][0]
        useful = {each for number in range(len(self._segments_hz)) for each in self._covering(number)}
        for each in self._words.muted_ranges(self._node, self._band):
            if each not in useful and each not in self._told_of:
                self._told_of.add(each)
                self._told(
                    f"{self._node}/{self._band}: the mute of {in_words(each)} mutes nothing: it covers less "
                    f"than half of every segment ({segment_hz:g} Hz each, "
                    f"{wording.frequency_range(*self._ends())}); to keep a narrow range out of everything "
                    "use the band's mask.ranges_hz"
                )

    def _ends(self) -> tuple[float, float]:
        return self._segments_hz[0][0], self._segments_hz[-1][1]

    def _segment(self, number: int) -> _Segment:
        return self._segments.setdefault(number, _Segment())
