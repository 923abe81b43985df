"""Rows published = rows recorded + rows reported lost, from the first frame heard to the last announced."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bandwatch.benchmarks.soak_books import Books
from bandwatch.benchmarks.soak_events import PLANS, SETTINGS, Events
from bandwatch.benchmarks.soak_rig import Rig
from bandwatch.benchmarks.soak_truth import Stream, Truth, TruthWriter
from bandwatch.pipeline.frames import Gap, GapReason

STREAM = Stream("soak", "usual", stream=7, start_ns=10**18, duration_ns=10**8, bins=8)


@pytest.mark.slow
def test_after_random_events_the_books_are_even_and_every_row_is_the_one_published(tmp_path: Path):
    with Rig(tmp_path, PLANS, settings=SETTINGS) as rig:
        events = Events(rig, seed=1, stop_seconds=1.0, pause_seconds=1.0)
        events.begin()
        events.run(events.shuffled(len(events.kinds)))
        books = events.finish()
        assert books.faults == []
        assert rig.damage == []
        assert events.calm_checks == 1
        # Rows were lost in numbers, and so was a publisher.
        assert books.reasons["restart"] >= 1
        assert sum(account.lost_rows for account in books.accounts) > 100
        heard = {account.stream.band for account in books.accounts if account.rows}
        assert heard == {plan.name for plan in PLANS}


class TestTheBooksThemselves:
    """They find what they are for. A number is a row, a pair a gap: after which row, how many were lost."""

    @pytest.fixture
    def truth(self, tmp_path: Path) -> Truth:
        writer = TruthWriter(tmp_path, STREAM)
        for seq in range(100):
            writer.sending(seq)
        return Truth(tmp_path)

    def books(self, truth: Truth, *items) -> Books:
        entries = [STREAM.row(item) if isinstance(item, int) else lost(*item) for item in items]
        return Books(truth).take(enumerate(entries)).close()

    def test_rows_and_losses_that_follow_one_another_are_even(self, truth):
        books = self.books(truth, 3, 4, (4, 5), 10, (10, 2))
        assert books.faults == []
        (account,) = books.accounts
        assert (account.first, account.known, account.published) == (3, 12, 10)
        assert (account.rows, account.lost_rows) == (3, 7)
        assert books.unheard(account) == 87

    def test_counting_begins_with_the_heartbeat_that_was_heard_first(self, truth):
        books = self.books(truth, (4, 5), 10)
        assert books.faults == []
        assert books.accounts[0].first == 5

    @pytest.mark.parametrize(
        ("items", "words"),
        [
            ((3, 5), "1 rows are missing between 3 and 5; 0 were reported lost"),
            ((3, (3, 1), 6), "2 rows are missing between 3 and 6; 1 were reported lost"),
            ((3, (3, 1), 4), "0 rows are missing between 3 and 4; 1 were reported lost"),
            ((3, (9, 2), 6), "gap after row 9, between 3 and 3 expected"),
            ((3, 3), "row 3 after row 3: twice, or out of order"),
            ((3, 2), "row 2 after row 3: twice, or out of order"),
            ((98, 99, 100), "row 100 was never sent"),
            ((98, (98, 9)), "row 107 was never sent"),
        ],
    )
    def test_what_is_not_even_is_a_fault(self, truth, items, words):
        assert words in "; ".join(self.books(truth, *items).faults)

    def test_other_values_are_a_fault(self, truth):
        row = STREAM.row(3)
        louder = replace(row, power_db=np.nextafter(row.power_db, np.float32(0)))
        assert "other values" in "; ".join(Books(truth).take([(0, louder)]).faults)

    def test_another_stream_without_a_gap_is_a_fault(self, truth, tmp_path):
        other = replace(STREAM, stream=8)
        TruthWriter(tmp_path, other).sending(0)
        items = [(0, STREAM.row(3)), (1, other.row(0))]
        assert "another stream at row 0, and no gap said so" in "; ".join(Books(truth).take(items).faults)
        items.insert(1, (1, lost(3, None, "restart")))
        books = Books(truth).take((n, item) for n, (_, item) in enumerate(items)).close()
        assert books.faults == []
        assert [account.stream.stream for account in books.accounts] == [7, 8]


def lost(after_seq: int, lost_rows: int | None, reason: GapReason = "lost") -> Gap:
    return Gap("soak", "usual", after_seq, lost_rows, None, reason, 10**18)
