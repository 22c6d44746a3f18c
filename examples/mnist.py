"""Train LeNet on handwritten digits, with gradients from the tape.

    python examples/mnist.py                          the sample of MNIST that comes with the examples
    python examples/mnist.py --data DIR --download    the whole of MNIST, fetched into DIR if it is not there
    python examples/mnist.py --save run.safetensors   keep the training after each epoch
    python examples/mnist.py --resume run.safetensors go on with it, to the same weights as without an interruption
    python examples/mnist.py --resume run.safetensors --predict seven.png     read digits of your own

Prints the accuracy on the test digits, and draws learning curves and the digits that were read wrong.
"""

import argparse
import math
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import digits
import handwriting
import numpy as np

import tapenet as tn

SAMPLE = Path(__file__).resolve().parent / "data" / "mnist"
INSTALL_EXTRA = 'pip install ".[examples]"'

# Each with the learning rate that suits it here.
OPTIMIZERS: Mapping[str, tuple[Callable[..., tn.optim.Optimizer], float]] = {
    "sgd": (tn.optim.sgd, 0.1),
    "momentum": (tn.optim.momentum, 0.02),
    "nesterov": (tn.optim.nesterov, 0.02),
    "adagrad": (tn.optim.adagrad, 0.01),
    "adadelta": (tn.optim.adadelta, 1.0),
    "rmsprop": (tn.optim.rmsprop, 0.001),
    "adam": (tn.optim.adam, 0.001),
    "adamw": (tn.optim.adamw, 0.001),
}


class ExampleError(Exception):
    """Something that the caller can put right: it ends the run with one line."""


# Training


def loss_and_model(
    model: tn.models.LeNet, images: np.ndarray, labels: np.ndarray, rng: np.random.Generator
) -> tuple[Any, tn.models.LeNet]:
    """Compute the mean cross entropy of a batch, and the model with its running statistics updated."""
    logits, model = model.train(images, rng)
    return tn.nn.cross_entropy(logits, labels), model


def train(options: argparse.Namespace, data: digits.Digits) -> tuple[tn.models.LeNet, tn.training.History]:
    """Train a new model, or go on with one, as the options say."""
    rng = np.random.default_rng(options.seed)
    model = tn.models.LeNet(num_classes=digits.NUM_CLASSES, rng=rng)
    batches = tn.data.batches((data.train_images, data.train_labels), options.batch_size, rng=rng)
    try:
        model, _, history = tn.training.fit(
            model,
            loss_and_model,
            make_optimizer(options, steps=options.epochs * len(batches)),
            batches,
            epochs=options.epochs,
            rng=rng,
            validation=tn.data.batches((data.test_images, data.test_labels), 500),
            metrics={"accuracy": tn.training.accuracy},
            callbacks=[tell],
            checkpoint=options.save,
            resume=options.resume is not None,
            progress=True,
        )
    except tn.NumericalError as error:
        raise ExampleError(f"{error}\nTry a smaller --learning-rate.") from error
    except (tn.ArgumentError, tn.MissingPackageError) as error:
        raise ExampleError(str(error)) from error
    if history.interrupted:
        raise KeyboardInterrupt
    return model, history


def tell(run: tn.training.Run) -> None:
    """Print the accuracy after an epoch."""
    print(f"epoch {run.epoch}: test accuracy {run.history['accuracy'][-1]:.4f}", flush=True)


def predict(model: tn.models.LeNet, images: np.ndarray, batch_size: int = 500) -> np.ndarray:
    """Compute the probability of each digit: float32 array, shape (N, 10)."""
    parts = [model(images[start : start + batch_size]) for start in range(0, len(images), batch_size)]
    return np.asarray(tn.nn.softmax(np.concatenate(parts)))


# The command line


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example, and give the exit status."""
    options = parse(argv)
    try:
        with digits.unwound_by_sigterm():
            run(options)
    except (digits.IdxError, handwriting.ImageError, ExampleError, OSError) as error:
        print(f"mnist.py: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("mnist.py: interrupted", file=sys.stderr)
        return 130
    return 0


def run(options: argparse.Namespace) -> None:
    """Read the digits, train, test and draw, as the options say."""
    require("tqdm", "for the progress bar")
    if options.save is not None:
        require("safetensors", "for --save and --resume")
    images = read_images(options.predict)
    data = read_digits(options)
    # Before training rather than after it, so that a folder that cannot be made costs no time.
    options.output.mkdir(parents=True, exist_ok=True)
    sizes = f"{len(data.train_labels)} training and {len(data.test_labels)} test digits"
    print(f"{sizes} from {options.data}", flush=True)
    begin_saving(options)

    model, history = train(options, data)
    probabilities = predict(model, data.test_images)
    draw_pictures(options, history, data, probabilities)
    for path, image in images.items():
        (found,) = predict(model, image[np.newaxis])
        print(f"{path}: {found.argmax()} ({found.max():.1%})")
    print(f"test accuracy: {tn.training.accuracy(probabilities, data.test_labels):.4f}")


def require(package: str, what: str) -> None:
    """Raise where a package is not installed, before the digits are read."""
    try:
        __import__(package)
    except ImportError as error:
        raise ExampleError(f"{package}, {what}, is not installed; {INSTALL_EXTRA}") from error


def read_images(paths: Sequence[Path]) -> dict[Path, np.ndarray]:
    """Read the digits to predict."""
    if paths:
        require("PIL", "for images")
    return {path: handwriting.read(path) for path in paths}


def begin_saving(options: argparse.Namespace) -> None:
    """See to the file that the training is kept in: new, or the one to go on with, or a copy of that."""
    if options.resume is None:
        if options.save is not None and options.save.exists():
            raise ExampleError(f"argument --save: expected a new file, found {options.save}; go on with it by --resume")
        return
    if not options.resume.is_file():
        raise ExampleError(f"argument --resume: expected a file that --save wrote, found none at {options.resume}")
    if options.save is None:
        options.save = options.resume
    elif options.save != options.resume:
        shutil.copyfile(options.resume, options.save)


def draw_pictures(
    options: argparse.Namespace, history: tn.training.History, data: digits.Digits, probabilities: np.ndarray
) -> None:
    """Write `learning_curves.png`, `wrong_digits.png` and `confusion.png` by `--confusion`; or say what they need."""
    try:
        import pictures
    except ImportError:
        print(f"no pictures: matplotlib is not installed; {INSTALL_EXTRA}")
        return
    figures = {
        "learning_curves": pictures.learning_curves(history.losses, history["accuracy"]),
        "wrong_digits": pictures.wrong_digits(data.test_images, data.test_labels, probabilities),
    }
    if options.confusion:
        counts = tn.training.confusion_matrix(probabilities, data.test_labels)
        figures["confusion"] = pictures.confusion(counts)
    for name, figure in figures.items():
        pictures.save(figure, options.output / f"{name}.png")
    print(f"pictures: {', '.join(str(options.output / f'{name}.png') for name in figures)}")


def read_digits(options: argparse.Namespace) -> digits.Digits:
    """Read the digits that the options ask for, fetched before where they say so."""
    if options.download and digits.missing(options.data):
        print(f"fetching MNIST into {options.data}", file=sys.stderr)
        digits.download(options.data)
    data = digits.load(options.data)
    train_size = checked_size("--train-size", options.train_size, len(data.train_labels), options.data)
    test_size = checked_size("--test-size", options.test_size, len(data.test_labels), options.data)
    return digits.Digits(
        train_images=data.train_images[:train_size],
        train_labels=data.train_labels[:train_size],
        test_images=data.test_images[:test_size],
        test_labels=data.test_labels[:test_size],
    )


def checked_size(option: str, size: int | None, count: int, directory: Path) -> int:
    """Give the number of digits to use: all where none is asked for."""
    if size is not None and size > count:
        raise ExampleError(f"argument {option}: expected at most {count}, as many as {directory} has; got {size}")
    return count if size is None else size


def make_optimizer(options: argparse.Namespace, steps: int) -> tn.optim.Optimizer:
    """Make the optimizer that the options name, with a learning rate that falls to 0 over the run."""
    make, default_rate = OPTIMIZERS[options.optimizer]
    rate = default_rate if options.learning_rate is None else options.learning_rate
    return make(tn.optim.linear_decay(rate, steps))


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; a bad value ends the program with a message that names option and value."""
    parser = argparse.ArgumentParser(
        prog="mnist.py", description="Train LeNet on handwritten digits, with gradients from the tape."
    )
    at_least_one = whole_number(1)
    add = parser.add_argument
    add("--data", type=Path, metavar="DIR", help="the folder of the four IDX files (default: the sample)")
    add("--download", action="store_true", help="fetch the files into DIR where it lacks them")
    add("--epochs", type=at_least_one, default=8, metavar="N", help="passes over the digits (%(default)s)")
    add("--batch-size", type=at_least_one, default=64, metavar="N", help="digits in a step (%(default)s)")
    add("--learning-rate", type=positive_number, metavar="X", help="at the start; it falls to 0 in a line")
    add("--optimizer", choices=OPTIMIZERS, default="adam", help="how to step (%(default)s)")
    add("--seed", type=whole_number(0), default=0, metavar="N", help="same seed, same result (%(default)s)")
    add("--output", type=Path, default="mnist-output", metavar="DIR", help="for the pictures (%(default)s)")
    add("--train-size", type=at_least_one, metavar="N", help="use the first N training digits")
    add("--test-size", type=at_least_one, metavar="N", help="use the first N test digits")
    add("--save", type=saved_file, metavar="FILE", help="keep the training there after each epoch: *.safetensors")
    add("--resume", type=saved_file, metavar="FILE", help="go on with the training there, with the options it had")
    add("--predict", type=Path, nargs="+", default=[], metavar="IMAGE", help="images of digits to read at the end")
    add("--confusion", action="store_true", help="draw which digits were taken for which")
    options = parser.parse_args(argv)
    if options.download and options.data is None:
        parser.error("argument --download: expected --data DIR with it, the folder to fetch into")
    options.data = options.data or SAMPLE
    return options


def whole_number(least: int) -> Callable[[str], int]:
    """Make the reader of an option that takes an integer of at least `least`."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}, got {text!r}")
        return number

    return read


def saved_file(text: str) -> Path:
    """Read an option that takes the name of a file for a training."""
    if not text.endswith(".safetensors"):
        raise argparse.ArgumentTypeError(f"expected a name that ends in .safetensors, got {text!r}")
    return Path(text)


def positive_number(text: str) -> float:
    """Read an option that takes a finite number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return number


if __name__ == "__main__":
    sys.exit(main())
