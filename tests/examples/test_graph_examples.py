"""The graph-style examples, at small size; and LeNet on the sample that comes with the repository."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import digits
import numpy as np
import pytest

EXAMPLES = Path(digits.__file__).parent


def quick(name: str) -> object:
    return importlib.import_module(name).main(["--quick"])


def test_the_quick_start_gets_to_know_its_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert quick("graph_quick_start") == 1.0
    assert capsys.readouterr().out.endswith("accuracy 1.0\n")


def test_both_ways_to_write_an_operation_train_alike() -> None:
    new, old = importlib.import_module("graph_custom_operation").main(["--quick"])
    assert new == pytest.approx(old, rel=1e-9)
    assert new < 1.5


def test_the_residual_network_learns() -> None:
    assert importlib.import_module("graph_residual").main(["--quick"]) > 0.3


def test_vgg16_runs(capsys: pytest.CaptureFixture[str]) -> None:
    quick("graph_vgg16")
    assert re.search(r"^epoch:0, accuracy:[\d.]+$", capsys.readouterr().out, re.MULTILINE)


def test_lenet_learns_on_the_sample(capsys: pytest.CaptureFixture[str]) -> None:
    quick("mnist_graph")
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"epoch:0/1, batch:0/40, train loss:Softmax, loss:[\d.]+", lines[0])
    assert float(lines[-1].removeprefix("epoch:0, accuracy:")) > 0.85


def test_mnist_graph_says_which_files_are_missing(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"^mnist_graph\.py: error: .*train-images-idx3-ubyte"):
        importlib.import_module("mnist_graph").main(["--data", str(tmp_path)])


def test_mnist_graph_takes_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rng: np.random.Generator
) -> None:
    for prefix in ("train", "t10k"):
        digits.write_idx(tmp_path / f"{prefix}-images-idx3-ubyte", rng.integers(256, size=(20, 28, 28), dtype=np.uint8))
        digits.write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte", (np.arange(20) % 10).astype(np.uint8))
    importlib.import_module("mnist_graph").main(["--data", str(tmp_path), "--epochs", "2", "--batch-size", "5"])
    out = capsys.readouterr().out
    assert "epoch:0/2, batch:0/4" in out
    assert "epoch:1, accuracy:" in out


def test_every_graph_example_is_tested() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    for path in EXAMPLES.glob("*graph*.py"):
        assert f'"{path.stem}"' in source
