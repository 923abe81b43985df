"""Explanations of a running agent, with workers that are real processes."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from prometheus_client import CollectorRegistry

from bandwatch.agent.explain_job import read_job, result_of
from bandwatch.agent.explained_folders import ExplainedFolders
from bandwatch.agent.explainer import WORKER, Explainer
from bandwatch.agent.labels import Labels
from bandwatch.agent.logs import open_log
from bandwatch.agent.reservoir import read_windows
from bandwatch.agent.routes import Routes
from bandwatch.agent.telemetry import Telemetry
from bandwatch.agent.words_book import ClusterName
from bandwatch.agent.words_file import edit_book, words_path
from bandwatch.agent.worker_running import errors_file
from bandwatch.config.schema import Explain, Models, Settings
from bandwatch.explain.published import let_go, newest_of, tidy
from bandwatch.models.bundle import Bundle, write_bundle
from bandwatch.models.encoder import Encoder, EncoderConfig, weights_of
from bandwatch.models.tensor_file import read_arrays
from bandwatch.pipeline.frames import Assignment, Verdict, Window
from bandwatch.pipeline.scene import Scene
from bandwatch.pipeline.simulator import Simulator

BAND = ("simulated", "srd-868")
# What the worker does, without making way for everybody first: this machine may be busy.
AT_ONCE = (
    sys.executable,
    "-c",
    "import sys; from pathlib import Path; from bandwatch.agent.explainer_worker import work; "
    "work(Path(sys.argv[1]))",
)
FOR_EVER = (sys.executable, "-c", "import time; time.sleep(1000)")
Seen = tuple[Labels, list[Window], list[Assignment]]


@pytest.fixture(scope="module")
def heard(tmp_path_factory) -> list[Seen]:
    """What the route of a narrow band of two segments told of its windows, in the order of time."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("bundles") / "small"
    write_bundle(path, weights_of(Encoder(EncoderConfig(4)).eval()), 4)
    bundle = Bundle.load(path, device="cpu", threads=1)
    settings = Settings(models=Models(warm_up_windows=24))
    telemetry = Telemetry(CollectorRegistry(), open_log("error"))
    routes = Routes(settings, bundle, telemetry, only_configured=False)
    told: list[Seen] = []
    routes.seen = lambda *each: told.append(each)
    scene = replace(Scene(), bins=256)
    for frame in islice(Simulator(3, scene=scene).frames(), 1400):
        route = routes.of(*BAND)
        assert route is not None
        route.push(frame)
    assert told[-1][0].model is not None
    return told


class Bench:
    """An explainer whose clock is moved by hand and whose turns are called by the test."""

    def __init__(self, folder: Path, heard: list[Seen], worker, **settings) -> None:
        self.folder, self.now_seconds = folder, 0.0
        self.registry, self.stream = CollectorRegistry(), io.StringIO()
        self.telemetry = Telemetry(self.registry, open_log("debug", "json", self.stream))
        self.explainer = Explainer(
            Explain(**{"most_windows": 128, **settings}),
            folder,
            self.telemetry,
            monotonic_seconds=lambda: self.now_seconds,
            worker=worker,
        )
        for each in heard:
            self.explainer.seen(*each)

    def value(self, name: str, **labels: str) -> float | None:
        at = {"node": BAND[0], "band": BAND[1]} | labels
        return self.registry.get_sample_value(f"bandwatch_{name}", at)

    def begin(self, reason: str = "request") -> int:
        """The process that is at work after a request."""
        assert self.explainer.ask(*BAND, reason)
        self.explainer.turn()
        pid = self.explainer.worker_pid
        assert pid is not None, self.stream.getvalue()
        return pid

    def finish(self) -> None:
        wait_for(lambda: self.explainer.turn() or self.explainer.worker_pid is None)

    def jobs(self) -> list[Path]:
        return list((self.folder / "explain").glob(".job-*"))


@pytest.fixture
def bench(tmp_path: Path, heard: list[Seen]) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(worker=FOR_EVER, **settings) -> Bench:
        made.append(Bench(tmp_path, heard, worker, **settings))
        return made[-1]

    yield make
    for each in made:
        if (pid := each.explainer.worker_pid) is not None:
            os.kill(pid, signal.SIGKILL)
            each.finish()


def wait_for(ask: Callable[[], object], seconds: float = 200.0) -> None:
    deadline = time.monotonic() + seconds
    while not ask():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_killed_worker_costs_one_refresh_and_the_next_is_published_whole(bench, heard):
    one = bench(AT_ONCE)
    os.kill(one.begin(), signal.SIGKILL)
    one.finish()
    assert one.value("explanations_failed_total", reason="killed") == 1
    assert one.jobs() == []
    output = one.folder / "explain" / heard[-1][0].bundle.name / BAND[0] / BAND[1]
    assert newest_of(output) is None
    one.now_seconds += 60  # verdicts are served once a minute
    model, given = heard[-1][0].model, "garage <door> of $5 & $6"
    number = int(model.clusters[0])
    place = {"bundle": heard[-1][0].bundle.hash, "node": BAND[0], "band": BAND[1]}
    mine = ClusterName(**place, cluster=number, model=model.name, name=given)
    older = ClusterName(**place, cluster=number, model="of another model", name="gate")
    edit_book(words_path(one.folder), lambda book: replace(book, names=(mine, older)))
    one.begin("novel")
    one.finish()
    assert one.jobs() == []
    assert one.value("explanations_made_total") == 1, one.stream.getvalue()

    newest = newest_of(output)
    assert newest is not None
    facts = json.loads((newest / "explanation.json").read_text())
    assert (facts["node"], facts["band"], facts["reason"]) == (*BAND, "novel")
    model = heard[-1][0].model
    assert facts["model"] == model.name
    assert facts["windows"] == 128 < sum(len(windows) for _, windows, _ in heard)
    assert sum(each["windows"] for each in facts["clusters"]) == 128
    assert facts["tree"]["leaves"] == model.cluster_count
    assert sum(node["samples"] for node in facts["tree"]["nodes"] if "cluster" in node) == 128
    cuts = [node for node in facts["tree"]["nodes"] if "cluster" not in node]
    assert {node[side] for node in cuts for side in ("near", "far")} <= {*model.clusters.tolist()}
    assert facts["paper_tree"].keys() == {"depth", "leaves", "fidelity", "fidelity_training"}
    assert {each["cluster"]: each["name"] for each in facts["clusters"] if each["name"]} == {number: given}
    assert "names" not in facts
    assert f"{number}: garage &lt;door&gt; of $5 &amp; $6<" in (newest / "tree.svg").read_text()
    assert all(each["sentence"].endswith(".") and each["rule"] for each in facts["clusters"])
    arrays = read_arrays(newest / "arrays.safetensors")
    assert arrays["mean_db"].shape == arrays["attributions"].shape == (len(facts["clusters"]), 128, 128)
    assert np.abs(arrays["attributions"]).max() > 0
    assert arrays["segments"].sum() == arrays["hours"].sum() == arrays["all_segments"].sum() == 128
    for figure in ("tree.svg", "portraits.png", "attributions.png"):
        assert (newest / figure).stat().st_size > 1000

    assert one.value("tree_depth") == facts["tree"]["depth"]
    assert one.value("tree_fidelity_ratio") == facts["tree"]["fidelity"]
    for kind in ("tree", "portraits", "attributions"):
        when = one.value("explanation_last_success_timestamp_seconds", kind=kind)
        assert when == pytest.approx(facts["made_ns"] / 1e9)
    ((band, reason, result),) = one.explainer.finished()
    assert (band, reason, result.folder) == (BAND, "novel", str(newest))
    assert one.explainer.listed()[0]["model"] == model.name

    again = bench()  # after a restart
    again.explainer.turn()
    assert [each["folder"] for each in again.explainer.listed()] == [str(newest)]
    assert again.value("tree_depth") == facts["tree"]["depth"]


def test_requests_while_the_worker_is_at_it_are_counted_as_skipped(bench):
    one = bench()
    pid = one.begin()
    assert not one.explainer.ask(*BAND, "request")
    verdict = Verdict(*BAND, 1, 0, "novel", 0.999)
    one.explainer.take(verdict)
    one.explainer.take(verdict)  # it is novel still, and asks for nothing more
    one.explainer.turn()
    assert one.explainer.worker_pid == pid
    assert one.value("explanations_skipped_total", reason="busy") == 2


def test_a_verdict_that_becomes_novel_and_a_file_ask_for_a_refresh(bench):
    one = bench((sys.executable, "-c", "raise SystemExit(4)"))
    for state in ("novel", "novel", "normal", "novel"):
        one.now_seconds += 60
        one.explainer.take(Verdict(*BAND, 1, 0, state, 0.5))
        one.explainer.turn()
        one.finish()
    assert one.value("explanations_failed_total", reason="error") == 2
    (one.folder / "explain" / "refresh").touch()
    one.explainer.turn()
    one.finish()
    assert one.value("explanations_failed_total", reason="error") == 3
    assert not (one.folder / "explain" / "refresh").exists()


def test_where_people_ask_is_there_before_anything_was_explained(bench):
    its = bench(FOR_EVER)
    its.explainer.start()
    try:
        wait_for((its.folder / "explain").is_dir)
    finally:
        its.explainer.close()


def test_on_its_period_and_not_before(bench):
    one = bench(period_seconds=100)
    one.now_seconds = 99
    one.explainer.turn()
    assert one.explainer.worker_pid is None
    one.now_seconds = 100
    one.explainer.turn()
    assert one.explainer.worker_pid is not None


def test_a_worker_that_takes_too_long_is_ended(bench):
    one = bench(most_seconds=30)
    pid = one.begin()
    one.now_seconds = 31
    one.explainer.turn()
    assert one.value("explanations_failed_total", reason="timeout") == 1
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert one.jobs() == []


def test_after_a_worker_that_took_too_long_the_next_takes_half_the_windows(bench, heard):
    one = bench(most_seconds=30)
    least = 4 * heard[-1][0].model.cluster_count
    for windows in (128, 64, max(32, least), max(16, least)):
        one.begin()
        (job,) = one.jobs()
        asked = read_job(job)[0].most_windows
        assert asked == max(windows, least)
        recent = read_windows(job, asked)
        assert len(recent.values) == len(np.unique(recent.start_ns + recent.segments)) == asked
        assert recent.start_ns[0] == read_windows(job).start_ns[0]
        one.now_seconds += 31
        one.explainer.turn()
        one.now_seconds += 4000  # the next request is not for the same moment


def test_a_refusal_is_told_in_the_workers_words(bench, heard):
    one = bench(WORKER)
    one.begin()
    (job,) = one.jobs()
    (job / "job.json").write_text("[]")  # before the worker, which has to load first
    one.finish()
    assert one.value("explanations_failed_total", reason="refused") == 1
    lines = [json.loads(line) for line in one.stream.getvalue().splitlines()]
    assert "job.json: list, needs an object" in lines[-1]["message"]


def test_with_too_few_windows_it_is_skipped_and_counted(tmp_path, heard):
    few = Bench(tmp_path, heard[-1:], FOR_EVER)
    assert few.explainer.ask(*BAND, "request")
    few.explainer.turn()
    assert few.explainer.worker_pid is None
    assert few.value("explanations_skipped_total", reason="warming_up") == 1
    assert few.explainer.ask(*BAND, "request"), "it waits no longer"


def test_the_job_holds_what_was_heard(bench, heard):
    one = bench()
    one.begin()
    (folder,) = one.jobs()
    job, model = read_job(folder)
    assert (job.node, job.band, job.bundle_hash) == (*BAND, heard[-1][0].bundle.hash)
    assert model.name == heard[-1][0].model.name
    recent = read_windows(folder)
    last = heard[-1][1][-1]
    np.testing.assert_array_equal(recent.values[-1], last.values.astype(np.float16))
    assert (recent.segments[-1], recent.start_ns[-1]) == (last.segment, last.start_ns)
    assert recent.row_seconds == pytest.approx(0.2)
    assert errors_file(folder).exists()


def test_a_stop_ends_the_worker_and_leaves_nothing_half(bench):
    one = bench()
    one.explainer.start()
    one.explainer.ask(*BAND, "request")
    wait_for(lambda: one.explainer.worker_pid is not None)
    pid = one.explainer.worker_pid
    started = time.monotonic()
    one.explainer.close()
    assert time.monotonic() - started < 3
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert one.jobs() == []


def test_a_worker_makes_way_for_everybody_and_ends_with_its_agent(tmp_path: Path):
    os.mkfifo(tmp_path / "model.state")  # whoever reads it waits
    job = dict.fromkeys(("node", "band", "bundle", "bundle_hash", "output", "cache", "reason"), "x")
    (tmp_path / "job.json").write_text(json.dumps(job))
    with subprocess.Popen([*WORKER, str(tmp_path)], stdin=subprocess.PIPE) as worker:
        try:
            wait_for(lambda: os.getpriority(os.PRIO_PROCESS, worker.pid) == 19)
            wait_for(lambda: os.sched_getscheduler(worker.pid) == os.SCHED_IDLE)
            assert worker.poll() is None
            assert worker.stdin is not None
            worker.stdin.close()  # as the kernel does when the agent is killed
            assert worker.wait(60) == 1
        finally:
            worker.kill()


OLD, OLDER = "0123456789ab", "ba9876543210"


def published_by(folder: Path, bundle: str) -> Path:
    """An explanation of before, as far as anybody looks."""
    final = folder / "explain" / bundle / BAND[0] / BAND[1] / "20260101T000000-000000000"
    final.mkdir(parents=True)
    tree = {"depth": 3, "leaves": 4, "fidelity": 0.9, "fidelity_training": 0.95}
    facts = {"made_ns": 1, "model": "m", "windows": 9, "tree": tree, "seconds": {}, "clusters": []}
    (final / "explanation.json").write_text(json.dumps(facts))
    (final.parent / "newest").symlink_to(final.name)
    return final


def test_explanations_of_other_bundles_go_and_nothing_else(bench, heard, tmp_path):
    current = published_by(tmp_path, heard[-1][0].bundle.name)
    for bundle in (OLD, OLDER, "my notes"):
        published_by(tmp_path, bundle)
    (tmp_path / "explain" / f".gone-{OLDER}").mkdir()  # and what a kill left
    one = bench()
    one.explainer.turn()
    left = sorted(path.name for path in (tmp_path / "explain").iterdir())
    assert left == sorted([current.parents[2].name, "my notes"])
    assert [each["folder"] for each in one.explainer.listed()] == [str(current)]
    lines = [json.loads(line) for line in one.stream.getvalue().splitlines()]
    told = [line["bundle"] for line in lines if line["event"] == "explanations let go"]
    assert told == [OLD, OLDER]


def test_of_a_bundle_that_was_used_before_a_bands_newest_stays_until_there_is_a_newer(tmp_path, heard):
    reports = Telemetry(CollectorRegistry(), open_log("error"))
    folders = ExplainedFolders(tmp_path / "explain", reports)
    before = result_of(published_by(tmp_path, OLD))
    labels = heard[-1][0]
    folders.keep([labels], [before])
    assert Path(before.folder).is_dir()
    folders.keep([labels], [result_of(published_by(tmp_path, labels.bundle.name))])
    assert [path.name for path in (tmp_path / "explain").iterdir()] == [labels.bundle.name]


def test_what_goes_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    going = published_by(tmp_path, OLD).parents[2]

    def killed(path: Path, **options: object) -> None:
        if path.exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            let_go(going)
    assert not going.exists()
    published_by(tmp_path, OLD)  # it comes again
    assert let_go(going)
    assert list((tmp_path / "explain").iterdir()) == []


PUBLISH_FOR_EVER = """
import sys, time
from dataclasses import replace
from pathlib import Path
from bandwatch.agent.explain_job import read_job
from bandwatch.agent.reservoir import read_windows
from bandwatch.explain.refresh import refresh
from bandwatch.explain.refreshed import publish
from bandwatch.models.bundle import ENCODER_FILE, Bundle
from bandwatch.models.encoder import encoder_with
from bandwatch.models.encoder_weights import read_weights
job, model = read_job(Path(sys.argv[1]))
recent = read_windows(Path(sys.argv[1]))
bundle = Bundle.load(job.bundle, device="cpu", threads=1)
encoder = encoder_with(read_weights(bundle.part(ENCODER_FILE), 4), 4)
made = refresh(recent.values, recent.segments, recent.clusters, recent.start_ns, recent.row_seconds, model,
               encoder, bundle.embed)
# Of two clusters: it is the drawing that takes long, and every file is there.
parts = ("portraits", "attributions", "attributed", "words")
made = replace(made, **{part: getattr(made, part)[:2] for part in parts})
while True:
    publish(Path(job.output), made, {}, time.time_ns())
"""


@pytest.mark.slow
def test_whoever_reads_finds_one_whole_explanation_whenever_the_writer_is_killed(bench):
    one = bench((sys.executable, "-c", PUBLISH_FOR_EVER))
    pid = one.begin()
    (folder,) = one.jobs()
    output = Path(read_job(folder)[0].output)
    wait_for(lambda: newest_of(output) is not None)
    seen = set()
    while len(seen) < 3:
        newest = newest_of(output)
        assert newest is not None
        json.loads((newest / "explanation.json").read_text())
        assert read_arrays(newest / "arrays.safetensors")
        assert (newest / "attributions.png").read_bytes().endswith(b"IEND\xaeB`\x82")
        seen.add(newest)
    wait_for(lambda: any(any(part.iterdir()) for part in output.glob(".part-*")))
    os.kill(pid, signal.SIGKILL)
    one.finish()
    newest = newest_of(output)
    assert newest is not None
    json.loads((newest / "explanation.json").read_text())
    tidy(output)
    assert not list(output.glob(".*"))
    assert len([path for path in output.iterdir() if not path.is_symlink()]) == 2
