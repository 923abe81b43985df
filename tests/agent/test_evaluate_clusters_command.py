"""`bandwatch evaluate clusters`: figures and predictions that agree with each other, or one line."""

import json

import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score

from bandwatch.agent.cli import main
from bandwatch.models.training_windows import cut_windows
from bandwatch.pipeline.replay import open_recording
from bandwatch.tests.recorded import real, write_recording

SMALL = ("--seeds", 1, "--clusters", 4, "--threads", 1)


@pytest.fixture
def bandwatch(capsys):
    """Runs the command line; gives its exit code and what it wrote to both streams."""

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        return left.value.code, *capsys.readouterr()

    return run


def recording(path, kind, seed):
    """Sixteen windows of one segment with a carrier, with stripes or with nothing."""
    power_db = np.random.default_rng(seed).normal(-100, 1, (128 * 16, 128)).astype(np.float32)
    if kind == "carrier":
        power_db[:, 60:64] += 20
    if kind == "stripes":
        power_db[::16] += 15
    return write_recording(path, power_db)


@pytest.fixture
def labelled(tmp_path):
    """Six recordings, two of each kind, and their label file."""
    kinds = ["carrier", "stripes", "nothing"] * 2
    files = [recording(tmp_path / f"{number}.npy", kind, number) for number, kind in enumerate(kinds)]
    labels = tmp_path / "labels.csv"
    lines = [f"{file.name},{kind}" for file, kind in zip(files, kinds, strict=True)]
    labels.write_text("\n".join(["path,label", *lines]) + "\n")
    return files, labels


def test_labelled_recordings_are_scored_and_predictions_give_the_same_scores(bandwatch, labelled, tmp_path):
    files, labels = labelled
    out, predictions = tmp_path / "out.json", tmp_path / "out.npz"
    code, said, progress = bandwatch(
        *("evaluate", "clusters", "--data", *files, "--labels", labels),
        *("--json", out, "--predictions", predictions, *SMALL),
    )
    assert code == 0, progress
    record = json.loads(out.read_text())
    assert set(record["models"]) == {
        *("pixels", "untrained", "hand-made", "default", "default+hand-made", "supervised")
    }
    assert record["data"]["truths"] == {"carrier": 32, "nothing": 32, "stripes": 32}
    assert record["data"]["truth"] == "labels"
    assert record["models"]["hand-made"]["nmi"] > 0.75
    assert record["models"]["supervised"]["predicted"]["accuracy"] > 0.95
    assert record["primary"] == "default"
    for name in ("pixels", "untrained", "hand-made", "default", "default+hand-made"):
        tree = record["models"][name]["tree"]
        figures = {"fidelity", "fidelity_training", "depth", "leaves"}
        assert tree.keys() == figures | {f"paper_{name}" for name in figures}
        assert tree["leaves"] == record["models"][name]["clusters"]
        assert 2 <= tree["depth"] <= 3
        assert 0.5 < tree["fidelity"] <= tree["fidelity_training"] <= 1

    found = np.load(predictions)
    windows = [window for file in files for window in cut_windows(open_recording(file), 128)]
    assert found["start_ns"].tolist() == [window.start_ns for window in windows]
    assert found["segment"].tolist() == [0] * 96
    assert found["path"].tolist() == [str(file) for file in files for _ in range(16)]
    assert found["labels"].dtype == np.int64
    again = normalized_mutual_info_score(found["truth"], found["labels"])
    assert record["models"]["default"]["nmi"] == pytest.approx(again)

    assert "96 windows of 96, 4 clusters, medians of 1 seeds" in said
    assert record["choice_of_k"]["words"] in said


def test_without_labels_and_with_fewer_windows_than_there_are(bandwatch, labelled, tmp_path):
    files, _ = labelled
    out = tmp_path / "out.json"
    arguments = ("--data", *files, "--json", out, "--most-windows", 40, *SMALL)
    code, _, progress = bandwatch("evaluate", "clusters", *arguments)
    assert code == 0, progress
    record = json.loads(out.read_text())
    assert (record["data"]["windows"], record["data"]["windows_given"]) == (40, 96)
    assert record["data"]["truth"] is None
    assert "nmi" not in record["models"]["default"]
    assert record["models"]["default"]["silhouette"] is not None


def test_a_simulated_band_with_its_truth_beside_a_bundle(bandwatch, tmp_path):
    band, truth, out = tmp_path / "band.npy", tmp_path / "truth.jsonl", tmp_path / "out.json"
    assert bandwatch("simulate", "--seconds", 110, "--seed", 3, "--out", band, "--windows", truth)[0] == 0
    from bandwatch.models.bundle import shipped_bundle

    code, _, progress = bandwatch(
        *("evaluate", "clusters", "--data", band, "--truth", truth, "--json", out, *SMALL),
        *("--bundle", shipped_bundle()),
    )
    assert code == 0, progress
    record = json.loads(out.read_text())
    assert record["primary"] == "bundle"
    assert record["models"]["bundle"] == record["models"]["default"]  # it is the same one
    assert record["data"]["truth"] == "simulator"
    kinds = [json.loads(line)["kind"] for line in truth.read_text().splitlines()]
    assert record["data"]["truths"] == {kind: kinds.count(kind) for kind in sorted(set(kinds))}
    assert record["data"]["segments"] == 8
    assert record["models"]["default"]["nmi_segment"] is not None


def test_real_iq_with_labels_of_files(bandwatch, tmp_path):
    folder = real("wifi-bt-iq")
    files = [folder / kind / f"{kind}_sdrsim_iq_0000{n}.mat" for kind in ("Noise", "WiFi") for n in (1, 2)]
    labels, out = tmp_path / "labels.csv", tmp_path / "out.json"
    labels.write_text("".join(f"{file.parent.name}/{file.name},{file.parent.name}\n" for file in files))
    code, _, progress = bandwatch(
        *("evaluate", "clusters", "--data", *files, "--labels", labels, "--json", out, *SMALL)
    )
    assert code == 0, progress
    record = json.loads(out.read_text())
    assert record["data"]["truths"] == {"Noise": 16, "WiFi": 16}
    assert record["data"]["segments"] == 8
    assert record["data"]["stretches"] == 4  # each kind has two recordings: halves hold whole ones
    assert record["data"]["nmi_truth_segment"] == pytest.approx(0, abs=1e-9)
    assert record["models"]["default"]["ceiling"].keys() == {
        *("nmi", "ami", "ari", "purity", "accuracy", "share")
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--labels", "LABELS", "--truth", "LABELS"], "--labels and --truth: give one of them"),
        (["--truth", "LABELS"], "--truth: 1 files for 2 recordings; limit: one for each, in order"),
        (["--predictions", "out.txt"], "--predictions out.txt: suffix is '.txt'; limit: .npz"),
        (["--json", "LABELS", "--labels", "LABELS"], "is one of the files read; take another name"),
        (["--json", "nowhere/out.json"], "the folder nowhere does not exist"),
        (["--labels", "nowhere.csv"], "--labels nowhere.csv: cannot be read"),
        (["--bundle", "nowhere"], "bundle nowhere"),
        (["--data", "FIRST"], "is given twice"),
    ],
)
def test_what_cannot_be_is_one_line_and_nothing_is_written(bandwatch, labelled, tmp_path, changes, message):
    files, labels = labelled
    places = {"LABELS": labels, "FIRST": files[0]}
    arguments = ["--data", files[0], files[1], *(places.get(each, each) for each in changes)]
    if "--json" not in changes:
        arguments += ["--json", tmp_path / "out.json"]
    before = labels.read_text()
    code, _, said = bandwatch("evaluate", "clusters", *arguments)
    assert code == 2, said
    assert message in " ".join(said.split())
    assert not (tmp_path / "out.json").exists()
    assert labels.read_text() == before


def test_windows_that_are_all_alike_and_no_halves_to_speak_of(bandwatch, tmp_path):
    files = [write_recording(tmp_path / f"{n}.npy", np.zeros((128 * n, 128))) for n in (20, 1)]
    labels, out = tmp_path / "labels.csv", tmp_path / "out.json"
    labels.write_text("20.npy,nothing\n1.npy,nothing\n")
    code, said, progress = bandwatch(
        *("evaluate", "clusters", "--data", *files, "--labels", labels, "--json", out, *SMALL)
    )
    assert code == 0, progress
    figures = json.loads(out.read_text())["models"]["default"]
    assert figures["clusters"] == 1
    assert figures["purity"] == 1
    assert figures["silhouette"] is figures["stability_halves"] is None
    assert "No number of clusters can be recommended" in said


def test_too_few_windows(bandwatch, tmp_path):
    short = write_recording(tmp_path / "short.npy", np.zeros((128 * 5, 128)))
    code, _, said = bandwatch("evaluate", "clusters", "--data", short, "--json", tmp_path / "out.json")
    assert code == 2
    assert "--data: 5 windows; limit: at least 16" in said


def test_help_has_an_example(bandwatch):
    code, said, _ = bandwatch("evaluate", "clusters", "--help")
    assert code == 0
    assert "Example: bandwatch evaluate clusters" in said
