"""Names and numbers that every source, recording and message keeps to.

They are said once, so that what one end takes the other takes too: a recording that opens can be sent.
"""

from __future__ import annotations

import re

# A name is part of topics, labels and folders. The settings have a pattern equal to this one.
NAME_PATTERN = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}"
NAME_LIMIT = "1 to 64 letters, digits, '.', '_' and '-', no '.' first"
LONGEST_NAME = 64

# Times stay below 2^62 ns, so that the end of a row is an int64 too whatever its duration.
LATEST_NS = 2**62 - 1
LATEST_DAY = "2116-02-20"

BINS_RANGE = (2, 1_048_576)
MOST_CENTER_HZ = 1e13  # either side of 0: a band may be relative to a carrier
MOST_STEP_HZ = 1e12

_NAME = re.compile(NAME_PATTERN)
_NOT_IN_A_NAME = re.compile(r"^\.+|[^A-Za-z0-9._-]+")


def is_name(text: str) -> bool:
    """Whether a node or a band can be called that."""
    return _NAME.fullmatch(text) is not None


def as_name(text: str) -> str:
    """A text that is not empty as a name: a `-` for whatever no name can hold, cut to the longest."""
    return _NOT_IN_A_NAME.sub("-", text)[:LONGEST_NAME]
