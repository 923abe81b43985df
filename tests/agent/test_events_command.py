"""`bandwatch events` tells what a store holds: lines for people, JSON Lines for machines."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from bandwatch.agent.cli import main
from bandwatch.agent.commands.events import moment_ns
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import Gap
from bandwatch.pipeline.journal import Entry, Note
from bandwatch.pipeline.store import Store
from bandwatch.tests.jig import rows

SECOND = 1_000_000_000
NOW_NS = 1_769_860_800 * SECOND  # 2026-01-31T12:00:00Z


@pytest.fixture
def directory(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("BANDWATCH__STORE__DIRECTORY", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def agent(directory: Path):
    """A store that is being written: half of it compacted, half in the journal."""
    store = Store(directory, most_bytes=10**9, most_days=9, keep_free_bytes=0, told=pytest.fail)
    now = time.time_ns()
    verdict = {"segment": 2, "state": "novel", "was": "normal", "score": 0.98765, "reasons": ["a new kind"]}
    told: list[Entry] = [
        Note("", "", now - 3 * 86_400 * SECOND, "started", {"version": "0.1.0"}),
        Note("attic", "srd", now - 3600 * SECOND, "verdict", verdict),
        Note("attic", "srd", now - 3600 * SECOND, "cursor", {"place": [1, 2]}),
        Gap("attic", "srd", 7, 3, None, "lost", now - 1800 * SECOND),
        Gap("roof", "ism", 7, None, 9, "restart", now - 1700 * SECOND),
        *rows(3),
        Note("attic", "srd", now - 60 * SECOND, "fitted", {"windows": 96, "clusters": 5, "model": "ab"}),
        Note("roof", "ism", now - 50 * SECOND, "unrecorded", {"rows": 12, "reason": "disk full"}),
        Note("", "", now - 40 * SECOND, "recording", {"state": "resumed"}),
        Note("roof", "ism", now - 30 * SECOND, "stride", {"rows": 32}),
    ]
    store.journal.append(0, told[:4])
    store.journal.rotate()
    while store.tidy(4):
        pass
    store.journal.append(4, told[4:])
    yield store
    store.close()


def events(capsys, *arguments: str) -> list[str]:
    with pytest.raises(SystemExit) as ended:
        main(["events", *arguments])
    assert not ended.value.code
    return capsys.readouterr().out.splitlines()


@pytest.mark.usefixtures("agent")
def test_people_read_lines_while_the_agent_writes(capsys):
    lines = [line.split("Z  ", 1)[1].split(maxsplit=2) for line in events(capsys)]
    assert lines == [
        ["attic/srd", "verdict", "segment 2: novel, was normal (0.988); a new kind"],
        ["attic/srd", "gap", "lost: 3 rows lost"],
        ["roof/ism", "gap", "restart: unknown many rows lost, 9 samples"],
        ["attic/srd", "fitted", "model ab: 5 clusters of 96 windows"],
        ["roof/ism", "unrecorded", "12 rows are not in the store: disk full"],
        ["-", "recording", "state resumed"],
        ["roof/ism", "stride", "a window every 32 rows"],
    ]


@pytest.mark.usefixtures("agent")
def test_machines_read_json_lines_of_what_they_ask_for(capsys):
    found = [json.loads(line) for line in events(capsys, "--json", "--since", "1w")]
    assert [(each["entry"], each["kind"]) for each in found] == [
        (0, "started"),
        (1, "verdict"),
        (3, "gap"),
        (4, "gap"),
        (8, "fitted"),
        (9, "unrecorded"),
        (10, "recording"),
        (11, "stride"),
    ]
    assert found[1]["reasons"] == ["a new kind"]
    assert (found[2]["reason"], found[2]["lost_rows"], found[2]["lost_samples"]) == ("lost", 3, None)
    asked = ["--kind", "gap", "--kind", "cursor", "--node", "attic", "--band", "srd", "--json"]
    assert [json.loads(line)["entry"] for line in events(capsys, *asked)] == [2, 3]
    assert [
        json.loads(line)["entry"] for line in events(capsys, "--since", "2h", "--until", "45m", "--json")
    ] == [1]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:00:00Z", NOW_NS),
        ("2026-01-31T12:00:00", NOW_NS),
        ("2026-01-31 13:00:00.5+01:00", NOW_NS + SECOND // 2),
        ("2026-01-31", NOW_NS - 43_200 * SECOND),
        ("90m", NOW_NS - 5400 * SECOND),
        ("1.5h", NOW_NS - 5400 * SECOND),
        ("3d", NOW_NS - 259_200 * SECOND),
    ],
)
def test_times_and_ages(text, moment):
    assert moment_ns("--since", text, NOW_NS) == moment


def test_what_is_no_time_is_refused():
    for text in ("yesterday", "2026-13-01", "-3h", "3", "5y", ""):
        with pytest.raises(BadInput, match=f"--since: '{text}'; limit: a UTC time such as .* an age such as"):
            moment_ns("--since", text, NOW_NS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "no store here"),
        (["--since", "soon"], "--since: 'soon'; limit: a UTC time"),
        (["--since", "1h", "--until", "2h"], "--until 2h; limit: later than --since 1h"),
    ],
)
def test_a_mistake_is_one_line(directory, capsys, arguments, words):
    with pytest.raises(SystemExit) as ended:
        main(["events", *arguments])
    assert ended.value.code == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert words in errors[0]
