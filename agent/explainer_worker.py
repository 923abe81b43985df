"""The process that explains one band's clusters, at the lowest priority; then it ends.

`python -m bandwatch.agent.explainer_worker JOB` (`worker_process.py`).
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..pipeline.errors import BadInput
from .explain_job import Result, read_job, result_of, write_result
from .worker_process import run_worker

if TYPE_CHECKING:
    from ..models.bundle import Bundle

_NOT_TOLD = ("output", "cache", "names")  # names stand with their clusters


def work(folder: Path) -> Result:
    """Explain, publish, and leave the result in the job's folder."""
    job, model = read_job(folder)
    import torch

    torch.set_num_threads(1)
    from ..explain.refresh import refresh
    from ..explain.refreshed import publish
    from ..models.bundle import ENCODER_FILE, Bundle
    from ..models.encoder import encoder_with
    from ..models.encoder_weights import read_weights
    from .reservoir import read_windows

    bundle = Bundle.load(job.bundle, device="cpu", threads=1, cache_directory=Path(job.cache))
    _check(bundle, job.bundle_hash)
    width = bundle.manifest.width
    encoder = encoder_with(read_weights(bundle.part(ENCODER_FILE), width), width)
    recent = read_windows(folder, job.most_windows)
    explanation = refresh(
        recent.values,
        recent.segments,
        recent.clusters,
        recent.start_ns,
        recent.row_seconds,
        model,
        encoder,
        bundle.embed,
    )
    about = {name: value for name, value in asdict(job).items() if name not in _NOT_TOLD}
    names = {int(cluster): name for cluster, name in job.names.items()}
    published = publish(Path(job.output), explanation, about, time.time_ns(), names)
    result = result_of(published)
    write_result(folder, result)
    return result


def _check(bundle: Bundle, wanted: str) -> None:
    if bundle.hash != wanted:
        raise BadInput(
            f"bundle {bundle.path}: its hash is {bundle.hash[:12]} now, the agent's was {wanted[:12]}"
        )


if __name__ == "__main__":
    sys.exit(run_worker(work, sys.argv[1:]))
