"""A restarted agent goes on as if it had never stopped, over the same rows."""

import shutil
import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch

from bandwatch.agent.core import Core
from bandwatch.agent.directory_lock import DirectoryLock
from bandwatch.agent.failure import Failure
from bandwatch.agent.intake import Arrival, DirectIntake
from bandwatch.agent.long_start import LongStart, Stopped
from bandwatch.agent.loop import Loop
from bandwatch.agent.memory import Memory
from bandwatch.agent.outputs import Output
from bandwatch.agent.past import Past
from bandwatch.agent.recovery import recover
from bandwatch.agent.routes import Routes
from bandwatch.agent.state import StateFolder
from bandwatch.agent.watchdog import Notifier
from bandwatch.config.schema import Logging, Settings
from bandwatch.models.bundle import Bundle, write_bundle
from bandwatch.models.encoder import Encoder, EncoderConfig, weights_of
from bandwatch.pipeline.frames import Assignment, Forecast, Gap, LevelledRow, PsdFrame, Verdict
from bandwatch.pipeline.wire import Heartbeat
from bandwatch.tests.jig import rows, same

COUNT = 700


@pytest.fixture(scope="module")
def bundles(tmp_path_factory) -> list[Bundle]:
    made = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        path = tmp_path_factory.mktemp("bundle") / "tiny"
        write_bundle(path, weights_of(Encoder(EncoderConfig(4)).eval()), 4)
        made.append(Bundle.load(path, device="cpu"))
    return made


def settings_in(folder: Path, **band: object) -> Settings:
    return Settings.model_validate(
        {
            "node": {"name": "node"},
            "bands": [
                {
                    "name": "band",
                    "source": {"kind": "stream", "endpoint": "tcp://127.0.0.1:1"},
                    "history": {"step_seconds": 4},
                    **band,
                }
            ],
            "models": {"warm_up_windows": 24},
            "store": {"directory": str(folder), "keep_free_bytes": 0},
            "logging": {"level": "error"},
        }
    )


def arrivals() -> list[Arrival]:
    """Rows of two segments and what befalls them: losses told early and late, NaN, a hole, a restart."""
    frames = rows(COUNT, bins=200, seed=3)
    broken = frames[310].power_db.copy()
    broken[7] = np.nan
    items: list[Arrival] = []
    for number, frame in enumerate(frames):
        if number in (290, 291, 292):  # lost, and announced by a heartbeat before the next row
            if number == 292:
                items.append(Heartbeat("node", "band", frame.stream, frame.seq, False, "psd"))
            continue
        if number == 340:  # lost, and seen by the next row
            continue
        if number == 310:
            frame = replace(frame, power_db=broken)
        if number == 400:
            items.append(Gap("node", "band", frame.seq - 1, None, 4096, "source", frame.time_ns))
        if number >= 450:  # another publisher
            frame = replace(frame, stream=99, seq=frame.seq - 450)
        items.append(frame)
    return items


class Collected:
    """A sink that keeps what came after a restart, without what merely still stands."""

    def __init__(self) -> None:
        self.outputs: list[Output] = []

    def take(self, item: Output) -> None:
        self.outputs.append(item)


def lived(
    settings: Settings, bundle: Bundle, items: Sequence[Arrival], *, keep_at: int | None = None, killed: bool
) -> list[Output]:
    """One life of an agent over some items; killed, it leaves no last state."""
    with Core(settings, serve=False, show=False) as core:
        core.sinks.append(collected := Collected())
        memory = Memory(settings, bundle.name, core.telemetry).__enter__()
        routes = Routes(settings, bundle, core.telemetry, only_configured=True)
        memory.recover(routes)
        loop = Loop(DirectIntake(iter(())), routes, core, Event(), live=False, memory=memory)
        for number, item in enumerate(items):
            loop.take(item)
            if number == keep_at:
                memory.keep_all()
        memory.__exit__(RuntimeError if killed else None, None, None)
    return collected.outputs


def told(outputs: Sequence[Output]) -> list[Output]:
    return [each for each in outputs if isinstance(each, Assignment | Forecast | Verdict | Gap | LevelledRow)]


def stood(output: Output, before: Sequence[Sequence[Output]]) -> bool:
    """Whether it was known before the restart: it is told again, for who was not there."""
    if not isinstance(output, Verdict | Forecast):
        return False
    return any(same(output, known) for each in before for known in each)


@pytest.fixture(scope="module")
def uninterrupted(bundles, tmp_path_factory) -> list[list[Output]]:
    """What each item gives an agent that never stops."""
    folder = tmp_path_factory.mktemp("whole")
    settings = settings_in(folder)
    outputs = []
    with Core(settings, serve=False, show=False) as core:
        routes = Routes(settings, bundles[0], core.telemetry, only_configured=True)
        for item in arrivals():
            route = routes.of("node", "band")
            assert route is not None
            outputs.append(told(route.push(item)))
    return outputs


# Items 290, 307, 337, 397 and 447 are the ones that break the row of rows.
@pytest.mark.parametrize(
    ("killed_at", "kept_before"),
    [(60, None), (200, 1), (290, None), (291, None), (291, 40), (308, 1), (337, 5), (398, 1), (447, 40),
     (448, None), (600, 40)],
)  # fmt: skip
def test_a_killed_agent_goes_on_as_if_it_never_stopped(
    tmp_path: Path, bundles, uninterrupted, killed_at: int, kept_before: int | None
):
    settings, items = settings_in(tmp_path), arrivals()
    keep_at = None if kept_before is None else killed_at - kept_before
    lived(settings, bundles[0], items[:killed_at], keep_at=keep_at, killed=True)
    outputs = told(lived(settings, bundles[0], items[killed_at:], killed=True))
    expected = [output for each in uninterrupted[killed_at:] for output in each]
    news = [output for output in outputs if not stood(output, uninterrupted[:killed_at])]
    assert same(news, expected)
    assert any(isinstance(output, Assignment) for output in news)
    assert any(isinstance(output, Forecast) for output in news)


def test_a_stopped_agent_needs_no_journal(tmp_path: Path, bundles, uninterrupted):
    settings, items = settings_in(tmp_path), arrivals()
    lived(settings, bundles[0], items[:500], killed=False)
    for file in (tmp_path / "journal").iterdir():
        file.unlink()
    outputs = told(lived(settings, bundles[0], items[500:], killed=False))
    expected = [output for each in uninterrupted[500:] for output in each]
    assert same([each for each in outputs if any(same(each, one) for one in expected)], expected)


def test_a_damaged_state_is_set_aside_and_the_rows_are_read_again(
    tmp_path: Path, bundles, uninterrupted, capfd
):
    settings, items = settings_in(tmp_path), arrivals()
    lived(settings, bundles[0], items[:500], killed=False)
    (state,) = tmp_path.glob("state/*/node/band.state")
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 1
    state.write_bytes(content)
    outputs = told(lived(settings, bundles[0], items[500:], killed=True))
    expected = [output for each in uninterrupted[500:] for output in each]
    assert same([each for each in outputs if any(same(each, one) for one in expected)], expected)
    assert state.with_name("band.state.damaged").exists()


def test_a_band_too_narrow_for_windows_goes_on_too(tmp_path: Path, bundles, capfd):
    def forecasts(outputs: Sequence[Output]) -> list[Output]:
        return [output for output in outputs if isinstance(output, Forecast)]

    items = rows(COUNT, bins=16)
    whole = forecasts(lived(settings_in(tmp_path / "whole"), bundles[0], items, killed=False))
    settings = settings_in(tmp_path / "parts").model_copy(update={"logging": Logging(level="warning")})
    before = forecasts(lived(settings, bundles[0], items[:400], killed=False))
    for file in (tmp_path / "parts" / "journal").iterdir():
        file.unlink()
    after = forecasts(lived(settings, bundles[0], items[400:], killed=False))
    assert len(whole) > len(before) > 0
    assert same([*before, *(each for each in after if not stood(each, [before]))], whole)
    assert "not usable" not in capfd.readouterr().err


def test_other_settings_mean_other_windows_and_the_rows_are_read_again(tmp_path: Path, bundles):
    lived(settings_in(tmp_path), bundles[0], arrivals()[:500], killed=False)
    masked = settings_in(tmp_path, mask={"ranges_hz": [[868.00e6, 868.01e6]]})
    begun_anew = lived(masked, bundles[0], arrivals()[500:], killed=True)
    assert any(isinstance(each, Assignment) and each.cluster is not None for each in begun_anew)
    # The forecasts' history is whole, too: it does not take 24 steps to fill again.
    rows_before_first = next(
        number
        for number, each in enumerate(each for each in begun_anew if isinstance(each, LevelledRow | Forecast))
        if isinstance(each, Forecast)
    )
    assert rows_before_first <= 4


def test_another_bundle_keeps_the_forecasts_and_labels_the_stored_rows_anew(tmp_path: Path, bundles):
    settings, items = settings_in(tmp_path), arrivals()
    lived(settings, bundles[0], items[:600], killed=False)
    outputs = lived(settings, bundles[1], items[600:], killed=True)
    labelled = [each for each in outputs if isinstance(each, Assignment)]
    assert labelled
    assert all(each.cluster is not None for each in labelled)
    assert {each.model for each in labelled} != {bundles[1].name}
    assert any(isinstance(each, Forecast) for each in outputs[:20])
    # And the way back finds the labels that were kept.
    again = lived(settings, bundles[0], items[600:], killed=True)
    assert [each.cluster for each in again if isinstance(each, Assignment)][:1] != [None]


def recovered(settings: Settings, bundle: Bundle, going_on=lambda: None):
    """What a start finds, and its routes."""
    with Core(settings, serve=False, show=False) as core:
        memory = Memory(settings, bundle.name, core.telemetry).__enter__()
        routes = Routes(settings, bundle, core.telemetry, only_configured=True)
        try:
            return memory.recover(routes, going_on), routes
        finally:
            memory.__exit__(None, None, None)


def test_rows_without_a_state_are_read_again_from_wherever_they_are_stored(tmp_path: Path, bundles):
    settings = settings_in(tmp_path)
    lived(settings, bundles[0], arrivals()[:600], killed=False)
    with Core(settings, serve=False, show=False) as core:
        memory = Memory(settings, bundles[0].name, core.telemetry).__enter__()
        store = memory._disk.store
        assert store is not None
        while store.tidy(10**9):
            pass
        memory.__exit__(None, None, None)
    assert not list(tmp_path.glob("journal/*.arrows"))
    shutil.rmtree(tmp_path / "state")
    found, routes = recovered(settings, bundles[0])
    assert found.rows > 500
    route = routes.of("node", "band")
    assert route is not None
    assert route.labels.warm
    assert (tmp_path / "state" / bundles[0].name / "node" / "band.state").exists()


def test_a_stride_that_load_had_raised_is_raised_again_where_no_state_was_kept_yet(tmp_path: Path, bundles):
    settings = settings_in(tmp_path)
    with Core(settings, serve=False, show=False) as core:
        memory = Memory(settings, bundles[0].name, core.telemetry).__enter__()
        routes = Routes(settings, bundles[0], core.telemetry, only_configured=True)
        memory.recover(routes)
        loop = Loop(DirectIntake(iter(())), routes, core, Event(), live=False, memory=memory)
        for number, item in enumerate(arrivals()[:200]):
            loop.take(item)
            if number == 150:
                memory.tell("stride", "node", "band", rows=64)
        memory.flush()
        store = memory._disk.store
        assert store is not None
        store.journal.rotate()
        while store.tidy(0):
            pass
        memory.__exit__(RuntimeError, None, None)
    assert list(tmp_path.glob("rows/node/band/*/*.parquet"))
    _, routes = recovered(settings, bundles[0])
    route = routes.of("node", "band")
    assert route is not None
    assert route.stride_rows == 64


def test_a_mask_that_leaves_nothing_of_older_rows_is_said_and_stops_nobody(tmp_path: Path, bundles, capfd):
    tuned = rows(200, bins=128)
    retuned = [replace(row, seq=row.seq + 200, center_hz=433.9e6) for row in tuned]
    lived(settings_in(tmp_path), bundles[0], [*tuned, *retuned], killed=False)
    masked = settings_in(tmp_path, mask={"ranges_hz": [[800e6, 900e6]]}).model_copy(
        update={"logging": Logging(level="warning")}
    )
    _, routes = recovered(masked, bundles[0])
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "covers all 128 bins" in line]
    assert "begins anew" in line
    route = routes.of("node", "band")
    assert route is not None
    assert route.continuity.place[1] == retuned[-1].seq


def test_a_publisher_that_changed_while_nothing_was_recorded_is_no_seam_in_a_window(tmp_path: Path, bundles):
    settings, frames = settings_in(tmp_path), rows(400, bins=128)
    with Core(settings, serve=False, show=False) as core:
        route = Routes(settings, bundles[0], core.telemetry, only_configured=True).of("node", "band")
        assert route is not None
        for frame in frames[:200]:
            route.resume(frame)
        outputs = [output for frame in frames[200:] for output in route.resume(replace(frame, stream=99))]
    (gap,) = [output for output in outputs if isinstance(output, Gap)]
    assert (gap.reason, gap.lost_rows) == ("restart", None)
    first = next(output for output in outputs if isinstance(output, Assignment))
    assert first.start_ns == frames[200].time_ns


def test_the_way_back_to_a_bundle_has_its_labels_and_what_the_other_has_heard(tmp_path: Path, bundles):
    settings, frames = settings_in(tmp_path), rows(700, bins=200)
    first = lived(settings, bundles[0], frames[:400], killed=False)
    lived(settings, bundles[1], frames[400:600], killed=False)
    for file in (tmp_path / "journal").iterdir():
        file.unlink()
    back = lived(settings, bundles[0], frames[600:], killed=False)
    models = [[each.model for each in life if isinstance(each, Assignment)] for life in (first, back)]
    assert models[0][-1] == models[1][0]
    assert not [each for each in back if isinstance(each, Gap)]
    assert any(isinstance(each, Forecast) for each in back[:20])


def test_a_disk_that_cannot_be_written_is_read_all_the_same(tmp_path: Path, bundles, uninterrupted, capfd):
    settings, items = settings_in(tmp_path), arrivals()
    lived(settings, bundles[0], items[:500], keep_at=480, killed=True)
    (tmp_path / "lock").unlink()
    (tmp_path / "lock").mkdir()  # nobody can open that
    outputs = told(lived(settings, bundles[0], items[500:], killed=False))
    expected = [output for each in uninterrupted[500:] for output in each]
    assert same([output for output in outputs if not stood(output, uninterrupted[:500])], expected)
    assert "recording stopped" in capfd.readouterr().err


def test_a_disk_that_hangs_at_the_end_is_left_to_the_end_of_the_process(tmp_path: Path, bundles, capfd):
    settings, gate = settings_in(tmp_path), Event()
    with Core(settings, serve=False, show=False) as core:
        memory = Memory(settings, bundles[0].name, core.telemetry).__enter__()
        memory.recover(Routes(settings, bundles[0], core.telemetry, only_configured=True))
        store = memory._disk.store
        assert store is not None
        store.journal.flush = lambda: gate.wait(20)  # type: ignore[method-assign, assignment]
        memory.tell("something")
        begun = time.monotonic()
        memory.__exit__(None, None, None)
        assert time.monotonic() - begun < 4
        with pytest.raises(Failure, match="in use"):
            DirectoryLock(tmp_path).take()
        gate.set()
        assert memory._recorder.close()
        memory._lock.release()
    assert "did not answer" in capfd.readouterr().err


def test_a_hole_between_state_and_journal_is_told_and_is_a_gap(tmp_path: Path, bundles):
    class Holed(Past):
        def entries_after(self, entry: int):
            return (each for each in super().entries_after(entry) if each[0] > entry + 20)

    settings, lines = settings_in(tmp_path), []
    lived(settings, bundles[0], rows(300, bins=128), keep_at=200, killed=True)
    for past in (Past(tmp_path, lines.append), Holed(tmp_path, lines.append)):
        with Core(settings, serve=False, show=False) as core:
            routes = Routes(settings, bundles[0], core.telemetry, only_configured=True)
            states = StateFolder(tmp_path, bundles[0].name, lines.append)
            found = recover(routes, states, past, lines.append)
    (line,) = lines
    assert "what was between is lost" in line
    assert 70 < found.rows < 100
    (route,) = routes
    # Only rows since the hole are in the next window.
    assert route._windower.rows_held == found.rows


def test_a_stop_ends_a_long_start_and_leaves_the_states_as_they_are(tmp_path: Path, bundles, uninterrupted):
    settings, items = settings_in(tmp_path), arrivals()
    lived(settings, bundles[0], items[:300], keep_at=250, killed=True)
    (state,) = tmp_path.glob("state/*/node/band.state")
    before = state.read_bytes()
    calls = iter(range(10**6))

    def going_on() -> None:
        if next(calls) > 20:
            raise Stopped

    recovered(settings, bundles[0], going_on)
    assert next(calls) < 25
    assert state.read_bytes() == before
    outputs = told(lived(settings, bundles[0], items[300:], killed=True))
    expected = [output for each in uninterrupted[300:] for output in each]
    assert same([output for output in outputs if not stood(output, uninterrupted[:300])], expected)


def test_what_a_stopped_agent_has_heard_is_known_without_its_journal(tmp_path: Path, bundles):
    settings, frames = settings_in(tmp_path), rows(200, bins=128)
    lived(settings, bundles[0], frames, killed=False)
    found, _ = recovered(settings, bundles[0])
    assert found.rows == 0
    assert found.end_ns == {("node", "band"): frames[-1].end_ns}


def test_what_a_kill_left_half_written_goes_at_the_next_start(tmp_path: Path, bundles):
    settings = settings_in(tmp_path)
    lived(settings, bundles[0], rows(200, bins=128), killed=False)
    part = tmp_path / "state" / bundles[0].name / "node" / ".band.state.99.part"
    part.write_bytes(bytes(1000))
    recovered(settings, bundles[0])
    assert [path.name for path in part.parent.iterdir()] == ["band.state"]


def test_windows_after_the_state_count_once_for_the_labels_of_another_bundle(tmp_path: Path, bundles):
    settings, items = settings_in(tmp_path), rows(400, bins=128)
    lived(settings, bundles[0], items, keep_at=150, killed=True)
    _, routes = recovered(settings, bundles[1])
    _, alone = recovered(settings_in(tmp_path / "alone"), bundles[1])
    route, new = routes.of("node", "band"), alone.of("node", "band")
    assert route is not None
    assert new is not None
    for item in items:
        new.push(item)
    assert same(route.labels.state(), new.labels.state())


def test_a_long_start_is_told_of_and_asks_for_time(tmp_path: Path, capfd):
    clock = iter(range(0, 100, 4))
    settings = settings_in(tmp_path).model_copy(update={"logging": Logging(level="info", format="json")})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        with Core(settings, serve=False, show=False) as core:
            notifier = Notifier(str(tmp_path / "notify"))
            stop = Event()
            start = LongStart(stop, notifier, core.telemetry, monotonic_seconds=lambda: float(next(clock)))
            for _ in range(4):
                start()
            assert manager.recv(100) == b"EXTEND_TIMEOUT_USEC=60000000"
            stop.set()
            with pytest.raises(Stopped):
                start()
    assert capfd.readouterr().err.count('"event": "recovering state"') == 1


def test_what_was_told_is_in_the_store_once(tmp_path: Path, bundles, uninterrupted):
    from bandwatch.pipeline.store_reading import stored_events, stored_rows

    settings, items = settings_in(tmp_path), arrivals()
    lived(settings, bundles[0], items[:300], killed=True)
    lived(settings, bundles[0], items[300:447], keep_at=20, killed=True)
    lived(settings, bundles[0], items[447:], killed=False)
    problems: list[str] = []
    stored = [piece for _, piece in stored_rows(tmp_path, told=problems.append)]
    expected = [output for each in uninterrupted for output in each]
    sent = {id(item): item for item in items if isinstance(item, PsdFrame)}
    rows_heard = [each.frame.seq for each in expected if isinstance(each, LevelledRow)]
    assert [piece.seq for piece in stored if isinstance(piece, PsdFrame)] == rows_heard
    assert len(rows_heard) == len(sent) - 1  # one had a NaN in it: it is a gap
    assert [each for each in stored if isinstance(each, Gap)] == [e for e in expected if isinstance(e, Gap)]
    verdicts = [
        (note.facts["segment"], note.facts["state"], note.time_ns)
        for _, note in stored_events(tmp_path, kinds=["verdict"], told=problems.append)
    ]
    assert verdicts == [(e.segment, e.state, e.time_ns) for e in expected if isinstance(e, Verdict)]
    assert not problems
