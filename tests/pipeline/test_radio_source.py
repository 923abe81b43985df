"""A radio as a source: levels, time, losses and lost devices, against a driver with scripted failures."""

import numpy as np
import pytest

from bandwatch.pipeline.continuity import Continuity
from bandwatch.pipeline.errors import BadInput
from bandwatch.pipeline.frames import Gap
from bandwatch.pipeline.psd import PowerSpectrum
from bandwatch.tests.jig import same
from bandwatch.tests.pipeline.soapy_driver.scenarios import NOW_NS, SECOND, listen

pytest_plugins = ["bandwatch.tests.pipeline.soapy_driver.fixture"]

# The scenarios' rows: 62 frames of 64 bins, half overlapping, at 1 MS/s.
ROW_SAMPLES = 62 * 32
ROW_NS = ROW_SAMPLES * 1000
MTU = 4096


@pytest.fixture
def case(request):
    """Keys of the device string that give each test openings of its own."""
    return f"case={abs(hash(request.node.name))}"


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "journal"


def around_gaps(heard):
    """Each gap between two frames, with those frames."""
    triples = zip(heard.items, heard.items[1:], heard.items[2:], strict=False)
    return [(before, gap, after) for before, gap, after in triples if isinstance(gap, Gap)]


def route_gaps(heard):
    """What the route makes of the source's rows and of the gaps that travel."""
    continuity = Continuity()
    passed = [
        continuity.gap(item) if isinstance(item, Gap) else continuity.push(item) for item in heard.items
    ]
    return [item for items in passed for item in items if isinstance(item, Gap)]


def test_a_tone_is_found_at_its_frequency_and_level(radio_worker):
    heard = radio_worker.run(listen, "tone_hz=125000,tone_dbfs=-20,noise_dbfs=-60", until=3)
    for frame in heard.frames:
        assert frame.first_hz + frame.power_db.argmax() * frame.bin_hz == pytest.approx(868.125e6)
        assert frame.power_db.max() == pytest.approx(-20, abs=0.05)
        assert np.median(frame.power_db) == pytest.approx(-60 + 10 * np.log10(1.5 / 64), abs=1)
        assert (frame.unit, frame.node, frame.band, frame.stream) == ("dBFS/bin", "node", "band", 7)
    assert [frame.seq for frame in heard.frames] == [0, 1, 2]


def test_short_reads_do_not_change_the_rows(radio_worker):
    whole = radio_worker.run(listen, "noise_dbfs=-30")
    short = radio_worker.run(listen, "noise_dbfs=-30,short=37")
    assert same([f.power_db for f in short.frames], [f.power_db for f in whole.frames])


def test_frames_carry_what_the_driver_really_does(radio_worker):
    asked = {
        "sample_rate_hz": np.float32(999_600),
        "center_hz": np.int64(868_000_033),
        "gain": np.float64(19.6),
    }
    [frame] = radio_worker.run(listen, settings=asked, until=1).frames
    assert frame.bin_hz == 1e6 / 64
    assert frame.center_hz == 868e6 - frame.bin_hz / 2
    assert frame.gain_db == 20


def test_time_is_the_hosts_at_the_start_and_the_count_of_samples_from_then_on(radio_worker):
    frames = radio_worker.run(listen, until=6).frames
    # The first read had just ended at NOW_NS.
    assert [f.time_ns for f in frames] == [NOW_NS - MTU * 1000 + row * ROW_NS for row in range(6)]
    assert {f.duration_ns for f in frames} == {ROW_NS}


def test_samples_themselves_come_too(radio_worker):
    heard = radio_worker.run(listen, "tone_hz=1000,tone_dbfs=0,short=1000", blocks=True, until=4)
    samples = np.concatenate([block.samples for block in heard.blocks])
    np.testing.assert_allclose(samples, np.exp(2j * np.pi * 1e-3 * np.arange(4000)), atol=1e-5)
    assert [block.seq for block in heard.blocks] == [0, 1, 2, 3]
    assert heard.all_read_only


# Overflows


@pytest.mark.parametrize(
    ("how", "samples_before"), [("overflow_every=3", 2 * MTU), ("abrupt_every=3", 3 * MTU)]
)
def test_an_overflow_is_counted_ends_the_row_and_the_source_goes_on(radio_worker, how, samples_before):
    heard = radio_worker.run(listen, f"{how},stamps=1,lost=1500", until=16)
    assert heard.overflows == len(heard.gaps) >= 2
    assert (heard.reopenings, heard.troubles) == (0, [])
    assert {(gap.reason, gap.lost_samples) for gap in heard.gaps} == {("overflow", 1500)}
    for before, gap, after in around_gaps(heard):
        assert (gap.after_seq, gap.time_ns, after.seq) == (before.seq, before.end_ns, before.seq + 1)
        assert after.lost_samples == 1500
    # The stamps count the loss, so that the rows after it are dated to the sample.
    before, gap, after = around_gaps(heard)[0]
    missing = samples_before % ROW_SAMPLES + 1500
    assert after.time_ns - before.end_ns == missing * 1000
    assert gap.lost_rows == missing // ROW_SAMPLES
    assert sum(f.lost_samples for f in heard.frames) == 1500 * len(heard.gaps)


def test_a_loss_that_cannot_be_counted_is_told_as_unknown(radio_worker):
    heard = radio_worker.run(listen, "overflow_every=3,lost=1500", until=8)
    assert {(gap.reason, gap.lost_samples, gap.lost_rows) for gap in heard.gaps} == {("overflow", None, None)}
    assert {f.lost_samples for f in heard.frames} == {0, 1}


def test_after_an_uncounted_loss_time_is_the_hosts_again_and_never_goes_back(radio_worker):
    times = [NOW_NS, NOW_NS, NOW_NS + SECOND] + [NOW_NS] * 50
    heard = radio_worker.run(listen, "overflow_every=3", clock=times, until=8, blocks=True)
    starts = [block.time_ns for block in heard.blocks]
    assert starts[2] == NOW_NS + SECOND - MTU * 1000
    assert starts == sorted(starts)


def test_no_row_holds_samples_from_both_sides_of_a_loss(radio_worker):
    heard = radio_worker.run(listen, "noise_dbfs=-20,overflow_every=3,stamps=1,lost=999", until=9)
    blocks = radio_worker.run(
        listen, "noise_dbfs=-20,overflow_every=3,stamps=1,lost=999", until=8, blocks=True
    ).blocks
    spectrum = PowerSpectrum(bins=64, frames_per_row=62)
    pairs = [np.concatenate([a.samples, b.samples]) for a, b in zip(blocks[::2], blocks[1::2], strict=True)]
    expected = [row for pair in pairs for row in spectrum.rows(pair)]
    assert same([f.power_db for f in heard.frames], expected[:9])


def test_a_corrupt_packet_is_a_gap_and_no_more(radio_worker):
    heard = radio_worker.run(listen, "corruption_at=3")
    assert [(gap.reason, gap.lost_samples) for gap in heard.gaps] == [("source", None)]
    assert heard.reopenings == 0
    assert {f.lost_samples for f in heard.frames} == {0}


def test_a_single_timeout_is_nothing(radio_worker):
    quiet = radio_worker.run(listen, "noise_dbfs=-30,timeout_at=2")
    assert quiet.gaps == []
    assert same(quiet.frames, radio_worker.run(listen, "noise_dbfs=-30").frames)


# Lost devices


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        ("timeout_after=3", "no samples for 0."),
        ("stream_error_at=4", "reading fails: STREAM_ERROR (-2)"),
        ("throw_read_at=4", "reading fails: the cable is out"),
        ("unknown_code_at=4", "(-77)"),
        ("too_many_at=4", "the driver wrote 4097 samples where 4096 fit"),
    ],
)
def test_a_failing_radio_is_closed_and_opened_again(radio_worker, failure, message, case, journal):
    heard = radio_worker.run(listen, f"{failure},bad_opens=1,{case},journal={journal}", until=12)
    assert len(heard.troubles) == 1
    assert message in heard.troubles[0] and "\n" not in heard.troubles[0]
    assert heard.reopenings == 1
    [gap] = heard.gaps
    at = heard.items.index(gap)
    assert (gap.reason, gap.lost_samples, gap.after_seq) == ("source", None, heard.items[at - 1].seq)
    assert heard.items[at + 1].lost_samples == 0  # the gap travels and says it
    assert [f.seq for f in heard.frames] == list(range(12))
    kept = [line for line in journal.read_text().splitlines() if not line.startswith("gain")]
    once = ["setup CF32 0", "activate", "deactivate", "close", "unmake"]
    assert kept == ["open 1", *once, "open 2", *once]


def test_a_radio_that_is_gone_is_tried_again_ever_more_slowly(radio_worker, case):
    heard = radio_worker.run(
        listen, f"stream_error_at=4,bad_opens=1,absent_from=2,absent_to=4,{case}", until=12
    )
    waits = [trouble.rsplit("; ", 1)[1] for trouble in heard.troubles[1:]]
    assert waits == ["trying again in 0.02 s", "trying again in 0.04 s", "trying again in 0.04 s"]
    assert heard.troubles[0].endswith("STREAM_ERROR (-2); opening it again in 0.01 s")
    assert "cannot be opened: no such device on the bus" in heard.troubles[1]
    assert heard.reopenings == 1
    assert [gap.reason for gap in heard.gaps] == ["source"]
    assert heard.seconds > 0.01 + 0.02 + 0.04 + 0.04


def test_a_radio_that_fails_whenever_it_is_opened_is_tried_ever_more_slowly_too(radio_worker, case):
    heard = radio_worker.run(listen, f"stream_error_at=1,{case}", stop_after=0.5, retry_seconds=(0.05, 60.0))
    # 0.05 + 0.1 + 0.2 seconds, and the next would be 0.4.
    assert 2 <= heard.reopenings <= 3
    assert heard.frames == []


def test_what_fails_while_closing_is_told_and_stops_nothing(radio_worker, case):
    heard = radio_worker.run(listen, f"stream_error_at=4,bad_opens=1,throw_cleanup=1,{case}", until=12)
    assert len(heard.frames) == 12
    told = [trouble.split(": ", 1)[1] for trouble in heard.troubles]
    closing = ["stopping its stream fails: cannot deactivate", "closing its stream fails: cannot close"]
    assert told == ["reading fails: STREAM_ERROR (-2); opening it again in 0.01 s", *closing, *closing]


def test_a_radio_that_is_not_there_yet_is_waited_for(radio_worker, case):
    heard = radio_worker.run(listen, f"absent_from=1,absent_to=2,{case}", until=3)
    absent = "cannot be opened: no such device on the bus; trying again in"
    assert [trouble.split("' ", 1)[1] for trouble in heard.troubles] == [
        f"{absent} 0.01 s",
        f"{absent} 0.02 s",
    ]
    assert (heard.gaps, heard.reopenings, len(heard.frames)) == ([], 0, 3)


def test_a_stream_that_does_not_start_is_tried_again(radio_worker, case):
    heard = radio_worker.run(listen, f"throw_setup=1,bad_opens=1,{case}", until=3)
    assert len(heard.frames) == 3
    [trouble] = heard.troubles
    assert trouble.endswith("its stream does not start: no bandwidth left on the bus; trying again in 0.01 s")


def test_a_setting_that_the_driver_refuses_stops_the_start(radio_worker):
    with pytest.raises(BadInput, match="gain is 99: the driver takes 0..50"):
        radio_worker.run(listen, settings={"gain": 99})


def test_a_stop_ends_a_long_wait_for_a_lost_radio(radio_worker, case):
    heard = radio_worker.run(
        listen, f"stream_error_at=4,absent_from=2,{case}", until=99, stop_after=0.3, retry_seconds=(60, 60)
    )
    assert heard.seconds < 10
    assert heard.items[-1].reason == "source"


def test_a_stop_ends_a_running_radio_and_closes_it(radio_worker, journal):
    heard = radio_worker.run(listen, f"paced=1,journal={journal}", until=10**6, stop_after=0.3)
    assert 0.2 < heard.seconds < 10
    assert journal.read_text().splitlines()[-3:] == ["deactivate", "close", "unmake"]


def test_leaving_the_iteration_closes_the_radio(radio_worker, journal):
    radio_worker.run(listen, f"journal={journal}", until=1)
    assert journal.read_text().splitlines()[-3:] == ["deactivate", "close", "unmake"]


# Changes and clocks


def test_a_step_of_automatic_gain_ends_the_row(radio_worker):
    heard = radio_worker.run(listen, "agc_step_every=10", settings={"gain": "automatic"}, tick=0.25, until=30)
    gaps = [(gap.reason, gap.lost_samples, gap.lost_rows) for gap in heard.gaps]
    assert gaps and set(gaps) <= {("gain", 0, 0), ("gain", 0, 1)}
    for before, _, after in around_gaps(heard):
        assert after.gain_db - before.gain_db in (3, 6)
        assert after.lost_samples == 0


def test_gain_is_not_asked_for_where_it_is_not_automatic(radio_worker):
    heard = radio_worker.run(listen, "retune_at=2", settings={"gain": 20}, tick=1.0, until=30)
    assert heard.gaps == []


def test_a_driver_that_retunes_ends_the_row(radio_worker):
    heard = radio_worker.run(listen, "retune_at=8", settings={"gain": "automatic"}, tick=0.3, until=30)
    assert [gap.reason for gap in heard.gaps] == ["retuned"]
    assert {f.center_hz + f.bin_hz / 2 for f in heard.frames} == {868e6, 869e6}


def test_a_driver_that_changes_its_rate_ends_the_row_and_starts_the_clock_anew(radio_worker):
    times = [NOW_NS + k * SECOND for k in range(50)]
    heard = radio_worker.run(
        listen, "rerate_at=8", settings={"gain": "automatic"}, tick=0.3, until=30, clock=times
    )
    [(before, gap, after)] = around_gaps(heard)
    assert (gap.reason, before.bin_hz, after.bin_hz) == ("retuned", 1e6 / 64, 2e6 / 64)
    assert after.duration_ns == ROW_NS / 2
    assert (after.time_ns + MTU * 500 - NOW_NS) % SECOND == 0


def test_a_loss_outweighs_a_change_of_gain(radio_worker):
    heard = radio_worker.run(
        listen, "agc_step_every=1,abrupt_every=3", settings={"gain": "automatic"}, tick=1.0, until=20
    )
    assert [gap.reason for gap in heard.gaps][:6] == ["gain", "gain", "overflow"] * 2
    assert heard.overflows == len([gap for gap in heard.gaps if gap.reason == "overflow"])


def test_hours_of_a_crystal_100_ppm_off_are_one_run_of_rows_and_a_step_is_one_gap(radio_worker):
    # Reads of 5 s, up to 2 ms late, of a receiver of 1 kS/s; rows of a minute. By the count alone the host
    # would be half a second off each 83 minutes.
    crystal_ppm = 100
    late_ns = np.random.default_rng(0).integers(0, 2_000_000, 6 * 720 + 20)
    read_ns = 5 * SECOND + 5000 * crystal_ppm
    heard = radio_worker.run(
        listen,
        "bare=1,mtu=5000",
        settings={"sample_rate_hz": 1e3},
        spectrum={"bins": 8, "overlap": 0.0, "frames_per_row": 7500},
        clock=[
            NOW_NS + k * read_ns + int(late) + (k > 6 * 720) * 10 * SECOND for k, late in enumerate(late_ns)
        ],
        until=6 * 60 + 1,
    )
    [gap] = heard.gaps
    assert (gap.reason, gap.lost_samples) == ("clock", 0)
    assert route_gaps(heard) == [gap]
    at = heard.items.index(gap)
    assert 358 <= at <= 360
    assert gap.time_ns == heard.items[at - 1].end_ns
    assert heard.items[at + 1].time_ns - gap.time_ns > 9 * SECOND
    assert [frame.seq for frame in heard.frames] == list(range(361))
    off_ns = [f.time_ns - (NOW_NS - read_ns + 12 * read_ns * f.seq) for f in heard.frames[:at]]
    assert np.abs(off_ns).max() < 10e6
    assert np.abs(off_ns[20:]).max() < 3e6


@pytest.mark.parametrize(
    ("from_ns", "leap_ns"),
    [(NOW_NS, 3600 * SECOND), (NOW_NS, -3600 * SECOND), (NOW_NS, -SECOND), (SECOND // 10, NOW_NS)],
)
def test_a_host_clock_that_is_set_is_followed_with_a_gap(radio_worker, from_ns, leap_ns):
    # Reads of 0.2 s each; the clock is set after the 30th. The last case is a machine without a battery.
    read_ns = SECOND // 5
    times = [from_ns + k * read_ns + (leap_ns if k >= 30 else 0) for k in range(120)]
    heard = radio_worker.run(
        listen,
        "mtu=50000",
        settings={"sample_rate_hz": 250e3},
        spectrum={"bins": 64, "frames_per_row": 1000},
        clock=times,
        until=180,
    )
    [gap] = heard.gaps
    assert (gap.reason, gap.lost_samples) == ("clock", 0)
    assert route_gaps(heard) == [gap]
    at = heard.items.index(gap)
    step_ns = heard.items[at + 1].time_ns - heard.items[at - 1].end_ns
    assert step_ns == pytest.approx(leap_ns, abs=SECOND // 2)
    assert heard.frames[0].time_ns == max(0, from_ns - read_ns)
    assert {f.lost_samples for f in heard.frames} == {0}
