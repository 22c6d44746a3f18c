"""The script that draws the sample of MNIST."""

import importlib.util
from pathlib import Path
from types import ModuleType

import digits
import numpy as np
import pytest

SCRIPT = Path(digits.__file__).parent / "data" / "make_sample.py"


@pytest.fixture(scope="module")
def make_sample() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_sample", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with 60 training and 40 test images, each filled with its own number."""
    target = tmp_path / "source"
    target.mkdir()
    for images_name, labels_name, count in (
        (digits.TRAIN_IMAGES, digits.TRAIN_LABELS, 60),
        (digits.TEST_IMAGES, digits.TEST_LABELS, 40),
    ):
        numbers = np.arange(count, dtype=np.uint8)
        digits.write_idx(target / images_name, np.broadcast_to(numbers[:, None, None], (count, 28, 28)))
        digits.write_idx(target / labels_name, numbers % 10)
    return target


def test_sample_is_balanced_and_without_repetition(make_sample: ModuleType, source: Path, tmp_path: Path) -> None:
    target = tmp_path / "sample"
    make_sample.make_sample(source, target, train_per_class=4, test_per_class=2)
    for images_name, labels_name, per_class in (
        (digits.TRAIN_IMAGES, digits.TRAIN_LABELS, 4),
        (digits.TEST_IMAGES, digits.TEST_LABELS, 2),
    ):
        numbers = digits.read_idx(target / f"{images_name}.gz")[:, 0, 0]
        labels = digits.read_idx(target / f"{labels_name}.gz")
        np.testing.assert_array_equal(labels, numbers % 10)
        np.testing.assert_array_equal(np.bincount(labels), [per_class] * 10)
        assert len(set(numbers.tolist())) == 10 * per_class
        assert (np.diff(labels.astype(int)) < 0).any()  # shuffled, not sorted by digit


def test_sample_is_the_same_each_time(make_sample: ModuleType, source: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        make_sample.make_sample(source, tmp_path / name, train_per_class=4, test_per_class=2)
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()


def test_missing_source_is_one_line(
    make_sample: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make_sample.main([str(tmp_path / "nowhere"), "--target", str(tmp_path / "sample")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"make_sample.py: error: {tmp_path / 'nowhere'}: no such directory; four files")
    assert error.count("\n") == 1
