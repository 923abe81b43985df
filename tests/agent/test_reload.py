"""SIGHUP: what can change does from the next row on, what cannot is named, what is wrong changes nothing."""

import shutil
from pathlib import Path
from threading import Event

import pytest
import torch

from bandwatch.agent.core import Core
from bandwatch.agent.intake import DirectIntake
from bandwatch.agent.loop import Loop
from bandwatch.agent.memory import Memory
from bandwatch.agent.outputs import Fitted
from bandwatch.agent.reload import Reload
from bandwatch.agent.routes import Routes
from bandwatch.agent.state import StateFolder
from bandwatch.config.loader import load
from bandwatch.models.bundle import Bundle, write_bundle
from bandwatch.models.encoder import Encoder, EncoderConfig, weights_of
from bandwatch.pipeline.frames import Assignment
from bandwatch.tests.jig import rows

SETTINGS = """
node: {{name: node}}
bands:
  - name: band
    source: {{kind: stream, endpoint: 'tcp://127.0.0.1:1'}}
    {band}
models: {{warm_up_windows: 24, bundle: {bundle}}}
store: {{directory: {store}, keep_free_bytes: 0, {limits}}}
logging: {{level: {level}, format: json}}
server: {{port: {port}}}
"""


class Running:
    """An agent without sockets: rows go straight to its loop, and SIGHUP is `again`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bundle = folder / "current"
        self.bundle.symlink_to(self.make_bundle(0))
        self.write()
        settings = self.read()
        self.core = Core(settings, serve=False, show=False).__enter__()
        self.outputs = []
        self.core.sinks.append(self)
        loaded = Bundle.load(self.bundle, device="cpu")
        self.memory = Memory(settings, loaded.name, self.core.telemetry).__enter__()
        self.routes = Routes(settings, loaded, self.core.telemetry, only_configured=True)
        self.memory.recover(self.routes)
        self.asked = Event()
        self.reload = Reload(self.asked, self.read, settings, loaded, self.core, self.routes, self.memory)
        self.loop = Loop(
            DirectIntake(iter(())), self.routes, self.core, Event(), live=False, memory=self.memory
        )

    def make_bundle(self, seed: int) -> Path:
        torch.manual_seed(seed)
        path = self.folder / f"bundle-{seed}"
        write_bundle(path, weights_of(Encoder(EncoderConfig(4)).eval()), 4)
        return path

    def write(self, *, band: str = "", level: str = "info", port: int = 0, limits: str = "") -> None:
        text = SETTINGS.format(
            band=band, level=level, port=port, limits=limits, bundle=self.bundle, store=self.folder / "store"
        )
        (self.folder / "settings.yaml").write_text(text)

    def read(self):
        return load(self.folder / "settings.yaml", {})

    def take(self, item) -> None:
        self.outputs.append(item)

    def hear(self, frames) -> list:
        self.outputs.clear()
        for frame in frames:
            self.loop.take(frame)
        return self.outputs

    def again(self) -> list:
        self.asked.set()
        return self.reload.turn()

    def wait_for_bundle(self) -> list:
        for _ in range(600):
            if outputs := self.reload.turn():
                return outputs
            Event().wait(0.05)
        raise AssertionError("no other bundle within 30 s")

    def close(self) -> None:
        self.memory.__exit__(None, None, None)
        self.core.__exit__(None, None, None)


@pytest.fixture
def running(tmp_path: Path):
    agent = Running(tmp_path)
    yield agent
    agent.close()


def lines(capfd, event: str) -> list[str]:
    return [line for line in capfd.readouterr().err.splitlines() if f'"event": "{event}"' in line]


def test_mask_stride_level_and_limits_change_between_two_rows(running: Running, capfd):
    frames = rows(400, bins=128)
    running.hear(frames[:200])
    running.write(
        band="segments: {stride_rows: 4}\n    mask: {ranges_hz: [[1, 2]]}",
        level="debug",
        limits="most_days: 3",
    )
    running.again()
    (taken,) = lines(capfd, "settings read again")
    for key in ("bands[band].segments.stride_rows", "bands[band].mask.ranges_hz", "logging.level"):
        assert key in taken
    assert "store.most_days" in taken
    running.write(band="segments: {stride_rows: 4}")
    running.again()
    outputs = running.hear(frames[200:])
    assert sum(isinstance(each, Assignment) for each in outputs) == 200 // 4


def test_what_needs_a_restart_is_named_and_stays(running: Running, capfd):
    running.write(band="history: {step_seconds: 5}", port=9)
    running.again()
    (kept,) = lines(capfd, "needs a restart")
    assert "server.port (0, not 9)" in kept
    assert "bands[band].history.step_seconds (60.0, not 5.0)" in kept


def test_bands_that_come_and_go_need_a_restart_and_those_there_stay_as_they_are(running: Running, capfd):
    running.write(band="mask: {ranges_hz: [[1, 2]]}")
    running.again()
    text = (running.folder / "settings.yaml").read_text()
    (running.folder / "settings.yaml").write_text(text.replace("name: band\n", "name: other\n"))
    capfd.readouterr()
    running.again()
    err = capfd.readouterr().err.splitlines()
    (taken,) = [line for line in err if '"event": "settings read again"' in line]
    assert '"taken": []' in taken
    (kept,) = [line for line in err if '"event": "needs a restart"' in line]
    assert '["bands[band] (is gone)", "bands[other] (is new)"]' in kept
    assert running.reload._settings.band("band").mask.ranges_hz


def test_a_stride_that_load_has_raised_stays_raised(running: Running):
    running.hear(rows(10, bins=128))
    (route,) = running.routes
    route.stride_rows = 64
    running.write(level="debug")
    running.again()
    assert route.stride_rows == 64
    running.write(band="segments: {stride_rows: 4}")
    running.again()
    assert route.stride_rows == 4


def test_a_kill_after_other_settings_finds_the_state_with_them(running: Running):
    frames = rows(200, bins=128)
    running.hear(frames)
    running.write(band="mask: {ranges_hz: [[1, 2]]}")
    running.again()
    running.memory.turn()
    running.memory.flush()
    folder = StateFolder(running.folder / "store", running.reload.bundle.name, pytest.fail)
    assert folder.read("node", "band", running.routes.settings_of("band")) is not None


def test_settings_that_cannot_be_read_change_nothing(running: Running, capfd):
    running.write(level="loud")
    running.again()
    (refused,) = lines(capfd, "reload refused")
    assert "logging.level" in refused
    assert "nothing has changed" in refused
    assert running.core.log_level.level == "info"


def test_a_mask_that_leaves_nothing_changes_nothing(running: Running, capfd):
    frames = rows(400, bins=128)
    running.hear(frames[:200])
    running.write(band="segments: {stride_rows: 4}\n    mask: {ranges_hz: [[1, 1e12]]}")
    running.again()
    (refused,) = lines(capfd, "reload refused")
    assert "the mask covers all 128 bins" in refused
    outputs = running.hear(frames[200:])
    assert sum(isinstance(each, Assignment) for each in outputs) == len(range(208, 400, 16)) + 1


def test_another_bundle_labels_at_once_from_what_is_stored(running: Running, capfd):
    frames = rows(900, bins=128)
    running.hear(frames[:700])
    before = {each.model for each in running.hear(frames[700:750]) if isinstance(each, Assignment)}
    running.memory.flush()
    running.bundle.unlink()
    running.bundle.symlink_to(running.make_bundle(1))
    assert running.again() == []
    (fitted,) = running.wait_for_bundle()
    assert isinstance(fitted, Fitted)
    after = [each for each in running.hear(frames[750:]) if isinstance(each, Assignment)]
    assert after
    assert all(each.cluster is not None for each in after)
    assert {each.model for each in after}.isdisjoint(before)
    # And back: what was kept of the first is used as it was.
    running.bundle.unlink()
    running.bundle.symlink_to(running.folder / "bundle-0")
    running.again()
    (fitted,) = running.wait_for_bundle()
    assert {fitted.model} == before


def test_of_two_hangups_the_second_counts(running: Running, capfd):
    frames = rows(300, bins=128)
    running.hear(frames)
    for seed in (1, 2):
        other = running.folder / "other"
        other.symlink_to(running.make_bundle(seed))
        other.replace(running.bundle)  # at no moment there is none
        running.again()
    for _ in range(600):
        running.reload.turn()
        if not running.reload.loading:
            break
        Event().wait(0.05)
    assert running.reload.bundle.hash == Bundle.load(running.folder / "bundle-2", device="cpu").hash
    assert not lines(capfd, "reload refused")


def test_a_bundle_that_fails_in_a_way_nobody_foresaw_leaves_the_old_one(running: Running, capfd):
    running.hear(rows(300, bins=128))
    before = running.reload.bundle

    def fails(*_: object) -> None:
        raise ZeroDivisionError("by surprise")

    running.memory.labels_for = fails  # type: ignore[method-assign, assignment]
    running.bundle.unlink()
    running.bundle.symlink_to(running.make_bundle(1))
    running.again()
    while running.reload.loading:
        running.reload.turn()
        Event().wait(0.02)
    (refused,) = lines(capfd, "reload refused")
    assert "by surprise" in refused
    assert running.reload.bundle is before


def test_a_broken_bundle_is_refused_and_the_old_one_stays(running: Running, capfd):
    frames = rows(900, bins=128)
    running.hear(frames[:700])
    broken = running.make_bundle(2)
    (broken / "encoder.safetensors").write_bytes(b"no weights")
    running.bundle.unlink()
    running.bundle.symlink_to(broken)
    running.again()
    while running.reload.loading:
        running.reload.turn()
        Event().wait(0.02)
    (refused,) = lines(capfd, "reload refused")
    assert "encoder.safetensors" in refused
    assert any(isinstance(each, Assignment) for each in running.hear(frames[700:]))
    shutil.rmtree(broken)
    running.again()
    (refused,) = lines(capfd, "reload refused")
    assert "manifest.yaml" in refused
