"""Whatever the bytes of a file or a message: it is read, or refused in one line, in bounded memory.

The inputs are those by which a fuzzer reached new code: see docs/robustness.md.
"""

from __future__ import annotations

import importlib
import resource
import sys
from pathlib import Path

import pytest

import bandwatch

ROOT = Path(bandwatch.__file__).resolve().parent
CORPUS = Path(__file__).parent / "corpus"
MOST_GROWTH_MB = 250


sys.path.append(str(ROOT / "benchmarks"))
TARGETS = importlib.import_module("fuzz_targets").TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_no_bytes_make_anything_but_rows_or_a_refusal(name: str, tmp_path: Path) -> None:
    inputs = sorted((CORPUS / name).iterdir())
    assert inputs
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes = [TARGETS[name].run(each.read_bytes(), tmp_path) for each in inputs]
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MOST_GROWTH_MB
    assert all(outcome is None or outcome.strip() for outcome in outcomes)


@pytest.mark.parametrize("name", TARGETS)
def test_what_a_target_begins_from_is_read(name: str, tmp_path: Path) -> None:
    assert TARGETS[name].run(TARGETS[name].seeds()[0], tmp_path) is None


def test_the_corpus_stays_small() -> None:
    sizes = [each.stat().st_size for each in CORPUS.rglob("*") if each.is_file()]
    assert max(sizes) <= 64 * 1024
    assert sum(sizes) <= 1_500_000
