"""rtl_power's tables as rtl_power.c writes them: every bin where it was measured, every time in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.formats import format_of
from bandwatch.pipeline.frames import Gap, PsdFrame
from bandwatch.pipeline.readers.dated_lines import LONGEST_LINE_BYTES
from bandwatch.pipeline.readers.reader import HEAD_BYTES, Identity, Opening
from bandwatch.pipeline.readers.rtl_power_csv import FORMAT
from bandwatch.pipeline.readers.soapy_power_csv import FORMAT as SOAPY_FORMAT
from bandwatch.pipeline.sidecar import Sidecar
from bandwatch.tests.recorded import real

IDENTITY = Identity("node", "band", 7)
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
NS = 1_000_000_000


def hop(center_hz: int, rate: int, length: int, power: np.ndarray, crop: float = 0.0) -> str:
    """The columns after the time, as `csv_dbm` of rtl_power.c writes them; `power` dB [length], in order."""
    bin_count = int(length * (1.0 - crop))
    half_width = int(rate * bin_count / (length * 2))
    first = int(length * crop * 0.5)
    last = length - 1 - first
    columns = f"{center_hz - half_width}, {center_hz + half_width}, {rate / length:.2f}, 1000, "
    return columns + "".join(f"{db:.2f}, " for db in power[first : last + 1]) + f"{power[last]:.2f}"


def bin_centers(center_hz: int, rate: int, length: int, crop: float = 0.0) -> np.ndarray:
    """Where those bins were measured: the FFT's, zero frequency in the middle."""
    first = int(length * crop * 0.5)
    return (center_hz + (np.arange(length) - length / 2) * rate / length)[first : length - first]


def table(path: Path, rows: list[tuple[str, list[str]]], end: str = "\n") -> Path:
    path.write_text("\n".join(f"{stamp}, {columns}" for stamp, hops in rows for columns in hops) + end)
    return path


def opened(path: Path, zone: str | None = None, **sidecar):
    return FORMAT.open(path, Sidecar(path, **sidecar), Opening(time_zone=ZoneInfo(zone) if zone else None))


def items_of(reader) -> list[PsdFrame | Gap]:
    return list(reader.frames(IDENTITY, 16, None))


def stamp(second: int) -> str:
    return datetime.fromtimestamp(NOON.timestamp() + second, UTC).strftime("%Y-%m-%d, %H:%M:%S")


def levels(length: int, seed: int = 0) -> np.ndarray:
    return np.round(np.random.default_rng(seed).normal(-60, 5, length), 2)


class TestBins:
    @pytest.mark.parametrize("crop", [0.0, 0.2, 0.3, 0.5, 0.9])
    @pytest.mark.parametrize(("rate", "length"), [(2_400_000, 1024), (1_000_001, 16), (2_800_000, 65536)])
    def test_bins_are_where_the_fft_measured_them(self, tmp_path, rate, length, crop):
        power = levels(length)
        rows = [(stamp(10 * row), [hop(100_000_000, rate, length, power, crop)]) for row in range(2)]
        reader = opened(table(tmp_path / "power.csv", rows))
        centers = bin_centers(100_000_000, rate, length, crop)
        facts = reader.facts
        assert facts.bins == len(centers)
        found = facts.first_hz + np.arange(facts.bins) * facts.bin_hz
        # Hz low and high are rounded to 1 Hz, the step to 0.01 Hz: how much was cropped stays open by a bin.
        assert np.abs(found - centers).max() < 0.5 * rate / length + 1
        kept = power[int(length * crop * 0.5) :][: len(centers)]
        assert np.array_equal(items_of(reader)[0].power_db, kept.astype(np.float32))

    def test_hops_of_an_uncropped_sweep_abut(self, tmp_path):
        rate, length = 2_797_996, 64  # 24M:1700M:50k
        hops = [
            hop(24_000_000 + turn * rate + rate // 2, rate, length, levels(length, turn))
            for turn in range(599)
        ]
        reader = opened(table(tmp_path / "power.csv", [(stamp(0), hops), (stamp(60), hops)]))
        assert (reader.facts.rows, reader.facts.bins) == (2, 599 * 64)
        assert reader.facts.first_hz == 24_000_000
        assert reader.facts.bin_hz == pytest.approx(rate / length, rel=1e-7)
        power = np.concatenate([levels(length, turn) for turn in range(599)]).astype(np.float32)
        assert np.array_equal(items_of(reader)[1].power_db, power)

    def test_hops_of_a_cropped_sweep_overlap_and_no_bin_is_missing(self, tmp_path):
        seen, crop = 1_900_000, 0.3
        rate, length = int(seen / (1 - crop)), 256
        hops = [hop(90_000_000 + turn * seen, rate, length, levels(length, turn), crop) for turn in range(8)]
        reader = opened(table(tmp_path / "power.csv", [(stamp(0), hops), (stamp(10), hops)]))
        assert all(np.isfinite(item.power_db).all() for item in items_of(reader))
        assert reader.facts.bins == pytest.approx(8 * seen / (rate / length), abs=3)
        assert any("measured twice" in problem for problem in reader.facts.problems)

    def test_a_bin_as_wide_as_a_hop_lies_in_its_middle(self, tmp_path):
        hops = [
            hop(100_500_000 + turn * 1_000_000, 1_000_000, 1, np.array([-40.0 - turn])) for turn in range(3)
        ]
        reader = opened(table(tmp_path / "power.csv", [(stamp(0), hops), (stamp(10), hops)]))
        assert (reader.facts.first_hz, reader.facts.bin_hz, reader.facts.bins) == (100.5e6, 1e6, 3)
        assert items_of(reader)[0].power_db.tolist() == [-40, -41, -42]

    def test_a_real_recording_has_its_two_bins_and_its_holes(self):
        path = real("rtl-power/MRBh-2_slot18-20241128101401.csv")
        assert FORMAT.matches is not None
        assert FORMAT.matches(path, path.read_bytes()[:HEAD_BYTES])
        reader = opened(path)
        facts = reader.facts
        assert (facts.rows, facts.bins, facts.first_hz, facts.bin_hz) == (338, 2, 906_250_000, 125_000)
        assert (facts.step_ns, facts.unit) == (10 * NS, "dB")
        items = items_of(reader)
        assert items[0].time_ns == round(datetime(2024, 11, 28, 10, 14, 11, tzinfo=UTC).timestamp()) * NS
        assert np.array_equal(items[0].power_db, np.float32([-9.59, -9.59]))
        assert [item.lost_rows for item in items if isinstance(item, Gap)] == [35, 79]


class TestTimes:
    def rows_at(self, path, clocks, day="2026-10-25"):
        return table(
            path, [(f"{day}, {clock}", [hop(100_000_000, 2_000_000, 2, levels(2))]) for clock in clocks]
        )

    def utc_of(self, reader):
        starts = [item.time_ns // NS for item in items_of(reader) if isinstance(item, PsdFrame)]
        return [datetime.fromtimestamp(start, UTC).strftime("%H:%M:%S") for start in starts]

    def test_local_times_of_an_unknown_zone_are_taken_as_utc_and_told(self, tmp_path):
        reader = opened(self.rows_at(tmp_path / "power.csv", ["12:00:00", "12:00:10"]))
        assert self.utc_of(reader) == ["12:00:00", "12:00:10"]
        assert reader.facts.problems == (
            "local times of an unknown zone taken as UTC; write time_zone in the sidecar or give --time-zone",
        )

    def test_the_sidecar_s_zone_goes_before_the_one_asked_for(self, tmp_path):
        path = self.rows_at(tmp_path / "power.csv", ["12:00:00", "12:00:10"], day="2026-07-01")
        assert self.utc_of(opened(path, zone="America/New_York")) == ["16:00:00", "16:00:10"]
        both = opened(path, zone="America/New_York", time_zone=ZoneInfo("Asia/Kolkata"))
        assert self.utc_of(both) == ["06:30:00", "06:30:10"]
        assert both.facts.problems == ()

    def test_the_hour_that_comes_twice_goes_on_where_the_first_ended(self, tmp_path):
        clocks = ["01:30:00", "02:00:00", "02:30:00", "02:00:00", "02:30:00", "03:00:00"]
        reader = opened(self.rows_at(tmp_path / "power.csv", clocks), zone="Europe/Berlin")
        assert self.utc_of(reader) == ["23:30:00", "00:00:00", "00:30:00", "01:00:00", "01:30:00", "02:00:00"]
        assert not [item for item in items_of(reader) if isinstance(item, Gap)]

    def test_a_recording_that_begins_in_it_begins_in_the_first(self, tmp_path):
        reader = opened(self.rows_at(tmp_path / "power.csv", ["02:30:00", "02:30:10"]), zone="Europe/Berlin")
        assert self.utc_of(reader) == ["00:30:00", "00:30:10"]

    def test_a_time_that_never_was_is_counted_on_and_told(self, tmp_path):
        path = self.rows_at(tmp_path / "power.csv", ["01:59:50", "02:00:00", "03:00:10"], day="2026-03-29")
        reader = opened(path, zone="Europe/Berlin")
        assert self.utc_of(reader) == ["00:59:50", "01:00:00", "01:00:10"]
        assert reader.facts.problems == (
            "line 2: '2026-03-29, 02:00:00' never was in Europe/Berlin: counted on from before the clocks"
            " changed",
        )


class TestBrokenLines:
    def test_lines_that_cannot_be_read_are_told_by_number_and_left_out(self, tmp_path):
        good = hop(100_000_000, 2_000_000, 4, np.array([-1.0, -2, -3, -4]))
        path = tmp_path / "power.csv"
        path.write_text(
            f"{stamp(0)}, {good}\n"
            f"{stamp(10)}, 99000000, 101000000\n"
            f"\n"
            f"2026-02-30, 12:00:00, {good}\n"
            f"{stamp(20)}, {good[:-14]}\n"
            f"{stamp(30)}, {good.replace('99000000', 'nonsense')}\n"
            f"{stamp(40)}, {good}\n"
        )
        reader = opened(path, zone="UTC")
        assert reader.facts.rows == 2
        told = reader.facts.problems
        assert [problem.split(":")[0] for problem in told] == ["line 2", "line 4", "line 5", "line 6"]
        for problem, said in zip(told, ("4 columns", "no date and time", "cut?", "nonsense"), strict=True):
            assert said in problem

    def test_values_that_are_no_numbers_are_nan_in_their_place(self, tmp_path):
        columns = "99000000, 101000000, 500000.00, 10, "
        rows = [
            (stamp(0), [f"{columns}nan, -inf, -3.00, 1_0, 1_0"]),
            (stamp(10), [f"{columns}-1.#J, 1.#INF, -1.#IND, -4.00, -4.00"]),
            (stamp(20), [f"{columns}-1.00, -2..0, rubbish, -4.00, -4.00"]),
        ]
        reader = opened(table(tmp_path / "power.csv", rows), zone="UTC")
        rows_of = [item.power_db for item in items_of(reader) if isinstance(item, PsdFrame)]
        nan, inf = np.nan, np.inf
        assert np.array_equal(
            rows_of,
            np.float32([[nan, -inf, -3, nan], [-inf, inf, nan, -4], [-1, nan, nan, -4]]),
            equal_nan=True,
        )
        assert any("line 3: 2 of 5 values are not numbers" in problem for problem in reader.facts.problems)

    def test_a_last_line_without_an_end_is_told(self, tmp_path):
        rows = [(stamp(10 * row), [hop(100_000_000, 2_000_000, 4, levels(4))]) for row in range(2)]
        reader = opened(table(tmp_path / "power.csv", rows, end=""), zone="UTC")
        assert reader.facts.rows == 2
        assert reader.facts.problems == ("line 2: no line end: its last value may be cut",)

    def test_a_line_without_end_takes_no_more_memory_than_a_line_may(self, tmp_path):
        path = tmp_path / "power.csv"
        good = f"{stamp(0)}, {hop(100_000_000, 2_000_000, 4, levels(4))}\n".encode()
        path.write_bytes(
            good + bytes(LONGEST_LINE_BYTES + 5) + b"\n" + good.replace(b"12:00:00", b"12:00:10")
        )
        reader = opened(path, zone="UTC")
        assert reader.facts.rows == 2
        assert reader.facts.problems[0].startswith("line 2: longer than 16777216 bytes")

    def test_a_file_without_one_readable_line_is_refused(self, tmp_path):
        path = tmp_path / "power.csv"
        path.write_text("date, time\n2026-01-31, 12:00:00, 1, 2\n")
        with pytest.raises(BadInput, match="no line of rtl_power can be read: line 1: 2 columns"):
            opened(path)

    @given(data=st.data())
    def test_no_bytes_make_it_raise_anything_else(self, tmp_path_factory, data):
        path = tmp_path_factory.mktemp("any") / "power.csv"
        hops = [hop(100_000_000 + 2_000_000 * turn, 2_000_000, 4, levels(4, turn)) for turn in range(3)]
        text = "".join(f"{stamp(row)}, {columns}\n" for row in range(4) for columns in hops).encode()
        start, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        path.write_bytes(text[:start] + data.draw(st.binary(max_size=30)) + text[stop:])
        for each in (FORMAT, SOAPY_FORMAT):
            assert each.matches is not None
            each.matches(path, path.read_bytes()[:HEAD_BYTES])
            try:
                reader = each.open(path, Sidecar(path), Opening(time_zone=ZoneInfo("Europe/Berlin")))
                items_of(reader)
            except BadInput:
                pass


class TestRecognition:
    def matches(self, path, text):
        path.write_text(text)
        head = path.read_bytes()[:HEAD_BYTES]
        assert FORMAT.matches is not None
        return FORMAT.matches(path, head)

    @pytest.mark.parametrize("length", [1, 2, 16, 4096])
    def test_its_own_lines_are(self, tmp_path, length):
        columns = hop(100_000_000, 2_000_000, length, levels(length))
        assert self.matches(tmp_path / "power.csv", f"\n{stamp(0)}, {columns}\n")

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "-1.0,-2.0,-3.0\n",
            "date, time, Hz low\n",
            "2026-01-31, 12:00:00, 1\n",
            "2026-01-31, 12:00:00.000000, 100000000, 105000000, 2500000.00, 20, -1.00, -2.00\n",
            "2026-01-31, 12:00:00, 100000000.0, 102000000.0, 500000.0, 20, -1.0, -2.0, -3.0, -4.0\n",
            "2026-01-31, 12:00:00, 100000000, 102000000, 500000.00, 20, -1.0, -2.0, -3.0, -4.0, -5.0\n",
        ],
    )
    def test_others_are_not(self, tmp_path, text):
        assert not self.matches(tmp_path / "other.csv", text)

    def test_lines_with_a_date_and_other_counts_are_not_taken_for_a_matrix(self, tmp_path):
        path = tmp_path / "power.csv"
        path.write_text("2026-01-31, 12:00:00, 100000000, 102000000, 500000.00, 20, -1.0, -2.0, -3.0\n")
        with pytest.raises(BadInput, match=r"power\.csv: line 1 begins with a date, but .*power\.csv\.yaml"):
            format_of(path, Sidecar(tmp_path / "power.csv.yaml"))
