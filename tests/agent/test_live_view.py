import contextlib
import io
import os
import pty
import re
import select
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable

import pytest
from rich.cells import cell_len
from rich.console import Console

from bandwatch.agent import wording
from bandwatch.agent.lines_above import LinesAbove
from bandwatch.agent.live_view import LiveView
from bandwatch.agent.outputs import Fitted
from bandwatch.agent.status import StatusBoard
from bandwatch.agent.status_table import draw
from bandwatch.tests.every_output import assignment, everything, forecast, gap, row, verdict

URL = "http://127.0.0.1:9746"


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Scene:
    def __init__(self, *bands: tuple[str, str]) -> None:
        self.now_seconds = 0.0
        self.board = StatusBoard(bands, version="0.1.0", monotonic_seconds=lambda: self.now_seconds)

    def take(self, *items) -> "Scene":
        for item in items:
            self.board.take(item)
        return self

    def text(self, width_columns: int = 80) -> str:
        console = Console(file=io.StringIO(), width=width_columns, color_system=None, legacy_windows=False)
        console.print(draw(self.board.snapshot(), URL, width_columns))
        return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


class TestWhatItShows:
    def test_before_the_first_row_it_says_that_it_waits(self):
        assert "waiting for the first row" in Scene().text()
        assert "node/band" in Scene(("node", "band")).text()

    def test_a_warm_band_shows_clusters_novelty_verdicts_and_forecast(self):
        scene = Scene().take(Fitted("node", "band", 0, 12, "shipped"), row())
        scene.take(*(assignment(segment, 10 + segment, segment / 10) for segment in range(8)))
        scene.take(*(verdict(segment, "normal") for segment in range(8)), verdict(5, "novel"), forecast())
        text = scene.text()
        assert re.search(r"cluster +10 +11 +12 +13 +14 +15 +16 +17 ", text)
        assert re.search(r"novelty +0.00 +0.10 +0.20 +0.30", text)
        assert re.search(r"verdict +● +● +● +● +● +▲ +● +●", text)
        assert "▲ segment 5 novel  868.324" in text
        assert "one reason" in text
        assert "in 1 min −89.0 (−91.0 to −87.0)   in 12 min −78.0   by nlinear" in text
        assert "floor     −101.5 dBFS/bin   level −69.0   occupied 25.0 %" in text
        assert URL in text

    def test_while_warming_up_it_tells_how_far_and_no_cluster(self):
        scene = Scene().take(row(), assignment(0, None), verdict(0, "warming_up"))
        scene.board.warming("node", "band", 40, 96)
        text = scene.text()
        assert "warming up 40/96 windows" in text
        assert "cluster" not in text
        assert "none yet: it needs 24 steps of history" in text

    def test_before_the_first_window_it_says_so(self):
        assert "8, no window yet" in Scene().take(row()).text()

    def test_a_band_too_narrow_for_windows_says_so(self):
        assert "16 bins are too few for windows" in Scene().take(row(bins=16)).text()

    def test_losses_are_added_up_with_their_reasons(self):
        scene = Scene().take(row(), gap("lost", 12), gap("overflow", None, 4096))
        assert re.search(r"lost +12 rows, 4.096 samples   in 2 gaps \(lost 1, overflow 1\)", scene.text())
        assert re.search(r"lost +nothing", Scene().take(row()).text())

    def test_a_silent_band_is_told_with_the_length_of_its_silence(self):
        scene = Scene().take(row())
        scene.now_seconds = 75
        assert "■ node/band" in scene.text()
        assert "silent for 1 min 15 s" in scene.text()

    def test_what_waits_is_told(self):
        scene = Scene().take(row())
        scene.board.queue_depth("intake", 17)
        assert "17 wait before intake" in scene.text()

    def test_many_strange_segments_are_told_in_part(self):
        scene = Scene().take(Fitted("node", "band", 0, 12, "shipped"), row())
        scene.take(*(verdict(segment, "deviating") for segment in range(8)))
        assert scene.text().count("◆ segment") == 3
        assert "and 5 more" in scene.text()


class TestWidth:
    @pytest.mark.parametrize("width_columns", [60, 80, 100, 200])
    def test_no_line_is_wider_than_the_terminal_and_every_frame_line_closes(self, width_columns):
        scene = Scene(("node", "a-band-of-a-rather-long-name-that-goes-on")).take(*everything())
        scene.take(*everything(bins=4096, segments=32, band="wide"), row(bins=16, band="narrow"))
        for line in scene.text(width_columns).splitlines():
            assert cell_len(line) == width_columns
            assert (line[0], line[-1]) in {("╭", "╮"), ("│", "│"), ("╰", "╯")}

    def test_at_80_columns_eight_segments_stand_in_one_row(self):
        text = Scene().take(*everything(segments=8)).text(80)
        assert text.count("cluster ") == 1

    def test_more_segments_than_fit_continue_below(self):
        scene = Scene().take(*everything(bins=4096, segments=32))
        assert re.search(r"segment +22 +23", scene.text(80))
        assert re.search(r"segment +.* 31 ", scene.text(80))


class TestTerminal:
    def test_on_what_is_no_terminal_it_does_nothing(self):
        stream = io.StringIO()
        view = LiveView(StatusBoard(), URL, Console(file=stream))
        before = (sys.stdout, sys.stderr)
        view.start()
        assert (sys.stdout, sys.stderr) == before
        view.stop()
        assert stream.getvalue() == ""

    def test_on_a_terminal_it_draws_keeps_log_lines_whole_above_and_leaves_the_last_state(self):
        script = textwrap.dedent("""
            import sys, threading
            from bandwatch.agent.live_view import LiveView
            from bandwatch.agent.logs import open_log
            from bandwatch.agent.status import StatusBoard
            from bandwatch.tests.every_output import everything
            board = StatusBoard([("node", "band")])
            log = open_log()
            view = LiveView(board, "http://127.0.0.1:9746")
            view.start()
            def say(number):
                for line in range(50):
                    log.info(f"line-{number}-{line}-end")
                    print(f"print-{number}-{line}-end")
            threads = [threading.Thread(target=say, args=(n,)) for n in range(3)]
            for thread in threads: thread.start()
            for output in everything(): board.take(output)
            for thread in threads: thread.join()
            sys.stdout.write("unfinished")
            view.stop()
            view.stop()
            print("after")
        """)
        seen = on_a_terminal(script)
        assert "\x1b[?25h" in seen, "the cursor is shown again"
        seen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)
        for number in range(3):
            for line in range(50):
                assert seen.count(f"line-{number}-{line}-end") == 1
                assert seen.count(f"print-{number}-{line}-end") == 1
        assert "unfinished" in seen
        assert seen.rstrip().endswith("after")
        assert "╰─ http://127.0.0.1:9746" in seen.split("unfinished")[1]

    def test_what_is_written_meanwhile_comes_out_above_and_the_streams_are_put_back(self):
        screen = Screen()
        console = Console(file=screen, force_terminal=True, width=80, _environ={"TERM": "xterm"})
        with contextlib.redirect_stdout(screen), contextlib.redirect_stderr(screen):
            view = LiveView(Scene().take(*everything()).board, URL, console)
            view.start()
            assert sys.stdout is not screen
            sys.stdout.write("to the output\n")
            sys.stderr.write("to the errors\n")
            wait_for(lambda: "to the errors" in screen.getvalue())
            sys.stdout.write("at the end\n")
            view.stop()
            assert (sys.stdout, sys.stderr) == (screen, screen)
        said = screen.getvalue()
        assert said.index("to the output") < said.index("to the errors") < said.index("at the end")
        assert said.count("at the end") == 1
        assert not any(thread.name == "live view" for thread in threading.enumerate())

    def test_standard_error_that_goes_to_a_file_stays_there(self, tmp_path):
        script = textwrap.dedent("""
            import sys
            from bandwatch.agent.live_view import LiveView
            from bandwatch.agent.status import StatusBoard
            view = LiveView(StatusBoard(), None)
            view.start()
            print("to the file", file=sys.stderr)
            view.stop()
        """)
        with (tmp_path / "errors").open("w") as errors:
            seen = on_a_terminal(script, errors=errors)
        assert "to the file" not in seen
        assert (tmp_path / "errors").read_text() == "to the file\n"


def on_a_terminal(script: str, errors=None) -> str:
    """What a script of its own process writes to a pseudo-terminal of 80 by 40."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "40"}
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs if errors is None else errors,
        env=environment,
    )
    os.close(theirs)
    written = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([ours], [], [], 0.2)[0]:
            try:
                piece = os.read(ours, 65_536)
            except OSError:
                break
            if not piece:
                break
            written += piece
    os.close(ours)
    assert process.wait(timeout=10) == 0, written.decode()
    return written.decode()


class TestLinesAbove:
    def test_only_whole_lines_are_given_out(self):
        above = LinesAbove()
        above.write("one\ntw")
        assert above.drain() == ["one"]
        above.write("o\n\nthree")
        assert above.drain() == ["two", ""]
        assert above.drain() == []
        assert above.drain(everything=True) == ["three"]
        assert above.drain(everything=True) == []


class TestWording:
    @pytest.mark.parametrize(
        ("seconds", "said"),
        [
            (0.9, "0 s"),
            (59.9, "59 s"),
            (751, "12 min 31 s"),
            (3 * 3600 + 301, "3 h 05 min"),
            (1_051_200, "12 d 4 h"),
        ],
    )
    def test_durations(self, seconds, said):
        assert wording.duration(seconds) == said

    @pytest.mark.parametrize(
        ("seconds", "said"),
        [(0.2, "0.2 s"), (60, "1 min"), (90, "1 min 30 s"), (720, "12 min"), (10_800, "3 h")],
    )
    def test_spans(self, seconds, said):
        assert wording.span(seconds) == said

    @pytest.mark.parametrize(
        ("per_second", "said"),
        [(0, "0.0 rows/s"), (5, "5.0 rows/s"), (1 / 60, "1.0 rows/min"), (1 / 900, "4.0 rows/h")],
    )
    def test_rates(self, per_second, said):
        assert wording.rate(per_second) == said
        assert wording.rate(12_345.6).replace(" ", " ") == "12 346 rows/s"

    @pytest.mark.parametrize(
        ("low_hz", "high_hz", "said"),
        [
            (868.2e6, 868.392e6, "868.200–868.392 MHz"),
            (87.8e6, 108.2e6, "87.8–108.2 MHz"),
            (2.4e9, 2.5e9, "2.400–2.500 GHz"),
            (-500.0, 500.0, "−500–500 Hz"),
            (100e3, 100e3, "100 kHz"),
            (868.346625e6, 868.346625e6, "868.346625 MHz"),
        ],
    )
    def test_frequency_ranges_tell_their_ends_apart(self, low_hz, high_hz, said):
        assert wording.frequency_range(low_hz, high_hz) == said

    def test_levels(self):
        assert (wording.level(None), wording.level(-91.26), wording.level(3.0)) == ("–", "−91.3", "3.0")
