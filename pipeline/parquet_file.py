"""A sealed parquet file, open; whatever is wrong with it as `BadInput`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from .errors import BadInput
from .parquet_seal import SealedFile


@contextmanager
def open_parquet(path: Path) -> Iterator[pq.ParquetFile]:
    """The file for the length of a block; what its seal or Arrow finds wrong, in it too, as `BadInput`.

    Column chunks are read 1 MiB at a time; Arrow gets no byte that the seal does not vouch for.
    """
    try:
        with (
            SealedFile(path) as stream,
            pq.ParquetFile(
                stream, buffer_size=1 << 20, pre_buffer=False, page_checksum_verification=True
            ) as file,
        ):
            yield file
    except BadInput as error:
        told = str(error)
        raise BadInput(told if told.startswith(str(path)) else f"{path}: {told}") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {' '.join(str(error).split())[:200]}") from None
    except (pa.ArrowException, ValueError, KeyError, OverflowError, MemoryError) as error:
        told = " ".join(str(error).split())[:200]
        raise BadInput(f"{path}: truncated or not a parquet file: {told}") from None
