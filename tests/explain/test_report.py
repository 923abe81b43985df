"""The report: one page that stands alone, figures with their numbers, a folder that is not overwritten."""

import io
import json
import os
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from bandwatch.explain.cluster_study import study_clusters
from bandwatch.explain.report import BandPages, report_html
from bandwatch.explain.report_figures import figure_count, figures_of
from bandwatch.explain.report_folder import PAGE_FILE, RECORD_FILE, band_folders, check_folder, write_report
from bandwatch.explain.report_record import record_of
from bandwatch.models.bundle import Bundle, shipped_bundle
from bandwatch.models.bundle_training import geometry_of
from bandwatch.models.evaluated_windows import gather_evaluated
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.replay import open_recording
from bandwatch.tests.recorded import write_recording


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Sixteen windows, a carrier and stripes by turns; a band whose name must be escaped."""
    power_db = np.random.default_rng(0).normal(-100, 1, (128 * 16, 128)).astype(np.float32)
    for first in range(0, len(power_db), 256):
        power_db[first : first + 128, 60:64] += 20
        power_db[first + 128 : first + 256 : 16] += 15
    recording = open_recording(write_recording(tmp_path_factory.mktemp("band") / "band.npy", power_db))
    windows = gather_evaluated([recording], most=64, stride_rows=128)
    geometry = replace(geometry_of(recording), band="<b> & co")
    return study_clusters(windows, geometry, 0.5, Bundle.load(shipped_bundle(), device="cpu", threads=1))


@pytest.fixture(scope="module")
def figures(study):
    found = list(figures_of(study))
    assert len(found) == figure_count(study) == 4 + 2 * 2
    return {figure.name: figure for figure in found}


@pytest.fixture(scope="module")
def page(study, figures):
    bands = [BandPages(study, figures, "one"), BandPages(study, figures, "two")]
    return report_html(bands, {"recordings": "a<b>.npy"})


def test_the_page_is_well_formed_and_all_links_lead_to_a_place_in_it(page):
    tree = ET.fromstring(page.removeprefix("<!DOCTYPE html>"))
    places = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(places) == len(set(places))
    links = [element.get("href") for element in tree.iter("a")]
    assert len(links) > 10
    assert all(link.startswith("#") and link[1:] in places for link in links)
    for band in (0, 1):
        assert {f"band-{band}", f"tree-{band}", f"band-{band}-cluster-0", f"band-{band}-cluster-1"} <= {
            *places
        }


def test_the_page_loads_nothing_and_runs_nothing(page):
    tree = ET.fromstring(page.removeprefix("<!DOCTYPE html>"))
    policy = next(element for element in tree.iter("meta") if element.get("http-equiv"))
    assert policy.get("http-equiv") == "Content-Security-Policy"
    assert policy.get("content").startswith("default-src 'none'")
    sources = [value for element in tree.iter() for name, value in element.items() if name.endswith("src")]
    assert len(sources) == 2 * (2 + 2 * 2)  # all but the trees
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not {*tree.iter("script"), *tree.iter("link"), *tree.iter("iframe")}
    without_pictures = re.sub(r'"data:[^"]*"', "", page)
    assert set(re.findall(r"https?://[^\"' ]+", without_pictures)) == {"http://www.w3.org/2000/svg"}
    assert "@import" not in page
    assert "url(" not in without_pictures


def test_every_figure_has_a_caption_and_every_cluster_its_words(page, study):
    tree = ET.fromstring(page.removeprefix("<!DOCTYPE html>"))
    drawn = list(tree.iter("figure"))
    assert len(drawn) == 2 * 8
    for figure in drawn:
        caption = "".join(figure.find("figcaption").itertext())
        assert len(caption) > 100
        assert re.search(r"File: (one|two)/\S+, its numbers in (one|two)/\S+\.(npz|json)\.$", caption)
    said = " ".join("".join(tree.itertext()).split())
    for cluster in study.clusters:
        for words in (cluster.words.sentence, cluster.words.distinction, cluster.rule, cluster.path):
            assert " ".join(words.split()) in said
        for example in cluster.examples:
            assert example.words.text in said
    assert "recording/<b> & co" in said
    assert "a<b>.npy" in said


def test_the_page_is_for_dark_screens_and_for_print(page):
    assert "@media (prefers-color-scheme: dark)" in page
    assert "@media print" in page
    # Figures have dark ink: the card they stand on is white whatever the screen is.
    assert re.search(r"\.picture \{ background: #ffffff", page)


def test_a_figures_numbers_are_those_that_were_drawn(study, figures):
    for figure in figures.values():
        assert figure.data_name.rsplit(".", 1)[0] == figure.name.rsplit(".", 1)[0]
        if figure.name.endswith(".png"):
            picture = Image.open(io.BytesIO(figure.content)).convert("RGB")
            assert picture.getpixel((0, 0)) == (255, 255, 255)  # opaque, so the same on any ground
            assert len(picture.getcolors(2**24)) > 50
    maps = np.load(io.BytesIO(figures["cluster-0-attribution.png"].data))
    cluster = study.clusters[0]
    assert maps["maps"][0].tobytes() == cluster.attribution.tobytes()
    own = study.assigned.windows.values[study.assigned.clusters == 0].astype(np.float32)
    assert np.allclose(maps["windows"][0], own.mean(axis=0), atol=1e-6)
    for name in ("tree.svg", "paper-tree.svg"):
        tree = json.loads(figures[name].data)
        assert [node["samples"] for node in tree["nodes"]] == [16, 8, 8]
    variance = np.load(io.BytesIO(figures["components.png"].data))["cumulative_variance"]
    assert study.components.components_for(0.85) == np.argmax(variance >= 0.85) + 1


def test_the_record_has_the_trees_and_components_and_is_plain_json(study):
    record = json.loads(json.dumps(record_of(study), allow_nan=False))
    assert (record["tree"]["leaves"], record["tree"]["depth"], record["tree"]["fidelity_training"]) == (
        2,
        1,
        1,
    )
    assert record["tree"]["fidelity"] == study.trees.bisector_fidelity.held_out
    assert record["paper_tree"]["fidelity"] == study.trees.shallow_fidelity.held_out
    assert record["pca"]["components_85"] == study.components.components_for(0.85)
    assert [each["windows"] for each in record["clusters"]] == [8, 8]
    trees = replace(study.trees, bisector_fidelity=replace(study.trees.bisector_fidelity, held_out=np.nan))
    assert record_of(replace(study, trees=trees))["tree"]["fidelity"] is None


def test_a_report_replaces_one_of_before_and_nothing_else(tmp_path):
    folder, mine = tmp_path / "report", tmp_path / "mine.txt"
    mine.write_text("mine")
    write_report(folder, {"data": []}, "<p/>", {"old/a.png": b"1", "both/b.png": b"1"})
    (folder / "both" / "notes.txt").write_text("mine")
    record = json.loads((folder / RECORD_FILE).read_text())
    assert record["files"] == ["both/b.png", "old/a.png", PAGE_FILE]
    # A list that somebody wrote must not lead out of the folder.
    record["files"] += ["../mine.txt", str(mine), "both/../../mine.txt"]
    (folder / RECORD_FILE).write_text(json.dumps(record))
    write_report(folder, {"data": []}, "<p>2</p>", {"both/b.png": b"2"})
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert found == ["both/b.png", "both/notes.txt", PAGE_FILE, RECORD_FILE]
    assert not (folder / "old").exists()
    assert (folder / PAGE_FILE).read_text() == "<p>2</p>"
    assert mine.read_text() == "mine"


@pytest.mark.parametrize("content", [None, "{}", "not json", '{"kind": "clusters"}', "[]"])
def test_a_folder_with_other_things_is_refused(tmp_path, content):
    (tmp_path / "thesis.tex").write_text("years of work")
    if content is not None:
        (tmp_path / RECORD_FILE).write_text(content)
    with pytest.raises(BadInput, match=r"is not empty and holds no report of before; limit: a new"):
        check_folder(tmp_path)


def test_a_file_is_no_folder_and_an_empty_folder_is_fine(tmp_path):
    check_folder(tmp_path)
    (tmp_path / "a").touch()
    with pytest.raises(BadInput, match=r"--out .*a: is a file; limit: a folder$"):
        check_folder(tmp_path / "a")
    with pytest.raises(BadInput, match=r"--out .*b: .*a is a file; limit: a folder$"):
        check_folder(tmp_path / "a" / "b")
    check_folder(tmp_path / "b" / "c")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_where_the_system_lets_nobody_write_is_said_at_once(tmp_path):
    tmp_path.chmod(0o555)
    with pytest.raises(BadInput, match=r"--out .*why: cannot be written: .* does not let us$"):
        check_folder(tmp_path / "why")


def test_folders_of_bands_are_plain_and_differ():
    bands = [("n", "868 MHz"), ("n", "868/MHz"), ("..", ".."), ("node", "band")]
    assert band_folders(bands) == ["n-868-MHz", "n-868-MHz--2", "band", "node-band"]
