"""Settings: what is right loads, what is wrong says what, where and what would be right."""

from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from bandwatch.config import schema
from bandwatch.config.loader import ConfigError, load, shipped


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "node.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("bands:\n - name: a\n   psd: {binz: 3}\n", "bands[0].psd.binz: unknown key; did you mean 'bins'?"),
        ("serverr: {}\n", "serverr: unknown key; did you mean 'server'?"),
        ("zzz: {}\n", "zzz: unknown key; known: bands, explain, forecast, logging"),
        ("server: {port: 70000}\n", "server.port: 70000: input should be less than or equal to 65535"),
        ("server:\n  port: 1\n  port: 2\n", "the key 'port' stands twice (line 3"),
        ("bands:\n - name: a b\n", "bands[0].name: 'a b': string should match pattern"),
        ("bands:\n - name: a\n - name: a\n", "the name 'a' stands twice"),
        ("bands:\n - name: a\n   source: {kind: radioo}\n", "does not match any of the expected tags"),
        ("bands:\n - name: a\n   source: {kind: stream}\n", "bands[0].source.endpoint: must be given"),
        (
            "bands:\n - name: a\n   source: {kind: radio, devise: x}\n",
            "bands[0].source.devise: unknown key; did you mean 'device'?",
        ),
        ("bands:\n - name: a\n   mask: {ranges_hz: [[2, 1]]}\n", "[2, 1]: the low end comes first"),
        ("server: {port: .nan}\n", "server.port"),
        ("stream: {a: 1}\n", "stream: unknown key"),
        ("server: {radio: 1}\n", "server.radio: unknown key"),
        ("bands:\n - name: a\n   stream: {}\n", "bands[0].stream: unknown key"),
        ("? [1]\n: 2\n", "not YAML: found unhashable key"),
        (
            "bands: [{name: a, source: {kind: radio, device: d, center_hz: 1, gain_db: on}}]",
            "bands[0].source.gain_db: input should be a number",
        ),
        (
            "bands:\n - name: a\n   source: {kind: stream, endpoint: 'tcp://foo'}\n",
            "bands[0].source.endpoint",
        ),
        ("[1]", "a mapping of sections is wanted, this is a list"),
        ("", "empty; give at least `bands:`"),
        ("a: [", "not YAML: "),
    ],
)
def test_a_mistake_is_one_line_with_key_value_and_limit(tmp_path: Path, text: str, line: str):
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert line in str(caught.value)
    assert all(row.startswith(str(path)) for row in str(caught.value).splitlines())


def test_a_mapping_may_be_merged_and_overruled(tmp_path: Path):
    text = "bands:\n - &first {name: a, segments: {stride_rows: 8}}\n - {<<: *first, name: b}\n"
    second = load(written(tmp_path, text), {}).bands[1]
    assert (second.name, second.segments.stride_rows) == ("b", 8)


def test_a_missing_and_an_unreadable_file_are_named(tmp_path: Path):
    with pytest.raises(ConfigError, match="nowhere.yaml: no such file"):
        load(tmp_path / "nowhere.yaml", {})
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, {})
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(binary, {})


def test_the_environment_lies_over_the_file(tmp_path: Path):
    path = written(tmp_path, "bands:\n - name: a\n - name: b\nserver: {port: 1234}\n")
    environment = {
        "BANDWATCH__SERVER__PORT": "0",
        "BANDWATCH__STORE__DIRECTORY": "/var/lib/bandwatch",
        "BANDWATCH__BANDS__1__MASK__DC_BINS": "5",
        "HOME": "/root",
    }
    settings = load(path, environment)
    assert settings.server.port == 0
    assert settings.store.directory == Path("/var/lib/bandwatch")
    assert settings.bands[1].mask.dc_bins == 5
    assert settings.bands[0].mask.dc_bins is None


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("BANDWATCH__SERVER__PRT", "1", "server.prt: unknown key; did you mean 'port'?"),
        ("BANDWATCH__BANDS__7__NAME", "x", "'7' is not the number of one of 1 entries"),
        ("BANDWATCH__BANDS__0__NAME__DEEP", "x", "which holds no keys"),
        ("BANDWATCH__SERVER", "a: [", "not YAML"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, variable: str, value: str, line: str):
    path = written(tmp_path, "bands:\n - name: a\n")
    with pytest.raises(ConfigError) as caught:
        load(path, {variable: value})
    assert line in str(caught.value)


def test_settings_cannot_be_changed_after_loading():
    settings = load(None, {})
    with pytest.raises(ValueError, match="frozen"):
        settings.server.port = 1  # pyright: ignore[reportAttributeAccessIssue]


def test_a_band_without_settings_has_the_shipped_ones():
    assert load(None, {}).band("unheard-of") == schema.Band(name="unheard-of")


def test_what_ships_loads():
    assert load(shipped("simulated.yaml"), {}).bands[0].name == "srd-868"
    assert len(load(shipped("reference.yaml"), {}).bands) == 3


def test_every_option_is_documented_in_the_reference():
    reference = yaml.safe_load(shipped("reference.yaml").read_text())
    undocumented = sorted(_missing(schema.Settings, [reference], ""))
    assert not undocumented, f"not in config/reference.yaml: {undocumented}"


def _missing(model: type[BaseModel], examples: list, path: str) -> list[str]:
    """Keys of a section that no example of it shows."""
    missing = []
    for key, about in model.model_fields.items():
        values = [example[key] for example in examples if isinstance(example, dict) and key in example]
        if not values:
            missing.append(f"{path}{key}")
            continue
        values = [item for value in values for item in (value if isinstance(value, list) else [value])]
        for nested in _sections_in(about.annotation):
            mine = [v for v in values if isinstance(v, dict) and _is_of(nested, v)]
            missing += _missing(nested, mine, f"{path}{key}.")
    return missing


def _is_of(model: type[BaseModel], value: dict) -> bool:
    kind = model.model_fields.get("kind")
    return kind is None or value.get("kind") in kind.annotation.__args__


def _sections_in(annotation) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for argument in getattr(annotation, "__args__", ()) for m in _sections_in(argument)]
