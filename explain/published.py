"""Where explanations stand once they are published: folders, and a link to the newest of them.

What goes is renamed first: whoever looks finds all of it, or nothing.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..pipeline.durable_file import sync

FACTS = "explanation.json"
NEWEST = "newest"
PART_PREFIX = ".part-"
GONE_PREFIX = ".gone-"
KEPT = 2


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
