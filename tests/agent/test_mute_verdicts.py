"""What people call normal is given out as normal, and nothing else is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bandwatch.agent.labels import Labels
from bandwatch.agent.muting import Muting
from bandwatch.agent.outputs import Fitted, Named, Unfitted
from bandwatch.agent.route import BandRoute
from bandwatch.agent.words import Words
from bandwatch.agent.words_book import ClusterMute, ClusterName, RangeMute, utc
from bandwatch.agent.words_file import edit_book, words_path
from bandwatch.models.manifest import Manifest
from bandwatch.pipeline.continuity import Continuity
from bandwatch.pipeline.frames import Assignment, LevelledRow, Verdict
from bandwatch.pipeline.histories import Histories
from bandwatch.pipeline.masks import Mask
from bandwatch.pipeline.steps import Steps
from bandwatch.pipeline.windows import Windower
from bandwatch.tests.every_output import START_NS, assignment, row, verdict
from bandwatch.tests.jig import rows

# The row of `every_output`: 1024 bins of 187.5 Hz around 868.3 MHz; eight segments of 127 x 187.5 Hz.
FIRST_HZ = 868.3e6 - 1023 / 2 * 187.5
MODEL = Fitted("node", "band", 0, 12, "band-model")


class Scene:
    """A band's Muting over a words file that is edited by others."""

    def __init__(self, folder: Path) -> None:
        self.path = words_path(folder)
        self.now_seconds = 0.0
        self.utc_ns = START_NS
        self.said: list[str] = []
        self.open(folder)

    def open(self, folder: Path) -> None:
        """As after a start of the agent."""
        self.words = Words(
            folder,
            "bundle",
            self.said.append,
            utc_ns=lambda: self.utc_ns,
            monotonic_seconds=lambda: self.now_seconds,
        )
        self.muting = Muting("node", "band", self.words, self.said.append)

    def write(self, **words) -> None:
        """The file says this and no more, and a second passes."""
        empty = {"names": (), "ranges": (), "clusters": ()}
        edit_book(self.path, lambda book: replace(book, **empty | words))
        self.now_seconds += 1

    def look(self) -> list:
        return self.muting.words_changed() if self.words.look() else []

    def take(self, *outputs) -> list:
        return self.muting.take(outputs)


@pytest.fixture
def scene(tmp_path) -> Scene:
    return Scene(tmp_path)


def range_mute(first_bin: float, last_bin: float, **facts) -> RangeMute:
    """A mute from one bin's centre to another's."""
    low_hz, high_hz = FIRST_HZ + first_bin * 187.5, FIRST_HZ + last_bin * 187.5
    return RangeMute(band="band", low_hz=low_hz, high_hz=high_hz, **facts)


def cluster_mute(cluster: int, **facts) -> ClusterMute:
    return ClusterMute(bundle="bundle", node="node", band="band", cluster=cluster, **facts)


def states(outputs: list) -> list[tuple[int, str]]:
    return [(each.segment, each.state) for each in outputs if isinstance(each, Verdict)]


def windows(segment: int, *clusters: int) -> list:
    return [assignment(segment, cluster) for cluster in clusters]


class Means:
    """A bundle without a network: the features of a window are its columns' means in 16 groups."""

    name = "means"
    manifest = Manifest(width=2, parts={})

    def embed(self, values):
        return values.reshape(len(values), 128, 16, 8).mean(axis=(1, 3), dtype=np.float32)

    def band_model(self, node: str, band: str) -> None:
        return None

    def cnn_lstm(self, node: str, band: str) -> None:
        return None


def test_a_whole_route_passes_as_it_came_where_nothing_is_said(scene):
    labels = Labels(
        "node",
        "band",
        Means(),  # pyright: ignore[reportArgumentType]
        stride_rows=16,
        warm_up_windows=24,
        seed=0,
        timed=lambda stage, seconds: None,
        told=print,
    )
    route = BandRoute(
        labels,
        continuity=Continuity(),
        mask=Mask(),
        windower=Windower(16),
        steps=Steps(60),
        histories=Histories(),
    )
    outputs = [route.push(item) for item in rows(600, bins=140, seed=4)]
    assert {type(each) for moment in outputs for each in moment} >= {Fitted, Assignment, Verdict, LevelledRow}
    for moment in outputs:
        given = scene.take(*moment)
        assert len(given) == len(moment)
        assert all(ours is theirs for ours, theirs in zip(given, moment, strict=True))


class TestRange:
    def test_without_words_everything_passes_as_it_came(self, scene):
        verdicts = [verdict(2, "novel"), verdict(3, "normal"), verdict(2, "deviating")]
        outputs = [row(), *windows(2, 3, 4), *verdicts]
        assert scene.take(*outputs) == outputs

    @pytest.mark.parametrize("state", ["novel", "deviating"])
    def test_a_bad_segment_inside_is_normal_and_says_why(self, scene, state):
        scene.write(ranges=(range_mute(0, 255, why="meter"),))
        scene.look()
        given = scene.take(row(), verdict(1, state), verdict(2, state))
        assert states(given) == [(1, "normal"), (2, state)]
        muted = given[1]
        assert muted.reasons[0].startswith("muted: 868.20")
        assert muted.reasons[0].endswith("(meter)")
        assert muted.reasons[1:] == (f"{state}: one reason", f"{state}: another")
        assert (muted.score, muted.time_ns) == (0.99, START_NS)

    @pytest.mark.parametrize(("last_bin", "state"), [(256 + 63, "novel"), (256 + 64, "normal")])
    def test_half_of_a_segment_is_enough_and_less_is_not(self, scene, last_bin, state):
        # Segment 2 reaches from bin 256 to 383: 127 bin widths, of which 63.5 are half.
        scene.write(ranges=(range_mute(0, last_bin),))
        scene.look()
        assert states(scene.take(row(), verdict(2, "novel"))) == [(2, state)]

    def test_ranges_are_counted_together_and_overlaps_once(self, scene):
        scene.write(ranges=(range_mute(256, 288), range_mute(270, 300), range_mute(256, 290)))
        scene.look()
        assert states(scene.take(row(), verdict(2, "novel"))) == [(2, "novel")]
        scene.write(ranges=(range_mute(256, 288), range_mute(340, 380)))
        assert states(scene.look()) == [(2, "normal")]

    def test_warming_up_and_normal_are_left_alone(self, scene):
        scene.write(ranges=(range_mute(0, 1023),))
        scene.look()
        for state in ("warming_up", "normal"):
            given = verdict(2, state)
            assert scene.take(row(), given)[-1] is given

    def test_a_mute_of_another_band_or_node_is_none_of_this_ones(self, scene):
        other = range_mute(0, 1023)
        scene.write(ranges=(RangeMute(band="other", low_hz=other.low_hz, high_hz=other.high_hz),))
        scene.look()
        assert states(scene.take(row(), verdict(2, "novel"))) == [(2, "novel")]
        scene.write(ranges=(range_mute(0, 1023, node="elsewhere"),))
        assert scene.look() == []
        scene.write(ranges=(range_mute(0, 1023, node="node"),))
        assert states(scene.look()) == [(2, "normal")]

    def test_muting_and_unmuting_give_out_what_stands_with_the_newest_rows_time(self, scene):
        scene.take(row(0), verdict(2, "novel"), verdict(3, "normal"), row(9))
        scene.write(ranges=(range_mute(0, 1023),))
        muted = scene.look()
        assert states(muted) == [(2, "normal")]
        assert muted[0].time_ns == row(9).frame.end_ns
        scene.take(verdict(2, "deviating"))
        scene.write()
        again = scene.look()
        assert states(again) == [(2, "deviating")]
        assert again[0].reasons == ("one reason", "another")
        assert scene.look() == []

    def test_a_mute_ends_by_itself_at_its_time(self, scene):
        scene.write(ranges=(range_mute(0, 1023, until=utc(START_NS + 60_000_000_000)),))
        scene.look()
        assert states(scene.take(row(), verdict(2, "novel"))) == [(2, "normal")]
        scene.now_seconds += 59
        scene.utc_ns += 59_000_000_000
        assert scene.look() == []
        scene.now_seconds += 1
        scene.utc_ns += 1_000_000_000
        assert states(scene.look()) == [(2, "novel")]

    def test_after_a_retune_segments_are_where_they_are_now(self, scene):
        scene.write(ranges=(range_mute(0, 1023),))
        scene.look()
        assert states(scene.take(row(), verdict(2, "novel"))) == [(2, "normal")]
        moved = row(1, center_hz=433.92e6)
        assert states(scene.take(moved, verdict(2, "novel"))) == [(2, "novel")]
        scene.write()
        assert scene.look() == [], "what was said of the old frequencies is forgotten"

    def test_a_band_narrower_than_a_segment_is_one(self, scene):
        scene.write(ranges=(RangeMute(band="band", low_hz=868.29e6, high_hz=868.31e6),))
        scene.look()
        assert states(scene.take(row(bins=64), verdict(0, "novel"))) == [(0, "normal")]

    def test_a_range_too_narrow_for_any_segment_mutes_nothing_and_that_is_said_once(self, scene):
        scene.write(ranges=(range_mute(256, 260), range_mute(512, 640)))
        scene.look()
        scene.take(row(), row(1))
        given = scene.take(verdict(2, "novel"))
        assert states(given) == [(2, "novel")]
        assert len(scene.said) == 1
        assert "mutes nothing: it covers less than half of every segment (23812.5 Hz each" in scene.said[0]
        assert "mask.ranges_hz" in scene.said[0]


class TestCluster:
    def test_a_bad_segment_of_a_muted_cluster_is_normal(self, scene):
        scene.write(clusters=(cluster_mute(3, why="the meter"),), names=(name(3, "LoRa"),))
        scene.look()
        of_3 = [*windows(2, 3, 3), verdict(2, "novel")]
        of_5 = [*windows(4, 5), verdict(4, "novel")]
        given = scene.take(MODEL, row(), *of_3, *of_5)
        assert states(given) == [(2, "normal"), (4, "novel")]
        muted = next(each for each in given if isinstance(each, Verdict))
        assert muted.reasons[0] == "muted: LoRa, cluster 3 (the meter)"

    def test_what_else_comes_to_be_heard_there_is_told_though_the_judge_has_nothing_new(self, scene):
        scene.write(clusters=(cluster_mute(3),))
        scene.look()
        scene.take(MODEL, row(), *windows(2, *[3] * 40), verdict(2, "novel"))
        told = [states(scene.take(assignment(2, 7))) for _ in range(40)]
        # Muted until fewer than half of the last 40 windows are of the muted cluster: 19, after 21 others.
        assert [number for number, each in enumerate(told, start=1) if each] == [21]
        assert told[20] == [(2, "novel")]
        back = [states(scene.take(assignment(2, 3))) for _ in range(40)]
        # And again from three in four on: 30.
        assert [number for number, each in enumerate(back, start=1) if each] == [30]
        assert back[29] == [(2, "normal")]

    def test_one_odd_window_in_between_changes_nothing(self, scene):
        scene.write(clusters=(cluster_mute(3),))
        scene.look()
        scene.take(MODEL, row(), *windows(2, *[3] * 10), verdict(2, "novel"))
        assert not any(states(scene.take(assignment(2, cluster))) for cluster in (7, 3, 3, 8, 3, 3))

    def test_a_mute_of_another_models_cluster_rests(self, scene):
        scene.write(clusters=(cluster_mute(3, model="older"),))
        scene.look()
        assert states(scene.take(MODEL, row(), *windows(2, 3), verdict(2, "novel"))) == [(2, "novel")]


class TestStart:
    def test_verdicts_before_the_first_row_wait_for_it_and_are_judged_then(self, scene):
        scene.write(ranges=(range_mute(256, 383),))
        scene.look()
        assert states(scene.take(MODEL, verdict(2, "novel"), verdict(3, "novel"), verdict(4, "normal"))) == []
        assert states(scene.take(row())) == [(2, "normal"), (3, "novel"), (4, "normal")]

    def test_where_clusters_are_muted_a_bad_verdict_waits_for_the_segments_first_window(self, scene):
        scene.write(clusters=(cluster_mute(3),))
        scene.look()
        assert states(scene.take(row(), MODEL, verdict(2, "novel"), verdict(4, "normal"))) == [(4, "normal")]
        assert states(scene.take(row(1), assignment(2, 3, 0.99))) == [(2, "normal")]

    def test_a_restart_finds_the_words_of_before(self, scene, tmp_path):
        scene.take(MODEL, row())
        scene.now_seconds += 1
        scene.look()
        edit_book(
            scene.path,
            lambda book: replace(
                book,
                names=(name(3, "LoRa", model=book.newest_model(("bundle", "node", "band"))),),
                ranges=(range_mute(256, 383),),
            ),
        )
        scene.open(tmp_path)
        given = scene.take(MODEL, row(), verdict(2, "novel"))
        assert states(given) == [(2, "normal")]
        assert Named("node", "band", ((3, "LoRa"),)) in given


class TestNames:
    def test_names_are_given_out_when_they_change_and_with_every_model(self, scene):
        scene.write(names=(name(3, "LoRa"), name(1, "meter")))
        scene.look()
        warming_up = [row(), assignment(0, None)]
        assert scene.take(*warming_up) == warming_up
        given = scene.take(MODEL)
        assert given == [MODEL, Named("node", "band", ((1, "meter"), (3, "LoRa")))]
        assert scene.take(*windows(0, 3, 1)) == windows(0, 3, 1)
        assert scene.take(MODEL)[1:] == given[1:], "whoever forgot them with the model hears them again"
        scene.write(names=(name(3, "garage", model="band-model"),))
        assert scene.look() == [Named("node", "band", ((3, "garage"),))]
        scene.write()
        assert scene.look() == [Named("node", "band", ())]

    def test_a_refit_keeps_the_names_and_a_model_that_begins_anew_has_none(self, scene):
        scene.take(row(), Fitted("node", "band", 96, 12, "first"))
        scene.write(names=(name(3, "LoRa", model="first"),))
        assert scene.look() == [Named("node", "band", ((3, "LoRa"),))]
        refitted = scene.take(Fitted("node", "band", 384, 20, "second"))
        assert refitted[1:] == [Named("node", "band", ((3, "LoRa"),))]
        assert scene.take(Unfitted("node", "band"))[1:] == [Named("node", "band", ())]
        assert scene.take(Fitted("node", "band", 96, 12, "anew"))[1:] == []

    def test_a_model_that_comes_back_finds_its_names(self, scene):
        scene.take(row(), Fitted("node", "band", 0, 12, "shipped"))
        scene.write(names=(name(3, "LoRa"),))
        scene.look()
        scene.take(Unfitted("node", "band"))
        scene.take(Fitted("node", "band", 96, 12, "own"))
        assert scene.words.name("node", "band", 3) is None
        scene.take(Unfitted("node", "band"))
        back = scene.take(Fitted("node", "band", 0, 12, "shipped"))
        assert back[1:] == [Named("node", "band", ((3, "LoRa"),))]


def name(cluster: int, text: str, **facts) -> ClusterName:
    return ClusterName(bundle="bundle", node="node", band="band", cluster=cluster, name=text, **facts)
