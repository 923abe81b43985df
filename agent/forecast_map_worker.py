"""The process that maps what one band's forecaster looks at, at a low priority; then it ends.

`python -m bandwatch.agent.forecast_map_worker JOB` (`worker_process.py`).
"""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..pipeline.errors import BadInput
from ..pipeline.frames import NS_PER_S, PsdFrame
from ..pipeline.masks import Mask
from ..pipeline.store_reading import newest_rows
from .forecast_map_job import ForecastMapJob, map_folder, read_map_job, write_map_result
from .forecaster_in_use import DEFAULT, NETWORK
from .worker_process import run_worker

if TYPE_CHECKING:
    from ..explain.live_forecast_map import ForecastMap
    from ..models.forecasters.cnn_lstm import CnnLstm
    from ..models.step_table import StepTable

MOST_ROWS = 2_000_000
MORE_ROWS = 1.1
"""Times as many as rows of this length are in the hours: times jitter."""


def work(folder: Path) -> Path | None:
    """Read, map, publish, and leave in the job's folder where the map is."""
    job = read_map_job(folder)
    published = None
    found = _mapped(job)
    if found is not None:
        from ..explain.forecast_map_folder import publish_map

        about = {"node": job.node, "band": job.band, "reason": job.reason, "fit": job.in_use.fit}
        output = map_folder(Path(job.directory), job.node, job.band)
        published = publish_map(output, found, about, time.time_ns())
    write_map_result(folder, published)
    return published


def _mapped(job: ForecastMapJob) -> ForecastMap | None:
    from ..explain.live_forecast_map import grad_cam_of, occlusion_of

    if job.in_use.model == NETWORK:
        import torch

        torch.set_num_threads(1)
        network = _network(job)
        table = _steps(job, 0)
        return None if table is None else grad_cam_of(network, table, job.hours)
    if job.in_use.model == DEFAULT:
        from ..models.forecasters.default import steady_of
        from .fits import Fits

        fit = Fits(Path(job.directory)).load(job.node, job.band, job.in_use.fit or "")
        forecaster = steady_of(fit.forecaster)
        table = _steps(job, forecaster.needs_rows)
        if table is None:
            return None
        if table.unit != fit.unit:
            raise BadInput(f"fit {fit.key}: rows are in {table.unit}, it was fitted on {fit.unit}")
        fit.check(table.frequencies_hz, table.step_s)
        return occlusion_of(forecaster, table, job.hours, most_windows=job.most_windows)
    table = _steps(job, 0)
    if table is None:
        return None
    apart = job.in_use.columns_apart(len(table.frequencies_hz))
    return occlusion_of(apart, table, job.hours, columns_apart=True)


def _network(job: ForecastMapJob) -> CnnLstm:
    from ..models.bundle import Bundle

    bundle = Bundle.load(
        job.in_use.bundle or "", device="cpu", threads=1, cache_directory=Path(job.directory)
    )
    if bundle.hash != job.in_use.bundle_hash:
        was = (job.in_use.bundle_hash or "")[:12]
        raise BadInput(f"bundle {bundle.path}: its hash is {bundle.hash[:12]} now, the agent's was {was}")
    network = bundle.cnn_lstm(job.node, job.band)
    if network is None:
        raise BadInput(f"bundle {bundle.path}: it has no network of {job.node}/{job.band}")
    return network


def _steps(job: ForecastMapJob, needs_rows: int) -> StepTable | None:
    """The band's steps of the last hours, and so many before them as the forecaster reads."""
    from .stored_steps import stored_steps

    directory = Path(job.directory)
    newest = newest_rows(directory, job.node, job.band, 1, lambda _: None)
    row = next((item for _, item in newest if isinstance(item, PsdFrame)), None)
    if row is None:
        return None
    row_seconds = row.duration_ns / NS_PER_S
    seconds = job.hours * 3600 + needs_rows * max(job.step_seconds, row_seconds)
    return stored_steps(
        directory,
        job.node,
        job.band,
        mask=Mask(tuple((low, high) for low, high in job.mask_hz), job.dc_bins),
        step_s=job.step_seconds,
        days=seconds / 86_400,
        most_rows=min(MOST_ROWS, math.ceil(MORE_ROWS * seconds / row_seconds) + 1000),
        told=_told,
    )


def _told(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(run_worker(work, sys.argv[1:]))
