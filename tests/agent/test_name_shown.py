"""Names stand wherever clusters are shown."""

import io
import json

import msgspec
from prometheus_client import CollectorRegistry
from rich.console import Console

from bandwatch.agent.logs import open_log
from bandwatch.agent.metric_table import MOST_NAMES
from bandwatch.agent.outputs import Fitted, Named
from bandwatch.agent.records import Records
from bandwatch.agent.status import StatusBoard
from bandwatch.agent.status_table import draw
from bandwatch.agent.telemetry import Telemetry
from bandwatch.tests.every_output import assignment, row, verdict

FITTED = Fitted("node", "band", 0, 12, "band-model")


def named(*names: tuple[int, str]) -> Named:
    return Named("node", "band", names)


def info(registry: CollectorRegistry) -> set[tuple[str, str]]:
    return {
        (sample.labels["cluster"], sample.labels["kind"])
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "bandwatch_cluster_info" and sample.value == 1
    }


def test_cluster_info_has_the_present_names_and_no_other():
    registry = CollectorRegistry()
    telemetry = Telemetry(registry, open_log("error"))
    for names in ([(3, "LoRa"), (7, "meter")], [(3, "garage"), (7, "meter")], [(7, "meter")]):
        telemetry.take(named(*names))
        assert info(registry) == {(str(number), name) for number, name in names}
    telemetry.take(named(*((n, f"n{n}") for n in range(1000))))
    assert len(info(registry)) == MOST_NAMES
    telemetry.take(named())
    assert info(registry) == set()


def board(*outputs) -> StatusBoard:
    found = StatusBoard(version="0.1.0")
    for output in (FITTED, row(), *outputs):
        found.take(output)
    return found


def test_the_status_gives_each_segment_the_name_of_its_cluster():
    status = board(named((3, "LoRa")), assignment(0, 3), assignment(1, 4)).snapshot()
    segments = json.loads(msgspec.json.encode(status))["bands"][0]["segments"]
    assert [(each["cluster"], each["name"]) for each in segments[:3]] == [
        (3, "LoRa"),
        (4, None),
        (None, None),
    ]


def text(status_board: StatusBoard, columns: int) -> str:
    console = Console(file=io.StringIO(), width=columns, color_system=None, legacy_windows=False)
    console.print(draw(status_board.snapshot(), None, columns))
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


def test_the_live_view_names_the_clusters_it_shows_in_one_line_that_fits():
    shown = [assignment(0, 3), assignment(1, 4), assignment(2, 3), verdict(0, "normal")]
    assert "names     3 LoRa · 4 [red]gate[/]" in text(
        board(named((3, "LoRa"), (4, "[red]gate[/]"), (9, "x")), *shown), 80
    )
    assert "names" not in text(board(named((9, "x")), *shown), 80)
    long = text(board(named((3, "字" * 64), (4, "gate")), *shown), 80).splitlines()
    (line,) = [each for each in long if "names" in each]
    assert "…" in line
    assert line.endswith("│")


def test_records_of_a_replay_know_nothing_of_names(tmp_path):
    with Records(tmp_path / "out.jsonl") as records:
        records.take(named((3, "LoRa")))
    assert [json.loads(each)["kind"] for each in (tmp_path / "out.jsonl").read_text().splitlines()] == [
        "summary"
    ]
