"""People's words last: over restarts, upgrades, kills, and two who speak at once."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bandwatch.agent.failure import Failure
from bandwatch.agent.mutings import Mutings
from bandwatch.agent.words import Change, Words
from bandwatch.agent.words_book import MOST_ENTRIES, Book, ClusterMute, ClusterName, RangeMute, utc
from bandwatch.agent.words_file import WORDS_FILE, Busy, edit_book, read_book, words_path
from bandwatch.pipeline.errors import BadInput
from bandwatch.tests.every_output import START_NS

PLACE = ("bundle", "node", "band")


def name(cluster: int, text: str, bundle: str = "bundle", **facts) -> ClusterName:
    return ClusterName(bundle=bundle, node="node", band="band", cluster=cluster, name=text, **facts)


def add(path: Path, *words: ClusterName | ClusterMute | RangeMute) -> None:
    def change(book: Book) -> Book:
        kinds = {"names": ClusterName, "ranges": RangeMute, "clusters": ClusterMute}
        more = {key: tuple(each for each in words if isinstance(each, kind)) for key, kind in kinds.items()}
        return replace(book, **{key: getattr(book, key) + new for key, new in more.items()})

    edit_book(path, change)


class Agent:
    """Words as a running agent has them, its clocks moved by hand."""

    def __init__(self, folder: Path, bundle: str = "bundle", model: str | None = "model") -> None:
        self.now_seconds = 0.0
        self.utc_ns = START_NS
        self.said: list[str] = []
        self.words = Words(
            folder,
            bundle,
            self.said.append,
            utc_ns=lambda: self.utc_ns,
            monotonic_seconds=lambda: self.now_seconds,
        )
        if model is not None:
            self.words.use_model("node", "band", model)

    def look(self) -> bool:
        """A second has passed."""
        self.now_seconds += 1.0
        return self.words.look()

    @property
    def names(self) -> dict[int, str]:
        return self.words.names("node", "band")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return words_path(tmp_path)


class TestFile:
    def test_what_was_written_is_read_again(self, path):
        words = (
            name(3, "Gerät: „Tor“ #1 ✓", model="m"),
            RangeMute(
                band="band", low_hz=-1e3, high_hz=868.30000001e6, node="node", until=utc(START_NS + 1000)
            ),
            ClusterMute(bundle="bundle", node="node", band="band", cluster=0, why="yes: no"),
        )
        add(path, *words)
        book = read_book(path)
        assert (*book.names, *book.ranges, *book.clusters) == words

    def test_a_person_may_write_it_by_hand(self, path):
        path.write_text(
            "version: 1\nranges:\n- {band: band, low_hz: 868.1e+6, high_hz: 868300000, "
            "until: 2030-01-01T00:00:00Z}\n"
        )
        (mute,) = read_book(path).ranges
        assert (mute.low_hz, mute.high_hz, mute.node) == (868.1e6, 868.3e6, None)
        assert mute.until is not None and mute.until.year == 2030

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "no `version`; limit: 1"),
            (b"version: 2\nnames: []\n", "version 2; limit: 1"),
            (b"version: 1\nnames: [{cluster: 3\n  x", "not YAML in line 4"),
            (b"version: 1\nname: []\n", "unknown field `name`"),
            (b"version: 1\nranges: [{band: b, low_hz: 2, high_hz: 1}]\n", "ranges[0]: 2 to 1 Hz; limit: low"),
            (b"version: 1\nranges: [{band: b, low_hz: .nan, high_hz: 1}]\n", "ranges[0]: nan to 1 Hz"),
            (b"version: 1\nranges: [{band: b, low_hz: two, high_hz: 1}]\n", "`$.ranges[0].low_hz`"),
            (
                b"version: 1\nnumberings: [{bundle: b, node: n, band: b, models: []}]\n",
                "numberings[0]: no models",
            ),
            (b"version: 1\x00\xff", "not YAML"),
            (
                b"version: 1\nwhy: !!python/object/apply:os.system ['false']",
                "a tag, anchor or alias in line 2",
            ),
            (b"[" * 100_000, "nested 9 deep; limit: 8"),
        ],
    )
    def test_a_damaged_or_foreign_file_is_refused_in_one_line_and_never_replaced(
        self, path, content, message
    ):
        path.write_bytes(content)
        with pytest.raises(BadInput) as refusal:
            read_book(path)
        assert message in str(refusal.value)
        assert str(path) in str(refusal.value)
        assert "\n" not in str(refusal.value)
        with pytest.raises(BadInput):
            add(path, name(1, "one"))
        assert path.read_bytes() == content

    def test_more_words_than_there_is_room_for_are_refused(self, path):
        add(path, *(name(n, "n") for n in range(MOST_ENTRIES)))
        with pytest.raises(BadInput, match=f"{MOST_ENTRIES + 1} names and mutes; limit: {MOST_ENTRIES}"):
            add(path, name(9999, "one more"))

    def test_a_folder_that_cannot_be_made_is_one_line(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(Failure, match="cannot be written"):
            add(tmp_path / "file" / WORDS_FILE, name(1, "one"))

    def test_what_a_killed_writer_left_behind_is_swept_away(self, path):
        left = path.with_name(f".{WORDS_FILE}.1.part")
        left.write_text("half")
        add(path, name(1, "one"))
        assert not left.exists()
        assert sorted(each.name for each in path.parent.iterdir()) == [WORDS_FILE, f"{WORDS_FILE}.lock"]

    def test_whoever_waits_for_another_too_long_is_told(self, path):
        inside, leave = threading.Event(), threading.Event()

        def slow(book: Book) -> Book:
            inside.set()
            assert leave.wait(20)
            return book

        other = threading.Thread(target=edit_book, args=(path, slow))
        other.start()
        assert inside.wait(20)
        with pytest.raises(Busy, match=r"another has been writing it for 0.05 s"):
            edit_book(path, lambda book: book, wait_seconds=0.05)
        leave.set()
        other.join()

    def test_two_at_once_lose_nothing(self, path):
        writers = [_writer(path, first, 25) for first in (0, 100)]
        for each in writers:
            each.communicate(timeout=60)
            assert each.returncode == 0
        assert {each.cluster for each in read_book(path).names} == {*range(25), *range(100, 125)}

    def test_a_kill_at_any_moment_leaves_a_whole_file_and_no_word_that_was_said_to_be_kept_is_lost(
        self, path
    ):
        kept: set[int] = set()
        for attempt in range(4):
            process = _writer(path, 1000 * attempt, 1000)
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(0.05 + 0.037 * attempt)
            process.send_signal(signal.SIGKILL)
            said, _ = process.communicate()
            kept |= {int(line) for line in said.splitlines() if line}
            found = {each.cluster for each in read_book(path).names}
            assert kept <= found
            assert len(found - kept) <= attempt + 1, "at most the one under way each time"
        assert kept


_WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from bandwatch.agent.words_book import ClusterName
from bandwatch.agent.words_file import edit_book
path, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
for n in range(first, first + count):
    word = ClusterName(bundle="bundle", node="node", band="band", cluster=n, name="n" * 60)
    edit_book(path, lambda book: replace(book, names=(*book.names, word)))
    print(n, flush=True)
"""


def _writer(path: Path, first: int, count: int) -> "subprocess.Popen[str]":
    """A process that names so many clusters one by one and says so of each that is kept."""
    command = [sys.executable, "-c", _WRITER, str(path), str(first), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


class TestRunning:
    def test_a_word_acts_within_a_second_and_the_file_is_looked_at_no_oftener(self, tmp_path, path):
        agent = Agent(tmp_path)
        assert not agent.look()
        add(path, name(3, "LoRa"))
        agent.now_seconds += 0.5
        assert not agent.words.look()
        agent.now_seconds += 0.5
        assert agent.words.look()
        assert agent.words.name("node", "band", 3) == "LoRa"
        assert agent.words.name("node", "band", 4) is None
        assert agent.words.name("node", "other", 3) is None
        assert not agent.look()

    def test_a_damaged_file_is_told_of_once_and_the_known_words_stay(self, tmp_path, path):
        add(path, name(3, "LoRa"))
        agent = Agent(tmp_path)
        path.write_text("version: 1\nnames: [")
        assert not agent.look()
        assert not agent.look()
        assert len(agent.said) == 1
        assert agent.said[0].startswith(f"{path}: damaged: not YAML")
        assert agent.said[0].endswith("the words known so far stay")
        assert agent.names == {3: "LoRa"}
        agent.words.use_model("node", "band", "next", after="model")
        agent.look()
        assert path.read_text() == "version: 1\nnames: [", "a file that cannot be read is not ours to replace"
        path.unlink()
        add(path, name(4, "meter"))
        assert agent.look()
        assert agent.names == {4: "meter"}

    def test_a_file_of_another_version_is_left_alone(self, tmp_path, path):
        path.write_text("version: 9\nwords: {}\n")
        agent = Agent(tmp_path)
        assert "version 9; limit: 1" in agent.said[0]
        assert not agent.look()
        assert path.read_text() == "version: 9\nwords: {}\n"

    def test_a_removed_file_takes_its_words_with_it(self, tmp_path, path):
        add(path, RangeMute(band="band", low_hz=1, high_hz=2))
        agent = Agent(tmp_path)
        assert agent.words.muted_ranges("node", "band")
        path.unlink()
        assert agent.look()
        assert agent.words.muted_ranges("node", "band") == []

    def test_on_a_disk_that_cannot_be_written_words_still_act_and_it_is_said_once(
        self, tmp_path, path, monkeypatch
    ):
        add(path, name(3, "LoRa"))

        def refuse(*_: object, **__: object) -> None:
            raise OSError(30, "Read-only file system")

        monkeypatch.setattr("bandwatch.agent.words_file.durable_file", refuse)
        agent = Agent(tmp_path)
        for _ in range(200):
            agent.look()
        assert agent.names == {3: "LoRa"}
        (said,) = agent.said
        assert said.startswith(f"{path}: cannot be written: Read-only file system; ")
        assert said.endswith("not tied to the model in use")

    def test_while_another_writes_the_agent_does_not_wait(self, tmp_path, path):
        add(path, name(3, "LoRa"))
        agent = Agent(tmp_path)
        agent.words.look()

        def meanwhile(book: Book) -> Book:
            agent.words.use_model("node", "band", "second", after="model")
            begun = time.monotonic()
            agent.look()
            assert time.monotonic() - begun < 1.0
            return book

        edit_book(path, meanwhile)
        assert agent.said == []
        agent.look()
        assert read_book(path).newest_model(PLACE) == "second"


class TestModels:
    def test_a_name_given_before_any_model_is_the_first_ones(self, tmp_path, path):
        add(path, name(3, "LoRa"))
        agent = Agent(tmp_path, model=None)
        agent.look()
        assert agent.names == {}
        agent.words.use_model("node", "band", "first")
        assert agent.names == {3: "LoRa"}
        agent.look()
        assert [each.model for each in read_book(path).names] == ["first"]

    def test_names_go_with_the_refits_and_not_with_a_model_fitted_anew(self, tmp_path, path):
        add(path, name(3, "LoRa"))
        agent = Agent(tmp_path, model="a-96")
        agent.words.use_model("node", "band", "a-384", after="a-96")
        agent.words.use_model("node", "band", "a-1536", after="a-384")
        agent.look()
        assert agent.names == {3: "LoRa"}
        for model, names in (
            ("a-1536", {3: "LoRa"}),
            ("a-384", {3: "LoRa"}),
            ("b-96", {}),
            ("a-1536", {3: "LoRa"}),
        ):
            again = Agent(tmp_path, model=model)
            again.look()
            assert again.names == names, model

    def test_a_kill_before_the_refit_is_noted_loses_no_name(self, tmp_path, path):
        # The journal is sent down the route again: the same models come out, one after the other.
        add(path, name(3, "LoRa"))
        agent = Agent(tmp_path, model="a-96")
        agent.look()
        again = Agent(tmp_path, model="a-96")
        again.words.use_model("node", "band", "a-384", after="a-96")
        assert again.names == {3: "LoRa"}

    def test_forty_refits_leave_the_file_small_and_the_name_in_place(self, tmp_path, path):
        add(path, name(3, "LoRa"))
        agent = Agent(tmp_path, model="m0")
        for n in range(40):
            agent.words.use_model("node", "band", f"m{n + 1}", after=f"m{n}")
            agent.look()
        assert agent.names == {3: "LoRa"}
        assert Agent(tmp_path, model="m40").names == {3: "LoRa"}
        assert path.stat().st_size < 2000

    def test_forty_models_fitted_anew_leave_no_trace_without_words(self, tmp_path, path):
        for n in range(40):
            Agent(tmp_path, model=f"m{n}").look()
        assert len(read_book(path).numberings) == 1

    def test_another_bundle_keeps_range_mutes_and_the_names_of_the_old_one_for_its_return(
        self, tmp_path, path
    ):
        add(
            path,
            name(3, "LoRa"),
            ClusterMute(bundle="bundle", node="node", band="band", cluster=5),
            RangeMute(band="band", low_hz=1, high_hz=2),
        )
        Agent(tmp_path).look()
        upgraded = Agent(tmp_path, bundle="newer", model="newer-model")
        upgraded.look()
        assert upgraded.names == {}
        assert upgraded.words.muted_clusters("node", "band") == {}
        assert len(upgraded.words.muted_ranges("node", "band")) == 1
        add(path, name(3, "garage", bundle="newer", model="newer-model"))
        upgraded.look()
        assert upgraded.names == {3: "garage"}
        back = Agent(tmp_path)
        assert back.names == {3: "LoRa"}
        assert list(back.words.muted_clusters("node", "band")) == [5]
        back.words.use_bundle("newer")
        assert back.names == {}
        back.words.use_model("node", "band", "newer-model")
        assert back.names == {3: "garage"}


class TestEvents:
    @staticmethod
    def told(agent: Agent) -> list[tuple[str, dict]]:
        changes = agent.words.changes()
        assert all(isinstance(each, Change) and json.dumps(each.facts) for each in changes)
        return [(each.kind, each.facts) for each in changes]

    def test_what_people_say_and_take_back_is_told(self, tmp_path, path):
        agent = Agent(tmp_path)
        assert self.told(agent) == []
        until = utc(START_NS + 5_000_000_000)
        add(path, name(3, "LoRa"), RangeMute(band="band", low_hz=1e6, high_hz=2e6, why="meter", until=until))
        agent.look()
        mute = {"low_hz": 1e6, "high_hz": 2e6, "until": until.isoformat(), "why": "meter"}
        assert self.told(agent) == [("named", {"cluster": 3, "name": "LoRa"}), ("muted", mute)]
        agent.words.use_model("node", "band", "next", after="model")
        agent.look()
        assert self.told(agent) == []
        edit_book(path, lambda book: replace(book, names=(name(3, "garage"),)))
        agent.look()
        assert self.told(agent) == [("named", {"cluster": 3, "name": "garage"})]
        agent.utc_ns += 5_000_000_000
        edit_book(path, lambda book: replace(book, names=()))
        agent.look()
        assert self.told(agent) == [
            ("unnamed", {"cluster": 3, "name": "garage"}),
            ("unmuted", {**mute, "reason": "expired"}),
        ]

    def test_a_start_tells_how_many_words_there_are(self, tmp_path, path):
        add(path, name(3, "LoRa"), RangeMute(band="band", low_hz=1e6, high_hz=2e6))
        assert self.told(Agent(tmp_path)) == [("words", {"names": 1, "mutes": 1})]

    def test_they_reach_the_agents_notes_with_their_band(self, tmp_path, path):
        agent, noted = Agent(tmp_path), []
        mutings = Mutings(agent.words, agent.said.append, lambda *at, **facts: noted.append((at, facts)))
        assert mutings.turn() == []
        add(path, name(3, "LoRa"))
        agent.now_seconds += 1
        mutings.turn()
        assert noted == [(("named", "node", "band"), {"cluster": 3, "name": "LoRa"})]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_words_of_a_root_with_a_tight_mask_can_be_read_and_locked_by_the_agents_user(tmp_path):
    tmp_path.chmod(0o777)
    mask = os.umask(0o077)
    try:
        add(words_path(tmp_path), name(3, "LoRa"))
    finally:
        os.umask(mask)
    assert words_path(tmp_path).stat().st_mode & 0o044 == 0o044
    assert words_path(tmp_path).with_name(f"{WORDS_FILE}.lock").stat().st_mode & 0o044 == 0o044
