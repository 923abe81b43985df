"""`store.yaml`: the version of a store's layout, and the way from an older one to this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from .durable_file import durable_file
from .errors import BadInput

STORE_VERSION = 1
STORE_FILE = "store.yaml"

Migration = Callable[[Path], None]

MIGRATIONS: Mapping[int, Migration] = {}
"""By the version they start from: each turns a store of version n into one of n + 1.

A migration may be killed anywhere and is then done again from its start: it must not mind what it has
already changed. It never deletes rows or events. `store.yaml` says n + 1 once it has returned.
"""


def stored_version(directory: Path) -> int | None:
    """The version of the store in a directory, None where there is none; `BadInput` if it cannot be told."""
    path = directory / STORE_FILE
    try:
        content: Any = yaml.safe_load(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read: {' '.join(str(error).split())[:200]}") from None
    version = content.get("version") if isinstance(content, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise BadInput(f"{path}: version {str(version)[:20]}; limit: a whole number from 1")
    return version


def require_readable(directory: Path, limit: int = STORE_VERSION) -> int | None:
    """The version of a store that this code can read; `BadInput` for one of a later version."""
    version = stored_version(directory)
    if version is not None and version > limit:
        raise BadInput(f"{directory}: store version {version}; limit: {limit}, that of this bandwatch")
    return version


def bring_up_to_date(
    directory: Path, version: int = STORE_VERSION, migrations: Mapping[int, Migration] = MIGRATIONS
) -> None:
    """Make a directory a store of `version`: a new one is marked, an older one goes through its migrations.

    `BadInput` for a later version, and for an older one that no migration starts from; OSError.
    """
    found = require_readable(directory, version)
    if found is None:
        _write(directory, version)
        return
    for step in range(found, version):
        if step not in migrations:
            raise BadInput(f"{directory}: store version {step}; limit: {version}, and no way leads there")
        migrations[step](directory)
        _write(directory, step + 1)


def _write(directory: Path, version: int) -> None:
    with durable_file(directory / STORE_FILE) as part:
        part.write_text(f"version: {version}\n", encoding="utf-8")
