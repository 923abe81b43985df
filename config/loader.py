"""YAML and environment -> Settings, or one line a mistake."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from .schema import Settings, SourceKind

ENVIRONMENT_PREFIX = "BANDWATCH__"


class ConfigError(ValueError):
    """Settings that cannot be used: one line a mistake, with key, value, limit or the nearest right name."""


def shipped(name: str) -> Path:
    """A YAML file that ships with the package, such as `simulated.yaml`."""
    return Path(__file__).parent / name


def load(path: Path | None, environment: Mapping[str, str]) -> Settings:
    """Settings from a file (defaults where None) with `BANDWATCH__SECTION__KEY` laid over it.

    Raises ConfigError.
    """
    where = str(path) if path is not None else "settings"
    raw = _read(path) if path is not None else {}
    for variable in sorted(environment):
        if variable.startswith(ENVIRONMENT_PREFIX):
            _lay_over(raw, variable, environment[variable])
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        raise ConfigError("\n".join(_line(where, detail) for detail in error.errors())) from None


class _UniqueKeys(yaml.SafeLoader):
    """A key that stands twice is a mistake, not a choice; one that is merged in (`<<`) may be overruled."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
                continue
            if key_node.value in seen:
                problem = f"the key {key_node.value!r} stands twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    try:
        raw = yaml.load(text, _UniqueKeys)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {_yaml_problem(error)}") from None
    if raw is None:
        raise ConfigError(f"{path}: empty; give at least `bands:` (see config/reference.yaml)")
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: a mapping of sections is wanted, this is a {type(raw).__name__}")
    return raw


def _yaml_problem(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{problem} (line {mark.line + 1}, column {mark.column + 1})" if mark else problem


def _lay_over(raw: dict[str, Any], variable: str, text: str) -> None:
    keys = variable.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{variable}: not YAML: {_yaml_problem(error)}") from None
    place: Any = raw
    for depth, key in enumerate(keys):
        last = depth == len(keys) - 1
        if isinstance(place, list):
            if not key.isdecimal() or int(key) >= len(place):
                raise ConfigError(f"{variable}: {key!r} is not the number of one of {len(place)} entries")
            if last:
                place[int(key)] = value
            else:
                place = place[int(key)]
        elif isinstance(place, dict):
            if last:
                place[key] = value
            else:
                if place.get(key) is None:
                    place[key] = {}
                place = place[key]
        else:
            raise ConfigError(f"{variable}: {'.'.join(keys[:depth])} is {place!r}, which holds no keys")


def _line(where: str, detail: ErrorDetails) -> str:
    location = _without_union_tags(detail["loc"])
    path = _path_of(location)
    value = detail["input"]
    match detail["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(str(location[-1]), _keys_beside(location), n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(_keys_beside(location))}"
            return f"{where}: {path}: unknown key{hint}"
        case "missing":
            return f"{where}: {path}: must be given"
        case "value_error":
            reason = detail["msg"].removeprefix("Value error, ")
            return f"{where}: {path}: {reason}" if path else f"{where}: {reason}"
        case _:
            return f"{where}: {path}: {value!r}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


def _without_union_tags(location: tuple[int | str, ...]) -> list[int | str]:
    """Where in the file: without what pydantic adds to say which kind of source or value it tried."""
    kept: list[int | str] = []
    for part in location:
        chosen_kind = kept[-1:] == ["source"] and part in get_args(SourceKind)
        tried_type = isinstance(part, str) and ("[" in part or part in ("float", "Path", "path"))
        if not chosen_kind and not tried_type:
            kept.append(part)
    return kept


def _path_of(location: list[int | str]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


def _keys_beside(location: list[int | str]) -> list[str]:
    """The known keys of the section that an unknown key stands in."""
    models: list[type[BaseModel]] = [Settings]
    for part in location[:-1]:
        if isinstance(part, str):
            known = [model for model in models if part in model.model_fields]
            models = [m for model in known for m in _models_in(model.model_fields[part].annotation)]
    return sorted({key for model in models for key in model.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]
