"""`bandwatch name` and `bandwatch mute`: what they say, what they keep, what they refuse."""

import hashlib
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bandwatch.agent.cli import main
from bandwatch.agent.words import Words
from bandwatch.agent.words_file import read_book, words_path
from bandwatch.models.bundle import shipped_bundle

HASH = hashlib.sha256((shipped_bundle() / "manifest.yaml").read_bytes()).hexdigest()
ONE_BAND = """
node: {name: roof}
bands:
- name: srd-868
  source: {kind: radio, device: driver=none, center_hz: 868.3e6, sample_rate_hz: 1.024e6}
"""
SEVERAL = (
    ONE_BAND
    + """
- name: lte
  source: {kind: stream, endpoint: "tcp://127.0.0.1:1", node: mast}
- name: any
  source: {kind: stream, endpoint: "tcp://127.0.0.1:1"}
"""
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("BANDWATCH__STORE__DIRECTORY", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def one(tmp_path: Path, folder: Path) -> str:
    (tmp_path / "one.yaml").write_text(ONE_BAND)
    return str(tmp_path / "one.yaml")


@pytest.fixture
def several(tmp_path: Path, folder: Path) -> str:
    (tmp_path / "several.yaml").write_text(SEVERAL)
    return str(tmp_path / "several.yaml")


@pytest.fixture
def ran(capsys):
    def run(*arguments: str) -> str:
        """What a command says that goes well."""
        try:
            main(list(arguments))
        except SystemExit as ended:
            assert not ended.code, capsys.readouterr().err
        return capsys.readouterr().out

    return run


@pytest.fixture
def refused(capsys):
    def run(*arguments: str) -> str:
        """The one line of a command that is refused."""
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        assert ended.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        return line.removeprefix("error: ")

    return run


class TestName:
    def test_a_name_reaches_a_running_agent_within_a_second_and_is_listed_and_removed(self, one, folder, ran):
        said: list[str] = []
        words = Words(folder, HASH, said.append)
        words.use_model("roof", "srd-868", "srd-868-96-0123abcd")
        assert ran("name", "-c", one) == "no cluster has a name\n"
        said_so = ran("name", "3", " garage door ", "-c", one)
        assert said_so == "cluster 3 of roof/srd-868 is called 'garage door'\n"
        told = time.monotonic()
        while not words.look():
            assert time.monotonic() < told + 5
            time.sleep(0.02)
        assert words.name("roof", "srd-868", 3) == "garage door"
        assert "(was 'garage door')" in ran("name", "3", "gate", "-c", one)
        assert ran("name", "-c", one) == "roof/srd-868     3  gate\n"
        assert ran("name", "3", "", "-c", one).startswith("cluster 3 of roof/srd-868 has no name any more")
        assert read_book(words_path(folder)).names == ()
        assert said == []

    def test_a_name_is_for_the_model_that_is_in_use(self, one, folder, ran):
        words = Words(folder, HASH, print)
        words.use_model("roof", "srd-868", "first")
        words.look()
        ran("name", "3", "gate", "-c", one)
        words = Words(folder, HASH, print)
        words.use_model("roof", "srd-868", "anew")
        words.look()
        assert words.names("roof", "srd-868") == {}
        assert ran("name", "-c", one) == "roof/srd-868     3  gate  (rests: of model first, in use is anew)\n"
        ran("name", "3", "door", "-c", one)
        time.sleep(1.05)
        assert words.look()
        assert words.names("roof", "srd-868") == {3: "door"}
        assert len(read_book(words_path(folder)).names) == 2

    def test_a_name_of_another_bundle_is_kept_and_said_to_rest(self, one, folder, ran):
        ran("name", "3", "gate", "-c", one)
        path = words_path(folder)
        path.write_text(path.read_text().replace(HASH, "0123456789ab" + "0" * 52))
        assert "gate  (rests: of bundle 0123456789ab)" in ran("name", "-c", one)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("x", "gate"), "cluster 'x'; limit: a number from 0 to 9999"),
            (("10000", "gate"), "cluster '10000'; limit: a number from 0 to 9999"),
            (("3",), "no name given"),
            (("3", ""), "cluster 3 of roof/srd-868: has no name"),
            (("3", "n" * 65), "name: 65 characters; limit: 64"),
            (("3", "two\nlines"), "limit: one line of printable text"),
            (("3", "gate", "--band", "fm"), "--band fm: not in the settings; limit: one of srd-868"),
            (("3", "gate", "--node", "mast"), "--node mast: band 'srd-868' is of node 'roof'"),
        ],
    )
    def test_what_cannot_be_is_refused(self, one, refused, folder, arguments, message):
        assert message in refused("name", *arguments, "-c", one)
        assert not words_path(folder).exists()

    def test_where_there_are_several_bands_one_must_be_named(self, several, ran, refused):
        assert refused("name", "3", "gate", "-c", several) == (
            "--band: not given; limit: one of srd-868, lte, any"
        )
        assert "of mast/lte is" in ran("name", "3", "gate", "--band", "lte", "-c", several)
        assert "limit: say which with --node" in refused("name", "3", "x", "--band", "any", "-c", several)
        assert "of tower/any is" in ran("name", "3", "x", "--band", "any", "--node", "tower", "-c", several)

    def test_a_damaged_file_is_refused_and_left_as_it_is(self, one, folder, refused):
        folder.mkdir()
        words_path(folder).write_text("version: 7\n")
        assert refused("name", "3", "gate", "-c", one).endswith("words.yaml: version 7; limit: 1")
        assert refused("mute", "-c", one).endswith("words.yaml: version 7; limit: 1")
        assert words_path(folder).read_text() == "version: 7\n"


class TestMute:
    @pytest.mark.parametrize(
        ("text", "low_hz", "high_hz"),
        [
            ("868.1-868.3MHz", 868.1e6, 868.3e6),
            ("868.1 MHz – 868.3 mhz", 868.1e6, 868.3e6),
            ("900kHz-1.1MHz", 900e3, 1.1e6),
            ("2.4-2.4835GHz", 2.4e9, 2.4835e9),
            ("868100000-868300000Hz", 868.1e6, 868.3e6),
            ("1e3-2e3kHz", 1e6, 2e6),
            ("+5--0.5MHz", None, None),
            ("0.1--0.05kHz", None, None),
        ],
    )
    def test_ranges_in_every_unit(self, one, folder, ran, refused, text, low_hz, high_hz):
        if low_hz is None:
            assert "limit: the low end first" in refused("mute", text, "-c", one)
            return
        assert f"{text} of roof/srd-868 is muted" in ran("mute", text, "-c", one)
        (mute,) = read_book(words_path(folder)).ranges
        assert (mute.low_hz, mute.high_hz, mute.node, mute.until) == (low_hz, high_hz, "roof", None)

    def test_it_says_what_a_range_can_mute(self, one, ran):
        # 1000 Hz a bin, segments of 128 bins: 127 kHz from the first centre to the last.
        wide = ran("mute", "868.1-868.3MHz", "-c", one)
        assert "where muted ranges cover at least half of it (segments are 127000 Hz wide)" in wide
        narrow = ran("mute", "868.10-868.15MHz", "-c", one)
        assert "but it mutes nothing: " in narrow
        assert "segments are 127000 Hz wide, this range 50000 Hz" in narrow
        assert "mask.ranges_hz" in narrow

    def test_a_cluster_an_end_a_reason_the_list_and_the_removal(self, one, folder, ran, refused):
        before = datetime.now(UTC).timestamp()
        assert ran("mute", "4", "--for", "2h", "--why", "the meter", "-c", one).startswith(
            "cluster 4 of roof/srd-868 is muted until "
        )
        ran("mute", "868.1-868.3MHz", "--until", "2099-12-24T18:00:00Z", "-c", one)
        book = read_book(words_path(folder))
        assert book.clusters[0].until is not None
        assert before + 7200 <= book.clusters[0].until.timestamp() <= before + 7260
        assert (book.clusters[0].bundle, book.clusters[0].why) == (HASH, "the meter")
        lines = ran("mute", "-c", one).splitlines()
        assert lines[0] == "roof/srd-868  868.100–868.300 MHz until 2099-12-24 18:00 UTC"
        assert lines[1].startswith("roof/srd-868  cluster 4 until ")
        assert lines[1].endswith(" (the meter)")
        ran("mute", "868.1-868.3MHz", "-c", one)
        assert [each.until for each in read_book(words_path(folder)).ranges] == [None], "the newer words hold"
        assert "868.100–868.400 MHz of roof/srd-868: is not muted; limit: 868.100–868.300 MHz" in refused(
            "mute", "868.1-868.4MHz", "--remove", "-c", one
        )
        ran("mute", "868.1-868.3MHz", "--remove", "-c", one)
        ran("mute", "4", "--remove", "-c", one)
        assert ran("mute", "-c", one) == "nothing is muted\n"
        assert "cluster 4 of roof/srd-868: is not muted; limit: nothing is" in refused(
            "mute", "4", "--remove", "-c", one
        )

    def test_a_range_of_a_band_from_any_node_is_for_all_of_them(self, several, folder, ran):
        assert "of */any is muted" in ran("mute", "1-2MHz", "--band", "any", "-c", several)
        words = Words(folder, HASH, print)
        assert words.muted_ranges("tower", "any")
        assert not words.muted_ranges("tower", "lte")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("868.1-868.3",), "'868.1-868.3'; limit: a range such as 868.1-868.3MHz"),
            (("868MHz",), "'868MHz'; limit: a range"),
            (("3-3MHz",), "3000000 to 3000000 Hz; limit: the low end first"),
            (("1-1e300GHz",), "limit: 1e+12 Hz"),
            (("nan-1MHz",), "limit: a range"),
            (("4", "--for", "2h", "--until", "2099-01-01T00:00Z"), "limit: one of them"),
            (("4", "--until", "2001-01-01T00:00Z"), "has passed; limit: later than"),
            (("4", "--until", "tomorrow"), "limit: a UTC time such as"),
            (("4", "--until", "2099-01-01T00:00"), "has no time zone"),
            (("4", "--for", "2 months"), "limit: a duration such as 45min, 2h, 3d or 1w"),
            (("4", "--for", "0s"), "limit: above 0, at most 100 years"),
            (("4", "--for", "9" * 400 + "d"), "limit: above 0, at most 100 years"),
            (("4", "--remove", "--why", "x"), "limit: alone"),
        ],
    )
    def test_what_cannot_be_is_refused(self, one, refused, folder, arguments, message):
        assert message in refused("mute", *arguments, "-c", one)
        assert not words_path(folder).exists()


def test_a_folder_that_cannot_be_written_is_a_failure_in_one_line(one, folder, capsys):
    folder.write_text("a file")
    with pytest.raises(SystemExit) as ended:
        main(["name", "3", "gate", "-c", one])
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "words.yaml: cannot be written: " in line
