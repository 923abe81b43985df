"""The route of a band: what a retune keeps, what a gap costs, what is said of models that do not fit."""

import numpy as np
import pytest
import torch

from bandwatch.agent.labels import Labels
from bandwatch.agent.outputs import Discarded, Fitted
from bandwatch.agent.route import BandRoute
from bandwatch.models.bundle import Bundle, write_bundle
from bandwatch.models.encoder import Encoder, EncoderConfig, weights_of
from bandwatch.pipeline.continuity import Continuity
from bandwatch.pipeline.frames import Assignment, Forecast, Gap, LevelledRow, Verdict
from bandwatch.pipeline.histories import Histories
from bandwatch.pipeline.masks import Mask
from bandwatch.pipeline.stage import drive
from bandwatch.pipeline.steps import Steps
from bandwatch.pipeline.windows import Windower
from bandwatch.tests.jig import SECOND, gap_before, rows, same


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("bundle") / "tiny"
    write_bundle(path, weights_of(Encoder(EncoderConfig(4)).eval()), 4)
    return Bundle.load(path, device="cpu")


class Route:
    """A route and what it told, for bands of one-second rows."""

    def __init__(self, bundle: Bundle, **changes) -> None:
        self.told: list[str] = []
        self.timed: list[str] = []
        parts = {
            "continuity": Continuity(),
            "mask": Mask(),
            "windower": Windower(16),
            "steps": Steps(60),
            "histories": Histories(),
            "warm_up_windows": 24,
            "seed": 0,
            "timed": lambda stage, seconds: self.timed.append(stage),
            "told": self.told.append,
        }
        parts |= changes
        about = {name: parts.pop(name) for name in ("warm_up_windows", "seed", "timed", "told")}
        labels = Labels("node", "band", bundle, stride_rows=parts["windower"].stride_rows, **about)
        self.route = BandRoute(labels, **parts)

    def push(self, items) -> list:
        return [output for item in items for output in self.route.push(item)]


def of(outputs: list, kind: type) -> list:
    return [output for output in outputs if isinstance(output, kind)]


def test_one_row_at_a_time_and_another_route_beside_it_change_nothing(bundle: Bundle):
    items = rows(900, bins=140, seed=4)
    one, other, third = Route(bundle), Route(bundle), Route(bundle)
    first = one.push(items)
    second = []
    for item in items:
        second += other.push([item])
        third.push([item])
    assert same(first, second)
    assert of(first, Fitted)


def test_windows_are_unlabelled_until_the_band_has_its_own_model(bundle: Bundle):
    route = Route(bundle)
    assert not route.route.labels.warm
    outputs = route.push(rows(128 + 16 * 40, bins=128))
    assignments = of(outputs, Assignment)
    assert [a.cluster is None for a in assignments] == [True] * 23 + [False] * 18
    assert of(outputs, Fitted)[0].windows == 24
    assert route.route.labels.warm
    assert {"embed", "assign", "fit", "forecast"} == set(route.timed)
    states = [v.state for v in of(outputs, Verdict)]
    assert states[:2] == ["warming_up", "normal"]


def test_a_gap_costs_the_windows_in_progress_and_is_passed_on(bundle: Bundle):
    route = Route(bundle)
    items = rows(400, bins=256)
    route.push(items[:200])
    outputs = route.push([gap_before(items[230], "source", 30), *items[230:]])
    assert of(outputs, Gap)[0].lost_rows == 30
    assert of(outputs, Discarded) == [Discarded("node", "band", "source", 2, items[230].time_ns)]
    starts = [a.start_ns for a in of(outputs, Assignment)]
    assert min(starts) >= items[230].time_ns


def test_a_retune_starts_the_bands_model_anew(bundle: Bundle):
    route = Route(bundle)
    route.push(rows(700, bins=128))
    assert route.route.labels.warm
    moved = [
        type(row)(**{f: getattr(row, f) for f in row.__slots__} | {"center_hz": 900e6, "seq": row.seq + 700,
                                                                  "time_ns": row.time_ns + 700 * SECOND})
        for row in rows(200, bins=128)
    ]  # fmt: skip
    outputs = route.push(moved)
    assert [gap.reason for gap in of(outputs, Gap)] == ["retuned"]
    assert of(outputs, Assignment)
    assert all(a.cluster is None for a in of(outputs, Assignment))
    assert not route.route.labels.warm


def test_another_unit_starts_the_model_anew(bundle: Bundle):
    route = Route(bundle)
    route.push(rows(700, bins=128))
    changed = [
        type(row)(**{f: getattr(row, f) for f in row.__slots__} | {"unit": "dBFS/bin", "seq": row.seq + 700,
                                                                  "time_ns": row.time_ns + 700 * SECOND})
        for row in rows(200, bins=128)
    ]  # fmt: skip
    outputs = route.push(changed)
    assert [gap.reason for gap in of(outputs, Gap)] == ["retuned"]
    assert all(a.cluster is None for a in of(outputs, Assignment))
    assert not route.route.labels.warm


def test_a_narrow_band_is_warm_without_windows_and_forecasts(bundle: Bundle):
    route = Route(bundle)
    outputs = route.push(rows(60 * 26, bins=16))
    assert route.route.labels.warm
    assert not of(outputs, Assignment)
    assert {d.reason for d in of(outputs, Discarded)} == {"too_few_bins"}
    assert sum(d.windows for d in of(outputs, Discarded)) == (60 * 26 - 128) // 16 + 1
    assert len(of(outputs, Forecast)) == 26 - 23


def test_a_row_of_nan_is_a_gap_of_its_own(bundle: Bundle):
    route = Route(bundle)
    items = rows(300, bins=64)
    bad = items[150].power_db.copy()
    bad[3] = np.nan
    spoiled = rows(151, bins=64)[150]
    spoiled = type(spoiled)(**{f: getattr(spoiled, f) for f in spoiled.__slots__} | {"power_db": bad})
    outputs = route.push([*items[:150], spoiled, *items[151:]])
    assert [(gap.reason, gap.lost_rows) for gap in of(outputs, Gap)] == [("source", 1)]
    assert len(of(outputs, LevelledRow)) == 299


def test_the_mask_acts_before_everything_else(bundle: Bundle):
    spiked = np.full(64, -100, dtype=np.float32)
    spiked[32] = 0
    items = rows(5, bins=64, power_db=spiked)
    outputs = Route(bundle, mask=Mask(dc_bins=1)).push(items)
    assert all(row.level_db == pytest.approx(-100) for row in of(outputs, LevelledRow))


def test_the_pieces_are_the_stages_of_the_jig(bundle: Bundle):
    items = rows(200, bins=130)
    floor = drive(Windower(16), of(Route(bundle).push(items), LevelledRow))
    assert len(floor) == len(of(Route(bundle).push(items), Assignment))
