"""The example that trains LeNet on handwritten digits, run as its users run it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import digits
import mnist
import numpy as np
import pytest

import tapenet as tn

EXAMPLES = Path(mnist.__file__).parent
SMALL = ("--train-size", "256", "--test-size", "100", "--epochs", "1")
TINY = ("--train-size", "64", "--test-size", "10", "--epochs", "1", "--batch-size", "32")
PNG_START = b"\x89PNG\r\n\x1a\n"


def run_script(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the script in a folder, with the library that is being tested."""
    search_path = os.pathsep.join([str(EXAMPLES.parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, str(EXAMPLES / "mnist.py"), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": search_path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def run_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder to run `mnist.main` in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run with arguments that end with an error; give the line that says so."""
    status: int | str | None
    try:
        status = mnist.main(arguments)
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_a_run_prints_the_accuracy_and_draws_two_pictures(tmp_path: Path) -> None:
    first = run_script(*SMALL, folder=tmp_path)
    assert first.returncode == 0, first.stderr
    lines = first.stdout.splitlines()
    assert lines[0].startswith("256 training and 100 test digits from ")
    assert re.fullmatch(r"epoch 1: test accuracy [01]\.\d{4}", lines[1])
    assert re.fullmatch(r"test accuracy: [01]\.\d{4}", lines[-1])
    assert lines[1].split()[-1] == lines[-1].split()[-1]
    assert re.search(r"epoch 1/1: 100%.* batches/s, loss \d\.\d{4}, .*accuracy [01]\.\d{4}", first.stderr)
    output = tmp_path / "mnist-output"
    assert sorted(path.name for path in output.iterdir()) == ["learning_curves.png", "wrong_digits.png"]
    for path in output.iterdir():
        assert path.read_bytes().startswith(PNG_START)

    second = run_script(*SMALL, folder=tmp_path)
    assert second.stdout == first.stdout


def test_another_seed_is_another_run(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses: list[list[float]] = []
    monkeypatch.setattr(mnist, "draw_pictures", lambda options, found, *rest: losses.append(found.losses.tolist()))
    for seed in ("1", "1", "2"):
        assert mnist.main([*TINY, "--seed", seed]) == 0
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


@pytest.mark.parametrize("optimizer", list(mnist.OPTIMIZERS))
def test_each_optimizer_learns(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], optimizer: str
) -> None:
    losses: list[float] = []
    monkeypatch.setattr(mnist, "draw_pictures", lambda options, found, *rest: losses.extend(found.losses))
    options = ("--train-size", "128", "--test-size", "10", "--epochs", "2", "--batch-size", "16")
    assert mnist.main([*options, "--optimizer", optimizer]) == 0
    assert len(losses) == 2 * 8
    assert np.mean(losses[-4:]) < 0.9 * np.mean(losses[:4])


@pytest.mark.parametrize(("arguments", "start"), [((), 0.001), (("--learning-rate", "0.5"), 0.5)])
def test_the_learning_rate_falls_in_a_line(arguments: tuple[str, ...], start: float) -> None:
    optimizer = mnist.make_optimizer(mnist.parse(arguments), steps=4)
    assert callable(optimizer.learning_rate)
    rates = [optimizer.learning_rate(step) for step in range(5)]
    np.testing.assert_allclose(rates, start * np.array([1, 0.75, 0.5, 0.25, 0]))


def test_bad_data_is_one_line_and_status_2(tmp_path: Path) -> None:
    data = tmp_path / "damaged"
    shutil.copytree(mnist.SAMPLE, data)
    digits.write_idx(data / f"{digits.TRAIN_LABELS}.gz", np.zeros(9999, np.uint8))
    result = run_script("--data", str(data), folder=tmp_path)
    assert result.returncode == 2
    assert result.stdout == ""
    expected = "mnist.py: error: train-labels-idx1-ubyte.gz: expected 10000 labels (one per image), found 9999.\n"
    assert result.stderr == expected
    assert not (tmp_path / "mnist-output").exists()


def test_missing_data(capsys: pytest.CaptureFixture[str], run_folder: Path) -> None:
    message = refusal(capsys, "--data", "nowhere")
    assert message.startswith("mnist.py: error: nowhere: no such directory; four files are looked for, each")
    assert message.endswith(f"{digits.TEST_IMAGES}, {digits.TEST_LABELS}.")


def test_download_that_fails(
    capsys: pytest.CaptureFixture[str], run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(directory: Path) -> None:
        raise digits.DownloadError(f"cannot be fetched into {directory}")

    monkeypatch.setattr(digits, "download", unreachable)
    message = refusal(capsys, "--data", "new", "--download")
    assert message == "mnist.py: error: cannot be fetched into new"


def test_download_fetches_what_is_missing_only(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[Path] = []

    def copy(directory: Path) -> None:
        shutil.copytree(mnist.SAMPLE, directory)
        fetched.append(directory)

    monkeypatch.setattr(digits, "download", copy)
    for _ in range(2):
        data = mnist.read_digits(mnist.parse(["--data", "new", "--download", *SMALL]))
        assert (len(data.train_labels), len(data.test_labels)) == (256, 100)
    assert fetched == [Path("new")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--epochs", "0"), "argument --epochs: expected a whole number of at least 1, got '0'"),
        (("--batch-size", "1.5"), "argument --batch-size: expected a whole number of at least 1, got '1.5'"),
        (("--seed", "-1"), "argument --seed: expected a whole number of at least 0, got '-1'"),
        (("--train-size", "few"), "argument --train-size: expected a whole number of at least 1, got 'few'"),
        (("--test-size", "-3"), "argument --test-size: expected a whole number of at least 1, got '-3'"),
        (("--learning-rate", "0"), "argument --learning-rate: expected a number above 0, got '0'"),
        (("--learning-rate", "nan"), "argument --learning-rate: expected a number above 0, got 'nan'"),
        (("--learning-rate", "fast"), "argument --learning-rate: expected a number above 0, got 'fast'"),
        (("--download",), "argument --download: expected --data DIR with it, the folder to fetch into"),
        (
            ("--train-size", "10001"),
            f"argument --train-size: expected at most 10000, as many as {mnist.SAMPLE} has; got 10001",
        ),
        (
            ("--test-size", "2001"),
            f"argument --test-size: expected at most 2000, as many as {mnist.SAMPLE} has; got 2001",
        ),
    ],
)
def test_bad_option_values(
    capsys: pytest.CaptureFixture[str], run_folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    assert refusal(capsys, *arguments) == f"mnist.py: error: {message}"


def test_unknown_optimizer(capsys: pytest.CaptureFixture[str]) -> None:
    message = refusal(capsys, "--optimizer", "luck")
    assert message.startswith("mnist.py: error: argument --optimizer: invalid choice: 'luck'")


def test_output_that_cannot_be_made(capsys: pytest.CaptureFixture[str], run_folder: Path) -> None:
    (run_folder / "taken").write_text("a file")
    message = refusal(capsys, *SMALL, "--output", "taken")
    assert message.startswith("mnist.py: error: ")
    assert "taken" in message


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_training_that_diverges(capsys: pytest.CaptureFixture[str], run_folder: Path) -> None:
    message = refusal(capsys, *SMALL, "--optimizer", "sgd", "--learning-rate", "1e30")
    assert message == "Try a smaller --learning-rate."


def test_without_tqdm(capsys: pytest.CaptureFixture[str], run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    message = refusal(capsys)
    assert message.endswith('tqdm, for the progress bar, is not installed; pip install ".[examples]"')


def test_without_matplotlib(
    capsys: pytest.CaptureFixture[str], run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "pictures", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    assert mnist.main(TINY) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2] == 'no pictures: matplotlib is not installed; pip install ".[examples]"'
    assert re.fullmatch(r"test accuracy: [01]\.\d{4}", lines[-1])


def test_an_interrupt_ends_with_status_130(
    capsys: pytest.CaptureFixture[str], run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mnist, "loss_and_model", interrupted)
    assert mnist.main(SMALL) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "mnist.py: interrupted"


# Files


def weights(path: Path) -> dict[str, Any]:
    """What a file of a training holds, but for the seconds of its history."""
    return tn.load(path)


def test_a_resumed_run_ends_with_the_same_bits(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("safetensors")
    options = ("--train-size", "96", "--test-size", "10", "--batch-size", "32", "--epochs", "3")
    assert mnist.main([*options, "--save", "whole.safetensors"]) == 0
    whole = capsys.readouterr().out

    def stop_at_two(run: tn.training.Run) -> None:
        if run.epoch == 2:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mnist, "tell", stop_at_two)
        assert mnist.main([*options, "--save", "cut.safetensors"]) == 130
    kept = Path("cut.safetensors").read_bytes()
    capsys.readouterr()
    assert mnist.main([*options, "--resume", "cut.safetensors", "--save", "copy.safetensors"]) == 0
    assert Path("cut.safetensors").read_bytes() == kept
    assert mnist.main([*options, "--resume", "cut.safetensors"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == whole.splitlines()[-1]
    expected = weights(Path("whole.safetensors"))
    for name in ("cut", "copy"):
        found = weights(Path(f"{name}.safetensors"))
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            if not isinstance(value, np.random.Generator):
                np.testing.assert_array_equal(found[key], value)


def test_a_file_that_is_there_is_not_overwritten(capsys: pytest.CaptureFixture[str], run_folder: Path) -> None:
    Path("a.safetensors").touch()
    assert refusal(capsys, "--save", "a.safetensors") == (
        "mnist.py: error: argument --save: expected a new file, found a.safetensors; go on with it by --resume"
    )
    assert refusal(capsys, "--resume", "b.safetensors") == (
        "mnist.py: error: argument --resume: expected a file that --save wrote, found none at b.safetensors"
    )
    assert refusal(capsys, "--save", "a.npz") == (
        "mnist.py: error: argument --save: expected a name that ends in .safetensors, got 'a.npz'"
    )
    message = refusal(capsys, *TINY, "--resume", "a.safetensors")
    assert "must be" in message


def test_digits_of_ones_own_are_read(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image_module = pytest.importorskip("PIL.Image")
    data = digits.load(mnist.SAMPLE)
    for i in range(2):
        ink = np.uint8(255 - 255 * data.test_images[i, :, :, 0])
        image_module.fromarray(ink).resize((140, 140)).save(f"{i}.png")
    assert mnist.main([*TINY, "--confusion", "--predict", "0.png", "1.png"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"0\.png: \d \(\d+\.\d%\)", lines[-3])
    assert re.fullmatch(r"1\.png: \d \(\d+\.\d%\)", lines[-2])
    assert Path("mnist-output/confusion.png").read_bytes().startswith(PNG_START)
    Path("text.png").write_text("no image")
    message = refusal(capsys, "--predict", "text.png")
    assert message.startswith("mnist.py: error: text.png: expected an image, such as a PNG or a JPEG; found none (")
    assert "No such file" in refusal(capsys, "--predict", "missing.png")


def test_pictures_of_a_run_without_mistakes(tmp_path: Path) -> None:
    pictures = pytest.importorskip("pictures")
    probabilities = np.eye(10, dtype=np.float32)
    figure = pictures.wrong_digits(np.zeros((10, 28, 28, 1), np.float32), np.arange(10), probabilities)
    assert figure.get_suptitle() == "0 of 10 test digits read wrong"
    pictures.save(figure, tmp_path / "wrong_digits.png")
    assert (tmp_path / "wrong_digits.png").read_bytes().startswith(PNG_START)


def test_wrong_digits_are_shown_by_how_sure_the_model_was() -> None:
    pictures = pytest.importorskip("pictures")
    probabilities = np.zeros((3, 10), np.float32)
    probabilities[0, [4, 9]] = [0.6, 0.4]
    probabilities[1, 7] = 1.0
    probabilities[2, [3, 5]] = [0.9, 0.1]
    figure = pictures.wrong_digits(np.zeros((3, 28, 28, 1), np.float32), np.array([9, 7, 5]), probabilities)
    assert figure.get_suptitle() == "2 of 3 test digits read wrong"
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["read 3 (90%)", "read 4 (60%)"]
