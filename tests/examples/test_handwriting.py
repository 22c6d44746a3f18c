"""Images of digits, read as MNIST has them: from other sizes, colors, places and formats."""

from __future__ import annotations

from pathlib import Path

import digits
import handwriting
import mnist
import numpy as np
import pytest

Image = pytest.importorskip("PIL.Image")

SAMPLE = digits.load(mnist.SAMPLE)


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """The cosine of the angle between two images."""
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


@pytest.mark.parametrize("ending", ["png", "jpg"])
@pytest.mark.parametrize("is_dark", [True, False])
@pytest.mark.parametrize("index", range(6))
def test_a_digit_comes_back_from_a_larger_picture(tmp_path: Path, index: int, is_dark: bool, ending: str) -> None:
    """Enlarged, away from the middle, on paper that is not quite white or black, with a little noise."""
    digit = SAMPLE.test_images[index]
    rng = np.random.default_rng(index)
    large = np.kron(digit[..., 0], np.ones((7, 7)))
    page = np.zeros((300, 400))
    page[20 : 20 + large.shape[0], 150 : 150 + large.shape[1]] = large
    ink = page * 0.7 + 0.1 + rng.normal(size=page.shape) * 0.01
    path = tmp_path / f"digit.{ending}"
    Image.fromarray(np.uint8(255 * (1 - ink if is_dark else ink))).convert("RGB").save(path)
    found = handwriting.read(path)
    assert found.shape == (28, 28, 1)
    assert found.dtype == np.float32
    assert 0 <= found.min() <= found.max() <= 1
    assert likeness(found, digit) > 0.9


def test_paper_may_be_transparent(tmp_path: Path) -> None:
    pixels = np.zeros((60, 60, 4), np.uint8)
    pixels[10:50, 28:33, 3] = 255  # a black stroke on nothing
    Image.fromarray(pixels).save(tmp_path / "one.png")
    found = handwriting.read(tmp_path / "one.png")[..., 0]
    rows, columns = np.nonzero(found)
    assert np.ptp(rows) == handwriting.INNER - 1
    assert np.ptp(columns) < 4


def test_ink_is_centred_by_its_mass() -> None:
    box = np.zeros((20, 10), np.float32)
    box[:, 0] = 1
    columns = np.nonzero(handwriting.centred(box)[..., 0].any(axis=0))[0]
    assert columns.tolist() == [14]
    heavy = np.ones((20, 20), np.float32)
    heavy[:, 0] = 1000
    assert handwriting.centred(heavy).sum() == heavy.sum()  # as far as it fits


def test_an_empty_page(tmp_path: Path) -> None:
    Image.new("L", (50, 50), 200).save(tmp_path / "empty.png")
    with pytest.raises(handwriting.ImageError, match="expected a digit, dark on light or light on dark; found no ink"):
        handwriting.read(tmp_path / "empty.png")


def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises((handwriting.ImageError, OSError)):
        handwriting.read(path)
