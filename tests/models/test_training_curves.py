"""Curves of a training: a line an epoch, one file in the bundle, one picture."""

import json

import matplotlib.image
import numpy as np
import pytest

from bandwatch.models.curve_figure import draw_curves
from bandwatch.models.training_curves import CurveLog, Epoch, TrainingCurves
from bandwatch.pipeline.errors import BadInput

EPOCHS = [
    Epoch(0, 2.0, 0.25, True, None, None, 0.5, seconds=3.0),
    Epoch(1, 1.0, 0.5, False, None, seconds=2.0),
    Epoch(2, 1.5, 0.25, True, 0.75, 0.125, 0.75, seconds=3.0),
]


def test_each_epoch_is_a_line_as_soon_as_it_is_over(tmp_path):
    path = tmp_path / "made" / "curves.jsonl"
    log = CurveLog(path)
    for number, epoch in enumerate(EPOCHS):
        log.add(epoch)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert [line["loss"] for line in lines] == [2.0, 1.0, 1.5][: number + 1]
    assert lines[2]["nmi"] == 0.75
    assert lines[2]["changed"] == 0.125
    assert lines[2]["seconds"] == 3.0


def test_a_training_that_goes_on_tells_of_no_epoch_twice(tmp_path):
    for told in (EPOCHS[:2], EPOCHS):
        log = CurveLog(tmp_path / "curves.jsonl")
        for epoch in told:
            log.add(epoch)
    numbers = [json.loads(line)["number"] for line in (tmp_path / "curves.jsonl").read_text().splitlines()]
    assert numbers == [0, 1, 2]


def test_kept_curves_are_read_back_and_do_not_hold_the_time_it_took(tmp_path):
    TrainingCurves(2, EPOCHS).save(tmp_path)
    found = TrainingCurves.load(tmp_path / "curves.json")
    assert (found.cycle, found.epochs) == (2, EPOCHS)
    assert [epoch.seconds for epoch in found.epochs] == [0, 0, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(version=2), "not the curves of a training, version 1"),
        (lambda c: c.update(epochs=None), "needs a cycle and a list of epochs"),
        (lambda c: c["epochs"].pop(0), "epoch 0 needs accuracy, changed, "),
        (lambda c: c["epochs"][1].pop("loss"), "epoch 1 needs accuracy, changed, "),
        (lambda c: c["epochs"][1].update(loss="low"), "epoch 1 has loss 'low', needs a number"),
        (lambda c: c["epochs"][1].update(loss=None), "epoch 1 has loss None, needs a number"),
    ],
)
def test_what_are_no_curves_is_refused(tmp_path, change, message):
    TrainingCurves(2, EPOCHS).save(tmp_path)
    path = tmp_path / "curves.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(BadInput) as refused:
        TrainingCurves.load(path)
    assert str(refused.value).startswith(f"{path}: {message}")
    path.write_text("{")
    with pytest.raises(BadInput, match="not JSON"):
        TrainingCurves.load(path)


def test_the_picture_shows_them_and_one_epoch_is_enough(tmp_path):
    dots = []
    for count in (1, 3):
        png = tmp_path / f"{count}.png"
        draw_curves(png, {"one": [TrainingCurves(2, EPOCHS[:count])], "other": []})
        dots.append(blue(png).sum())
    assert 0 < dots[0] < dots[1]  # a dot; a line of three


def test_a_column_of_higher_losses_is_wholly_seen(tmp_path):
    columns = {str(loss): [TrainingCurves(1, [Epoch(0, loss, 0.5, True, None)])] for loss in (0.1, 9.0)}
    draw_curves(tmp_path / "a.png", columns)
    left, right = np.array_split(blue(tmp_path / "a.png"), 2, axis=1)
    assert left.any()
    assert right.any()
    assert np.flatnonzero(right.any(axis=1)).max() < np.flatnonzero(left.any(axis=1)).min()


def blue(png) -> np.ndarray:
    """Where a picture is of the colour of losses."""
    image = matplotlib.image.imread(png)[..., :3]
    return ((image - np.array([0x1F, 0x77, 0xB4]) / 255) ** 2).sum(axis=2) < 0.01


def test_a_picture_with_no_place_to_go_is_refused_in_one_line(tmp_path):
    with pytest.raises(BadInput, match=r"none/a\.png: cannot be written: No such file or directory"):
        draw_curves(tmp_path / "none" / "a.png", {"one": [TrainingCurves(2, EPOCHS)]})
