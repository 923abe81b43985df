"""The report of a forecast: a planted leader is found and told in words, and the page stands alone."""

import io
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from bandwatch.explain.chosen_inputs import dropped_parts, tried_rows
from bandwatch.explain.forecast_checks import PlantedLeader
from bandwatch.explain.forecast_figures import figure_count, forecast_figures
from bandwatch.explain.forecast_hours import HourProfile, hourly_mean, rmse_by_hour
from bandwatch.explain.forecast_report import forecast_record, forecast_report_html
from bandwatch.explain.forecast_study import GRAD_CAM, MEASURES, SHAP, StudyWatch, study_forecasts
from bandwatch.explain.forecast_words import consensus, forecast_words, places
from bandwatch.explain.rank_agreement import rank_correlation
from bandwatch.explain.sanity import TITLES
from bandwatch.explain.selected_forecasters import SelectionBudget, fit_selected
from bandwatch.explain.when_said import hour_ranges
from bandwatch.models.forecast_models import BASELINES, TRAINERS
from bandwatch.models.forecast_question import ForecastQuestion
from bandwatch.models.forecast_rows import ForecastRows
from bandwatch.models.forecast_training import fit_network
from bandwatch.pipeline.replay import open_recording
from bandwatch.tests.explain.chromium import chromium, found_chromium
from bandwatch.tests.explain.test_report_in_a_browser import LEAST_CONTRAST, PICTURES
from bandwatch.tests.recorded import write_recording

ROWS, LEARNED = 480, 380
SECONDS = 1800.0


@pytest.fixture(scope="module")
def planted():
    return PlantedLeader.make(3, rows=ROWS, frequencies=8)


@pytest.fixture(scope="module")
def asked(planted, tmp_path_factory):
    """Of a band in which one frequency does what all others do twelve rows later, ten days of half hours."""
    path = tmp_path_factory.mktemp("band") / "band.npy"
    write_recording(path, planted.values * 3 - 90, step_seconds=SECONDS, bin_hz=1e6)
    rows = ForecastRows.read(open_recording(path), None)
    rows = replace(rows, table=replace(rows.table, band="<b> & co"))  # a page trusts no name
    return ForecastQuestion(rows, slice(0, LEARNED), slice(LEARNED, ROWS), [slice(0, 8)])


def some_trainers():
    trainers = {name: TRAINERS[name] for name in (*BASELINES, "default")}
    trainers["cnn-lstm"] = lambda problem, seed, watch: fit_network(
        "cnn-lstm", problem, seed, watch, epochs=6
    )
    # One training of each fold and number: what is chosen from does not matter here, that it is told does.
    budget = SelectionBudget((3, 5), (4,), trial_epochs=1, epochs=2, iterations=10)
    trainers["gc-cnn-lstm"] = lambda problem, seed, watch: fit_selected(
        "gc-cnn-lstm", "grad-cam", problem, seed, watch, budget
    )
    return trainers


@pytest.fixture(scope="module")
def study(asked):
    return study_forecasts(asked, some_trainers(), BASELINES, "cnn-lstm", windows=24)


@pytest.fixture(scope="module")
def figures(study):
    found = {figure.name: figure for figure in forecast_figures(study)}
    assert len(found) == figure_count(study) == 7
    return found


@pytest.fixture(scope="module")
def page(study, figures):
    return forecast_report_html(study, forecast_words(study), figures, "one", {"recording": "a<b>.npy"})


def test_every_measure_puts_the_planted_leader_first(study, planted):
    assert [int(np.argmax(study.importance[name])) for name in MEASURES] == [planted.leader] * 4
    assert consensus(study.importance)[0] == planted.leader
    assert forecast_words(study).frequencies.startswith(
        f"By all four measures together, the cnn-lstm's forecast is driven most by {868 + planted.leader} MHz"
    )
    assert study.after_shuffling.keys() == {*MEASURES}


def test_the_map_covers_the_recording_and_its_rows_have_their_hours(study):
    assert study.map.shape == (ROWS, 8)
    assert np.isfinite(study.map).all()
    # From noon on, in half hours: rows are dated by their middles.
    assert study.hours[:3] == pytest.approx([12.25, 12.75, 13.25])
    np.testing.assert_allclose(study.map.mean(axis=0), study.importance[GRAD_CAM], rtol=1e-4)


def test_scores_are_those_of_rows_not_learned_from(study):
    table = study.rows.table.values
    origins = range(LEARNED, ROWS - 11)
    error = np.stack([table[o - 1] - table[o : o + 12] for o in origins])
    assert study.scores["repeat-last"].rmse == pytest.approx(np.sqrt(np.square(error).mean()), rel=1e-5)
    assert study.scores["cnn-lstm"].rmse < study.scores["repeat-last"].rmse


def test_the_page_is_well_formed_stands_alone_and_says_the_words(page, study):
    tree = ET.fromstring(page.removeprefix("<!DOCTYPE html>"))
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert {element.get("href")[1:] for element in tree.iter("a")} <= set(ids)
    sources = [value for element in tree.iter() for name, value in element.items() if name.endswith("src")]
    assert len(sources) == figure_count(study)
    assert all(re.match(r"data:image/(png|svg\+xml);base64,", source) for source in sources)
    assert not {*tree.iter("script"), *tree.iter("link")}
    said = " ".join("".join(tree.itertext()).split())
    words = forecast_words(study)
    told = (words.trust, words.frequencies, words.default, words.hours, words.back, words.errors)
    for sentence in (*told, *words.selected):
        assert " ".join(sentence.split()) in said
    assert "recording/<b> & co" in said
    for figure in tree.iter("figure"):
        assert len("".join(figure.find("figcaption").itertext())) > 100


def test_figures_have_the_numbers_of_the_study_and_are_the_same_each_time(study, figures):
    arrays = np.load(io.BytesIO(figures["map.png"].data))
    assert arrays["map"].tobytes() == study.map.tobytes()
    assert all(figure.data_name.endswith(".npz") for figure in figures.values())
    assert [each.content for each in forecast_figures(study)] == [each.content for each in figures.values()]


def test_columns_that_stand_close_have_names_of_their_own(study):
    table = replace(study.rows.table, frequencies_hz=868.2e6 + 750.0 * np.arange(8))
    narrow = replace(study, question=replace(study.question, rows=replace(study.rows, table=table)))
    top = next(each for each in forecast_figures(narrow) if each.name == "top-frequencies.svg")
    assert len(set(re.findall(rb"<!-- ([\d.]+ MHz) -->", top.content))) == 8


def test_the_record_is_plain_json(study, planted):
    record = json.loads(json.dumps(forecast_record(study, forecast_words(study)), allow_nan=False))
    assert record["driving"][0] == planted.leader
    assert record["models"].keys() == {*BASELINES, "default", "cnn-lstm", "gc-cnn-lstm"}
    assert record["rank_correlation"][SHAP][SHAP] == 1


def test_each_measures_sanity_stands_in_one_table(page, study):
    tree = ET.fromstring(page.removeprefix("<!DOCTYPE html>"))
    (table,) = [each for each in tree.iter("table") if [*each.itertext()][: len(TITLES)] == list(TITLES)]
    rows = {cells[0]: cells[1:] for cells in ([*row.itertext()] for row in table.find("tbody"))}
    assert rows.keys() == {*MEASURES}
    for name, cells in rows.items():
        numbers = [float(cell.replace("−", "-")) for cell in cells[:-1]]
        expected = study.agreement[name, "permutation"], study.agreement[name, "occlusion"]
        assert numbers == pytest.approx([*expected, study.after_shuffling[name]], abs=0.006)
        assert cells[-1] == "20 of 20"


def test_what_was_chosen_is_told(page, study):
    made = study.selected["gc-cnn-lstm"]
    record = forecast_record(study, forecast_words(study))["selected"]["gc-cnn-lstm"]
    assert record["retained"] == made.selection.columns.tolist()
    assert len(made.selection.columns) == made.retained
    (said,) = forecast_words(study).selected
    assert f"on the {made.retained} of 8 frequencies" in said
    assert f"without the {len(made.selection.dropped)} least important of 48 parts" in said
    gone = dropped_parts(study, made)
    assert gone.sum() == len(made.selection.dropped) > 0
    assert made.importance.segments[gone].max() <= np.nanmin(made.importance.segments[~gone])
    tried = tried_rows(study)
    assert tried.keys() == {f"{retained}, {dropped}" for retained, dropped in made.tried}
    assert [pair for pair, cells in tried.items() if "chosen" in cells[0]] == [
        f"{made.retained}, {made.dropped}"
    ]
    without = replace(study, selected={})
    figures = {figure.name: figure for figure in forecast_figures(without)}
    page = forecast_report_html(without, forecast_words(without), figures, "one", {})
    assert "Chosen inputs" not in page


def test_a_study_that_was_killed_goes_on_to_the_same_page(asked, study, page, tmp_path):
    class Killed(BaseException):
        """As nothing else ends a study."""

    def kept(model):
        return tmp_path / f"{model}.safetensors"

    def dies(done, _of):
        if begun[-1].startswith("gc-cnn-lstm") and done == 3:
            raise Killed

    begun, told = [], []
    with pytest.raises(Killed):
        study_forecasts(
            asked,
            some_trainers(),
            BASELINES,
            "cnn-lstm",
            windows=24,
            watch=StudyWatch(begun.append, dies, kept),
        )
    watch = StudyWatch(begun.append, lambda done, _of: told.append((begun[-1].split(":")[0], done)), kept)
    again = study_forecasts(asked, some_trainers(), BASELINES, "cnn-lstm", windows=24, watch=watch)
    of_network, of_other = (
        [done for each, done in told if each == name] for name in ("cnn-lstm", "gc-cnn-lstm")
    )
    assert of_network[0] == 6  # it was whole
    assert of_other[0] == 3  # it goes on where it was
    figures = {figure.name: figure for figure in forecast_figures(again)}
    assert page == forecast_report_html(
        again, forecast_words(again), figures, "one", {"recording": "a<b>.npy"}
    )


def test_a_network_worse_than_a_baseline_is_no_advice(study):
    def trust(rmse):
        scores = {**study.scores, "cnn-lstm": replace(study.scores["cnn-lstm"], rmse=rmse)}
        return forecast_words(replace(study, scores=scores)).trust

    best = study.scores[study.best_baseline].rmse
    assert "no advice to plan by" in trust(1.1 * best)
    assert "The cnn-lstm is 10 % worse" in trust(1.1 * best)
    assert "no advice" not in trust(0.9 * best)


def test_how_far_back_it_looks_is_told(study):
    newest, older = np.zeros(24, np.float32), np.zeros(24, np.float32)
    newest[-1], older[-6:-2] = 1, 1
    words = forecast_words(replace(study, steps={"cnn-lstm": older, "default": newest}))
    assert words.back == (
        "Half of what the cnn-lstm takes from its last 24 rows is in the newest 4 (2 h), and the newest 2 it "
        "does not heed at all; half of what the default takes from its last 24 rows is in the newest "
        "1 (30 min)."
    )


def test_what_hangs_on_nothing_is_not_explained(study):
    nothing = dict.fromkeys(MEASURES, np.zeros(8, np.float32))
    words = forecast_words(replace(study, importance=nothing, of_default=np.zeros(8, np.float32)))
    assert words.frequencies == "By no measure does the cnn-lstm's forecast hang on any frequency."
    assert "none alone drives it" in words.default


def test_weights_that_do_not_matter_are_told(study):
    told = replace(study, after_shuffling={GRAD_CAM: 0.9, SHAP: 0.1})
    trust = forecast_words(told).trust
    assert "Grad-CAM ranks frequencies much the same way" in trust
    assert "SHAP ranks them otherwise when weights are shuffled (0.10), as it should" in trust


def test_hours_are_named_where_they_are_steady_and_only_there(study):
    hours = np.arange(24 * 8, dtype=np.float32) % 24 + 0.5
    busy = (hours > 22) | (hours < 3)
    steady = HourProfile.of(np.where(busy, 3, 1).astype(np.float32), hours)
    assert steady.steady == pytest.approx(1)
    said = forecast_words(replace(study, attention=steady)).hours
    assert "what is heard at 22–03 UTC counts most" in said.replace("What", "what")
    noise = np.random.default_rng(0).normal(1, 0.4, hours.shape).astype(np.float32)
    assert HourProfile.of(noise, hours).steady < 0.5
    said = forecast_words(replace(study, attention=HourProfile.of(noise, hours))).hours
    assert said.startswith("No hour of the day drives the forecast")
    short = HourProfile.of(noise[:30], hours[:30])
    assert not short.whole
    assert "nothing can be said" in forecast_words(replace(study, attention=short)).hours


def test_hours_and_ranges_are_those_of_the_clock(study):
    assert hour_ranges(np.isin(np.arange(24), [0, 1, 22, 23, 7])) == "07–08 and 22–02"
    assert hour_ranges(np.isin(np.arange(24), [23])) == "23–24"
    assert hour_ranges(np.ones(24, dtype=bool)) == "00–24"
    assert places(np.array([4, 0, 3]), study) == "871–872 MHz and 868 MHz"
    hours = np.array([0.5, 0.9, 5.2, np.nan], np.float32)
    means = hourly_mean(np.array([1, 3, 7, 9], np.float32), hours)
    assert means[0] == 2
    assert means[5] == 7
    assert np.isnan(np.delete(means, [0, 5])).all()
    errors = np.array([[[3.0], [1.0]], [[4.0], [2.0]]], np.float32)
    found = rmse_by_hour(errors, np.array([0, 1]), np.array([1, 2, 3], np.float32))
    assert found[1:4] == pytest.approx([3, np.sqrt((1 + 16) / 2), 2])


def test_rank_correlation_is_spearmans():
    one = np.array([1, 2, 3, 4], np.float32)
    assert rank_correlation(one, one**3) == pytest.approx(1)
    assert rank_correlation(one, -one) == pytest.approx(-1)
    assert rank_correlation(one, np.array([2, 1, 4, 3], np.float32)) == pytest.approx(0.6)
    assert np.isnan(rank_correlation(one, np.ones(4, np.float32)))


def test_it_opens_in_a_browser_light_dark_and_printed(study, page, tmp_path):
    found_chromium()
    path = tmp_path / "report.html"
    path.write_text(page)
    with chromium(tmp_path) as browser:
        for media, scheme in (("screen", "light"), ("screen", "dark"), ("print", "dark")):
            browser.show(media=media, scheme=scheme)
            browser.open(path.as_uri())
            assert browser.complaints() == []
            assert browser.requests() == [path.as_uri()]
            contrast, worst = browser.value(LEAST_CONTRAST)
            assert contrast >= 4.5, worst
            pictures = browser.value(PICTURES)
            assert len(pictures) == figure_count(study)
            assert all(each["loaded"] and min(each["width"], each["height"]) > 100 for each in pictures)
            assert {each["ground"] for each in pictures} == {"rgb(255, 255, 255)"}
            assert browser.value("document.documentElement.scrollWidth <= innerWidth")
        assert max(each["height"] for each in pictures) <= 19.5 / 2.54 * 96 + 1
