"""Where explanations stand once they are published: folders, and a link to the newest of them.

What goes is renamed first: whoever looks finds all of it, or nothing.
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ..pipeline.durable_file import new_folder, sync

FACTS = "explanation.json"
NEWEST = "newest"
PART_PREFIX = ".part-"
GONE_PREFIX = ".gone-"
KEPT = 2


def publish_folder(folder: Path, write: Callable[[Path], None], made_ns: int) -> Path:
    """Have a new folder below `folder` written, then point `newest` to it; returns its path.

    Whoever opens `newest` at any moment finds one whole explanation, after a kill or power cut too. The one
    before stays for those who are reading it, older ones go. OSError as the system gives it.
    """
    new_folder(folder)
    part = Path(tempfile.mkdtemp(dir=folder, prefix=PART_PREFIX))
    try:
        part.chmod(0o755)
        write(part)
        for file in part.iterdir():
            sync(file)
        sync(part)
        stamp = datetime.fromtimestamp(made_ns / 1e9, UTC).strftime("%Y%m%dT%H%M%S")
        final = folder / f"{stamp}-{made_ns % 1_000_000_000:09}"
        part.rename(final)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    point_to(folder, final)
    tidy(folder)
    return final


def plain(value: Any) -> Any:
    """JSON knows no NaN and no numpy: what is not a number is null."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def tidy(folder: Path) -> None:
    """Let go of what a kill left half written, and of all but the newest and the one before it."""
    newest = newest_of(folder)
    whole = sorted(
        (path for path in folder.glob("[0-9]*") if path.is_dir()), key=lambda path: path.stat().st_mtime_ns
    )
    old = [path for path in whole if path != newest][: -(KEPT - 1)]
    for path in [*old, *folder.glob(f"{PART_PREFIX}*"), *folder.glob(f"{GONE_PREFIX}*")]:
        let_go(path)
    for link in folder.glob(f".{NEWEST}.*"):
        link.unlink(missing_ok=True)


def let_go(path: Path) -> bool:
    """Remove a folder that nothing leads to; False where it stays, for the system does not let it go."""
    gone = path if path.name.startswith(".") else path.with_name(f"{GONE_PREFIX}{path.name}")
    if gone != path:
        shutil.rmtree(gone, ignore_errors=True)  # of a kill: one that was let go and came again
        try:
            path.rename(gone)
        except OSError:
            return False
    shutil.rmtree(gone, ignore_errors=True)
    return True


def newest_of(folder: Path) -> Path | None:
    """The folder of the newest explanation; None where there is none."""
    link = folder / NEWEST
    return link.resolve() if link.is_symlink() and link.is_dir() else None


def point_to(folder: Path, final: Path) -> None:
    """Make `newest` lead to `final`, in one step."""
    link = folder / f".{NEWEST}.{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(final.name)
    link.replace(folder / NEWEST)
    sync(folder)
