"""Names and mutes of what a band does not have are kept, with a note of what there is."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from bandwatch.agent.cli import main
from bandwatch.agent.kept_band import kept_band
from bandwatch.agent.state import StateFolder, state_file
from bandwatch.agent.words_file import read_book, words_path
from bandwatch.models.bundle import shipped_bundle

HASH = hashlib.sha256((shipped_bundle() / "manifest.yaml").read_bytes()).hexdigest()
BUNDLE = HASH[:12]  # its name: what an agent's folders are called by
SETTINGS = """
node: {name: roof}
bands:
- name: srd-868
  source: {kind: radio, device: driver=none, center_hz: 868.3e6, sample_rate_hz: 1.024e6}
- name: lte
  source: {kind: stream, endpoint: "tcp://127.0.0.1:1", node: mast}
"""
GEOMETRY = {"first_hz": 700.05e6, "bin_hz": 100e3, "bins": 100}


@pytest.fixture
def said(tmp_path: Path, monkeypatch, capsys):
    """Runs a command that goes well; what it says on stderr."""
    monkeypatch.setenv("BANDWATCH__STORE__DIRECTORY", str(tmp_path / "state"))
    settings = tmp_path / "bands.yaml"
    settings.write_text(SETTINGS)

    def run(*arguments: str) -> str:
        try:
            main([*arguments, "-c", str(settings)])
        except SystemExit as ended:
            assert not ended.code
        return capsys.readouterr().err

    return run


def keep(folder: Path, node: str, band: str, clusters: list[int] | None) -> Path:
    model = None if clusters is None else {"arrays": {"clusters": np.array(clusters, np.int64)}}
    state = {"labels": {"model": model}, "geometry": GEOMETRY}
    StateFolder(folder / "state", BUNDLE, pytest.fail).write(node, band, 1, {}, state)
    return state_file(folder / "state", BUNDLE, node, band)


def test_a_cluster_that_is_not_there_is_kept_and_those_that_are_told(said, tmp_path):
    assert said("name", "77", "gate", "--band", "srd-868") == "", "no state: nothing is known"
    path = keep(tmp_path, "roof", "srd-868", None)
    assert said("name", "77", "gate", "--band", "srd-868") == "", "no model yet"
    keep(tmp_path, "roof", "srd-868", [9, 0, 1, 2, 4])
    note = "note: there is no cluster 77 now: the model of roof/srd-868 has 0 to 2, 4, 9\n"
    assert said("name", "77", "gate", "--band", "srd-868") == note
    assert said("mute", "77", "--band", "srd-868") == note
    assert said("name", "9", "door", "--band", "srd-868") == ""
    assert said("name", "77", "", "--band", "srd-868") == "", "what goes needs no note"
    assert said("mute", "77", "--remove", "--band", "srd-868") == ""
    assert {each.cluster for each in read_book(words_path(tmp_path / "state")).names} == {9}
    path.write_bytes(path.read_bytes()[:-1])
    assert said("name", "77", "gate", "--band", "srd-868") == "", "the agent tells of damage"


def test_a_range_outside_the_band_is_kept_and_the_bands_told(said, tmp_path):
    note = "note: all of it is outside the band: roof/srd-868 is 867.79–868.81 MHz\n"
    assert said("mute", "433.1-434.7MHz", "--band", "srd-868") == note
    assert said("mute", "868.812-869.5MHz", "--band", "srd-868") == note
    assert said("mute", "868.7-869.5MHz", "--band", "srd-868") == "", "some of it is inside"
    assert said("mute", "433.1-434.7MHz", "--remove", "--band", "srd-868") == ""
    assert said("mute", "433.1-434.7MHz", "--band", "lte") == "", "only its publisher knows"
    keep(tmp_path, "mast", "lte", None)
    note = "note: all of it is outside the band: mast/lte is 700.0–710.0 MHz\n"
    assert said("mute", "433.1-434.7MHz", "--band", "lte") == note
    assert said("mute", "709-720MHz", "--band", "lte") == ""


def test_what_an_agent_kept_is_read(tmp_path):
    keep(tmp_path, "mast", "lte", [3, 1])
    kept = kept_band(tmp_path / "state", HASH, "mast", "lte")
    assert kept is not None
    assert (kept.clusters, kept.edges_hz) == ((1, 3), (700e6, 710e6))
    assert kept_band(tmp_path / "state", HASH, "mast", "srd") is None
