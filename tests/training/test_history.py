"""The history as columns, table, HTML, picture, CSV and TensorBoard's events."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from tapenet.errors import ArgumentError, ArgumentTypeError, FileError, MissingFileError
from tapenet.training import History, Run, tensorboard

HISTORY = History().added([3.0, 1.0], {"accuracy": 0.5, "validation_loss": 2.0}).added([1.0, 0.0], {"accuracy": 0.75})


def test_columns():
    assert HISTORY.names == ["epoch", "loss", "accuracy", "validation_loss"]
    np.testing.assert_array_equal(HISTORY["loss"], [2.0, 0.5])
    np.testing.assert_array_equal(HISTORY["validation_loss"], [2.0, np.nan])
    np.testing.assert_array_equal(HISTORY.losses, [3.0, 1.0, 1.0, 0.0])
    assert len(HISTORY) == 2
    assert HISTORY.best("loss") == 2
    assert HISTORY.best("accuracy") == 2
    assert HISTORY.best("accuracy", "min") == 1
    assert HISTORY.best("validation_loss") == 1


def test_a_history_does_not_change():
    HISTORY.added([1.0])
    assert len(HISTORY) == 2
    assert HISTORY.losses.size == 4


def test_the_table():
    assert str(HISTORY).splitlines() == [
        "epoch  loss  accuracy  validation_loss",
        "    1     2       0.5                2",
        "    2   0.5      0.75",
    ]
    assert repr(HISTORY) == "History(2 epochs, 4 steps: epoch, loss, accuracy, validation_loss)"
    assert repr(History()) == "History(0 epochs, 0 steps: no columns)"
    html = HISTORY._repr_html_()
    assert html.count("<tr>") == 3
    assert "<td>0.75</td>" in html
    assert "&lt;b&gt;" in History().added([], {"<b>": 1.0})._repr_html_()


def test_csv(tmp_path):
    path = tmp_path / "history.csv"
    HISTORY.save_csv(path)
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["accuracy"] for row in rows] == ["0.5", "0.75"]
    assert rows[1]["validation_loss"] == ""


def test_csv_in_a_place_that_is_not_there(tmp_path):
    with pytest.raises(
        MissingFileError, match=r"History.save_csv: path must be in a folder that exists; got '.*x.csv'"
    ):
        HISTORY.save_csv(tmp_path / "missing" / "x.csv")
    with pytest.raises(FileError, match=r"History.save_csv: path must be that of a file; got the folder"):
        HISTORY.save_csv(tmp_path)


def test_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    figure = HISTORY.plot(tmp_path / "history.png")
    assert [axes.get_title() for axes in figure.axes] == ["loss", "accuracy"]
    assert {line.get_label() for line in figure.axes[0].lines} == {"each step", "loss", "validation_loss"}
    assert (tmp_path / "history.png").read_bytes().startswith(b"\x89PNG")


def scalars(folder):
    """What TensorBoard reads, by tag."""
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    found = {}
    for path in sorted(folder.iterdir()):
        for event in loader.LegacyEventFileLoader(str(path)).Load():
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


EVENTS = {
    "epoch/loss": {1: 2.0, 2: 0.5},
    "epoch/accuracy": {1: 0.5, 2: 0.75},
    "epoch/validation_loss": {1: 2.0},
    "step/loss": {1: 3.0, 2: 1.0, 3: 1.0, 4: 0.0},
}


def test_events(tmp_path):
    pytest.importorskip("tensorboard")
    HISTORY.save_tensorboard(tmp_path / "events")
    assert scalars(tmp_path / "events") == EVENTS


def test_the_callback_writes_each_epoch(tmp_path):
    pytest.importorskip("tensorboard")
    callback, history = tensorboard(tmp_path), History()
    state = callback.init(Run(None, None, history=history))
    for row, losses in zip(HISTORY.rows, ([3.0, 1.0], [1.0, 0.0]), strict=True):
        history = history.added(losses, row)
        _, state = callback.epoch_end(Run(None, None, epoch=len(history), history=history), state)
    assert scalars(tmp_path) == EVENTS


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: HISTORY["f1"],
            ArgumentError,
            "History: name must be that of a column, 'epoch', 'loss', 'accuracy', 'validation_loss'; got 'f1'.",
        ),
        (
            lambda: History()["f1"],
            ArgumentError,
            "History: name must be that of a column, of which there are none; got 'f1'.",
        ),
        (
            lambda: HISTORY.best("loss", "least"),
            ArgumentError,
            "History.best: mode must be 'min' or 'max'; got 'least'.",
        ),
        (
            lambda: History().added([np.nan]).best("loss"),
            ArgumentError,
            "History.best: name must be that of a column with a number; got 'loss'.",
        ),
        (lambda: History().plot(), ArgumentError, "History.plot: history must have at least one epoch; got none."),
        (lambda: HISTORY.save_csv(3), ArgumentTypeError, "History.save_csv: path must be a path; got 3."),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == text
