"""`bandwatch explain clusters`: a report of each band, or one line."""

import json

import numpy as np
import pytest
import torch

from bandwatch.agent.cli import main
from bandwatch.agent.state import StateFolder
from bandwatch.agent.words_file import edit_book, words_path
from bandwatch.models.band_fitting import fit_band_model
from bandwatch.models.bundle import Bundle, shipped_bundle
from bandwatch.models.bundle_training import geometry_of
from bandwatch.models.evaluated_windows import gather_evaluated
from bandwatch.pipeline.replay import open_recording
from bandwatch.tests.recorded import write_recording

ROOF = """
node: {name: roof}
bands:
- name: low
  source: {kind: radio, device: driver=none, center_hz: 868.3e6, sample_rate_hz: 1.024e6}
"""


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    """Where the agent of this machine would keep its state."""
    monkeypatch.setenv("BANDWATCH__STORE__DIRECTORY", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def bandwatch(capsys):
    """Runs the command line; gives its exit code and what it wrote to both streams."""
    threads = torch.get_num_threads()

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        return left.value.code, *capsys.readouterr()

    yield run
    torch.set_num_threads(threads)


def recording(path, windows=8, **sidecar):
    """Windows of one segment, a carrier and stripes by turns."""
    power_db = np.random.default_rng(len(path.name)).normal(-100, 1, (128 * windows, 128)).astype(np.float32)
    for first in range(0, len(power_db), 256):
        power_db[first : first + 128, 60:64] += 20
        power_db[first + 128 : first + 256 : 16] += 15
    return write_recording(path, power_db, **sidecar)


def test_recordings_of_two_bands_become_a_report_of_both(bandwatch, tmp_path):
    recording(tmp_path / "monday.npy", node="roof", band="low")
    recording(tmp_path / "tuesday.npy", node="roof", band="low", start="2026-02-01T12:00:00Z")
    recording(tmp_path / "high.npy", 16, node="roof", band="high", first_hz=900e6)
    files = [tmp_path / name for name in ("monday.npy", "tuesday.npy", "high.npy")]
    out = tmp_path / "why"
    code, said, progress = bandwatch("explain", "clusters", "--data", *files, "--out", out, "--threads", 1)
    assert code == 0, progress
    record = json.loads((out / "report.json").read_text())
    assert [(band["node"], band["band"], band["windows"]) for band in record["bands"]] == [
        ("roof", "low", 16),
        ("roof", "high", 16),
    ]
    assert (record["node"], record["band"]) == ("roof", "low")
    assert record["tree"].keys() >= {"fidelity", "fidelity_training", "depth", "leaves"}
    assert record["tree"]["leaves"] == 2
    assert record["tree"]["fidelity_training"] == 1
    assert record["pca"]["components_85"] >= 1
    written = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert written == sorted([*record["files"], "report.json"])
    assert {"roof-low/tree.svg", "roof-low/tree.json", "roof-high/cluster-1-portrait.npz"} <= {*written}
    page = (out / "report.html").read_text()
    assert all(
        sentence in page for band in record["bands"] for sentence in ["A steady carrier", band["band"]]
    )
    assert "roof/high: 16 windows, 2 clusters; a tree of 2 leaves, depth 1, gives 100.0% of them" in said
    assert f"report: {out / 'report.html'}" in said


def test_clusters_have_the_agents_numbers_and_peoples_names(bandwatch, tmp_path, store):
    (tmp_path / "roof.yaml").write_text(ROOF)
    path = recording(tmp_path / "monday.npy", 16, node="roof", band="low")
    channel = open_recording(path)
    bundle = Bundle.load(shipped_bundle(), device="cpu", threads=1)
    windows = gather_evaluated([channel], most=64, stride_rows=128)
    features = np.concatenate([bundle.embed(batch) for batch in windows.batches()])
    agents = fit_band_model(features, geometry_of(channel), clusters=2, seed=7)
    states = StateFolder(store, bundle.name, lambda _: None)
    states.write("roof", "low", 1, {}, {"labels": {"model": agents.state()}})
    config = ("-c", tmp_path / "roof.yaml")
    assert bandwatch("name", "1", "garage <door> of $5 & $6", *config)[0] == 0
    assert bandwatch("mute", "0", "--why", "meters", *config)[0] == 0
    place = (bundle.hash, "roof", "low")
    edit_book(words_path(store), lambda book: book.using(place, [agents.name]))  # as a running agent does

    asked = ("explain", "clusters", "--data", path, "--threads", 1, *config)
    code, _, told = bandwatch(*asked, "--out", tmp_path / "why")
    assert code == 0, told
    assert "for other models" not in told
    (band,) = json.loads((tmp_path / "why" / "report.json").read_text())["bands"]
    assert (band["model"], band["model_from"]) == (agents.name, "agent")
    assert [each["name"] for each in band["clusters"]] == [None, "garage <door> of $5 & $6"]
    assert [each["normal"] for each in band["clusters"]] == ["cluster 0 (meters)", None]
    page = (tmp_path / "why" / "report.html").read_text()
    assert "Cluster 1: garage &lt;door&gt; of $5 &amp; $6</h3>" in page
    assert "Said to be normal: cluster 0 (meters)." in page
    assert ">cluster 1: garage &lt;door&gt; of" in (tmp_path / "why" / "roof-low" / "tree.svg").read_text()

    # Numbers of a model that was fitted for the report are others.
    states.write("roof", "low", 2, {}, {"labels": {"model": None}})
    code, _, told = bandwatch(*asked, "--out", tmp_path / "again")
    assert code == 0, told
    assert "roof/low: 1 of its names are for other models" in told
    (band,) = json.loads((tmp_path / "again" / "report.json").read_text())["bands"]
    assert band["model_from"] == "these windows"
    assert [each["name"] for each in band["clusters"]] == [None, None]

    (kept,) = (store / "state").glob("*/roof/low.state")
    kept.write_bytes(kept.read_bytes()[:-1])
    code, _, told = bandwatch(*asked, "--out", tmp_path / "third")
    assert code == 2
    assert "low.state: damaged" in told
    assert kept.is_file(), "the agent's own affair"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--out", "FULL"], "is not empty and holds no report of before"),
        (["--out", "FIRST"], "is a file; limit: a folder"),
        (["--data", "FIRST"], "is given twice"),
        (["--data", "WIDE"], "before it had 128 bins of 1000 Hz"),
        (["--data", "SLOW"], "has rows of 2 s, before they were of 0.5 s"),
        (["--bundle", "nowhere"], "bundle nowhere"),
        (["--data", "nowhere.npy"], "nowhere.npy"),
        ([], "recording/band: 8 windows, a report needs at least 16"),
    ],
)
def test_what_cannot_be_is_one_line_and_nothing_is_written(bandwatch, tmp_path, changes, message):
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    places = {"FULL": data, "FIRST": data / "first.npy", "WIDE": data / "wide.npy", "SLOW": data / "slow.npy"}
    same = {"node": "recording", "band": "band"}
    recording(places["FIRST"], **same)
    recording(places["WIDE"], bin_hz=2000.0, **same)
    recording(places["SLOW"], step_seconds=2.0, **same)
    arguments = ["--data", places["FIRST"], *(places.get(each, each) for each in changes)]
    if "--out" not in changes:
        arguments += ["--out", out]
    code, said, error = bandwatch("explain", "clusters", *arguments, "--threads", 1)
    assert code == 2
    assert not said
    assert message in error
    assert error.strip().startswith("error: ")
    assert "\n" not in error.strip()
    assert not out.exists()


def test_help_has_an_example(bandwatch):
    assert "Example: bandwatch explain clusters" in bandwatch("explain", "clusters", "--help")[1]
