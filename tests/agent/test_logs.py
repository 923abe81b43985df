import contextlib
import io
import json
import logging

import pytest

from bandwatch.agent.logs import LineLimit, open_log
from bandwatch.pipeline.errors import BadInput


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _root_as_it_was():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_off_a_terminal_each_line_is_a_json_object():
    stream = io.StringIO()
    open_log(stream=stream).info("started", version="1", path="/ä")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["version"], line["path"]) == ("started", "info", "1", "/ä")
    assert line["timestamp"].endswith("Z")


def test_on_a_terminal_it_is_coloured_text():
    stream = Terminal()
    open_log(stream=stream).warning("gap", reason="lost")
    assert "\x1b[" in stream.getvalue()
    assert "gap" in stream.getvalue()
    assert "lost" in stream.getvalue()


def test_the_format_may_be_forced_either_way():
    stream, terminal = io.StringIO(), Terminal()
    open_log(log_format="console", stream=stream).info("started")
    open_log(log_format="json", stream=terminal).info("started")
    assert "\x1b[" not in stream.getvalue()
    assert not stream.getvalue().startswith("{")
    assert json.loads(terminal.getvalue())["event"] == "started"


def test_levels_below_the_one_asked_for_are_silent():
    stream = io.StringIO()
    log = open_log("warning", stream=stream)
    log.info("no")
    log.warning("yes")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["yes"]


def test_a_level_that_is_none_is_refused_with_its_name_and_the_right_ones():
    with pytest.raises(
        BadInput, match=r"^logging.level is 'loud': must be one of debug, info, warning, error$"
    ):
        open_log("loud")


def test_without_a_stream_lines_go_to_standard_error_as_it_is_when_they_are_written():
    log = open_log(log_format="json")
    late = io.StringIO()
    with contextlib.redirect_stderr(late):
        log.info("started")
    assert json.loads(late.getvalue())["event"] == "started"


def test_what_libraries_log_comes_out_too_once_and_with_its_traceback():
    open_log(stream=io.StringIO())
    stream = io.StringIO()
    open_log(stream=stream)
    try:
        raise ValueError("of no use")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("request failed")
    logging.getLogger("uvicorn.error").info("chatter")
    (line,) = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (line["event"], line["logger"], line["level"]) == ("request failed", "uvicorn.error", "error")
    assert "ValueError: of no use" in line["exception"]


def test_a_limit_lets_one_of_a_kind_through_in_its_period_and_counts_the_others():
    now = [0.0]
    limit = LineLimit(5.0, lambda: now[0])
    assert [limit.admit("a"), limit.admit("a"), limit.admit("b"), limit.admit("a")] == [0, None, 0, None]
    assert limit.left() == 2
    now[0] = 5.0
    assert [limit.admit("a"), limit.admit("b")] == [2, 0]
    assert limit.left() == 0


def test_kinds_without_end_do_not_fill_the_memory():
    now = [0.0]
    limit = LineLimit(5.0, lambda: now[0])
    for n in range(5000):
        now[0] = n * 0.1
        assert limit.admit(n) == 0
    assert len(limit) <= 1000
