"""The folder of a report: page, figures with their numbers, record; a new report replaces the old one."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..models.tensor_file import write_atomically
from ..pipeline.errors import BadInput

RECORD_FILE, PAGE_FILE = "report.json", "report.html"
CLUSTERS, FORECAST = "explain-clusters", "explain-forecast"  # kinds of reports
VERSION = 1


def check_folder(folder: Path, kind: str = CLUSTERS) -> None:
    """BadInput unless a report can go there: a folder that is not there, is empty, or holds a report of that
    kind, where the system lets us write."""
    there = folder if os.path.lexists(folder) else next(up for up in folder.absolute().parents if up.exists())
    if not there.is_dir():
        raise BadInput(f"--out {folder}: {'' if there == folder else f'{there} '}is a file; limit: a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise BadInput(f"--out {folder}: cannot be written: {there} does not let us")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if _files_before(folder, kind) is None:
        raise BadInput(
            f"--out {folder}: is not empty and holds no report of before; limit: a new or an empty folder"
        )


def write_report(
    folder: Path,
    record: Mapping[str, Any],
    page: str,
    files: Mapping[str, bytes],
    kind: str = CLUSTERS,
) -> None:
    """Write a report. `files` are figures and their numbers by their paths in the folder.

    All is written aside before any of it takes its place: a disk that fills up leaves the report of before
    as it was, or nothing. A record, which lists all files, goes first: what was interrupted is known as a
    report and can be replaced. Files of a report of before that this one does not have are removed. Raises
    BadInput as `check_folder`, and where the disk refuses.
    """
    check_folder(folder, kind)
    old = _files_before(folder, kind)
    contents = {PAGE_FILE: page.encode(), **files}
    listed = {"kind": kind, "version": VERSION} | dict(record)
    first, last = (
        {**listed, "files": sorted({*contents, *(old or [])})},
        {**listed, "files": sorted(contents)},
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if old is None:
            _write_record(folder / RECORD_FILE, {"kind": kind, "version": VERSION, "files": []})
        try:
            _replace(folder, contents, first, last, set(old or []) - set(contents))
        except OSError:
            if old is None and _files_before(folder, kind) == []:
                (folder / RECORD_FILE).unlink()
            raise
    except OSError as error:
        raise BadInput(f"--out {folder}: cannot be written: {error.strerror or error}") from None


def _replace(
    folder: Path,
    contents: Mapping[str, bytes],
    first: Mapping[str, Any],
    last: Mapping[str, Any],
    gone: Iterable[str],
) -> None:
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as aside:
        part = Path(aside)
        for name, content in contents.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(part / name, content)
        _write_record(part / ".first", first)
        _write_record(part / ".last", last)
        (part / ".first").replace(folder / RECORD_FILE)
        for name in contents:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (part / name).replace(folder / name)
        _remove(folder, gone)
        (part / ".last").replace(folder / RECORD_FILE)


def band_folders(bands: Sequence[tuple[str, str]]) -> list[str]:
    """A folder's name for each (node, band): plain characters, each name once."""
    found: list[str] = []
    for node, band in bands:
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", f"{node}-{band}").strip("-")[:64] or "band"
        same = sum(other == name or other.startswith(f"{name}--") for other in found)
        found.append(f"{name}--{same + 1}" if same else name)
    return found


def _write_record(path: Path, record: Mapping[str, Any]) -> None:
    content = json.dumps(record, indent=1, allow_nan=False) + "\n"
    write_atomically(path, content.encode())


def _files_before(folder: Path, kind: str) -> list[str] | None:
    """What a report of that kind there says it wrote; None where there is none."""
    try:
        record = json.loads((folder / RECORD_FILE).read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or record.get("kind") != kind:
        return None
    files = record.get("files")
    return [name for name in files if isinstance(name, str)] if isinstance(files, list) else []


def _remove(folder: Path, names: Iterable[str]) -> None:
    """Only what lies in the folder or one below it: the list may have been written by anybody."""
    own = folder.resolve()
    for name in names:
        path = folder / name
        parent = path.parent.resolve()
        if own not in (parent, parent.parent) or not path.is_file():
            continue
        path.unlink()
        if parent != own and not any(parent.iterdir()):
            parent.rmdir()
