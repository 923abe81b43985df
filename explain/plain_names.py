"""The hand-made features as people call them: `occupied bandwidth`, not `bandwidth_bins`."""

from __future__ import annotations

from dataclasses import dataclass

from ..models.window_features import FEATURES, Feature
from .amounts import amount

PLAIN_NAMES = {
    "peak_db": "strongest point",
    "mean_db": "mean level",
    "level_90_db": "level of the strongest tenth",
    "level_99_db": "level of the strongest hundredth",
    "occupied_db": "level of what is occupied",
    "occupied_ratio": "occupied share of the window",
    "duty_ratio": "share of the time with anything on the air",
    "reach_ratio": "share of the width with anything in it",
    "bandwidth_bins": "occupied bandwidth",
    "widest_bins": "largest occupied bandwidth",
    "full_rows_ratio": "share of the time occupied from edge to edge",
    "full_bins_ratio": "share of the width occupied all the time",
    "burst_count": "number of bursts",
    "longest_burst_rows": "longest burst",
    "median_burst_rows": "usual burst",
    "median_pause_rows": "usual pause",
    "period_rows": "period",
    "periodicity_ratio": "strictness of the period",
    "patch_count": "number of separate signals",
    "patch_length_rows": "length of a signal",
    "patch_width_bins": "width of a signal",
    "patch_fill_ratio": "share of its box that a signal fills",
    "main_patch_ratio": "strongest signal's share of the energy",
    "main_level_db": "level of the strongest signal",
    "drift_bins_a_row": "drift of the strongest signal",
    "straightness_ratio": "straightness of that drift",
    "ridge_step_bins": "jump of the strongest frequency",
    "centre_bins": "centre of the energy, from the window's middle",
    "spread_bins": "spread of the energy in frequency",
    "spread_rows": "spread of the energy in time",
    "spectral_flatness": "evenness over frequency",
    "temporal_flatness": "evenness over time",
    "side_edge_db": "steepness of the sides",
    "end_edge_db": "steepness of beginnings and ends",
    "direction": "stripes (−1) or lines (1)",
}
_COLUMNS = {feature.name: column for column, feature in enumerate(FEATURES)}
_NO_SHARES = (
    "direction",
    "spectral_flatness",
    "temporal_flatness",
    "straightness_ratio",
    "periodicity_ratio",
)

_ACROSS = (("MHz", 1e6), ("kHz", 1e3), ("Hz", 1.0))


@dataclass(frozen=True, slots=True)
class PixelSize:
    """What a pixel of a window is: `bin_hz` wide and `row_seconds` long."""

    bin_hz: float
    row_seconds: float

    @property
    def across(self) -> tuple[str, float]:
        """In which unit a window's width is told, and how many Hz that is."""
        half_hz = 64 * self.bin_hz
        return next(each for each in _ACROSS if half_hz >= 2 * each[1] or each[1] == 1)

    def physical(self, feature: Feature, value: float) -> tuple[float, str]:
        """A feature's value in dB, Hz, s, Hz/s, a `ratio` to be read as a share, or none ("")."""
        found, unit = feature.physical(value, self.bin_hz, self.row_seconds)
        is_share = feature.unit == "ratio" and feature.name not in _NO_SHARES
        return found, "ratio" if is_share else unit

    def resolution(self, unit: str) -> float:
        """A pixel's size in that unit; 0 where a pixel does not limit it."""
        return {"Hz": self.bin_hz, "s": self.row_seconds}.get(unit, 0.0)

    def text(self, feature: Feature, value: float) -> str:
        """`5.4 kHz`, `180 ms`, `34 %`: a feature's value as words have it."""
        found, unit = self.physical(feature, value)
        return amount(found, unit, self.resolution(unit))


def column_of(name: str) -> int:
    """Where a feature stands in what `window_features` gives."""
    return _COLUMNS[name]


def plain_name(feature: Feature) -> str:
    """What people call it; its own name with spaces where nobody has said."""
    return PLAIN_NAMES.get(feature.name, feature.name.replace("_", " "))
