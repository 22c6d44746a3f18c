"""Train LeNet on handwritten digits, with gradients from the tape.

    python examples/mnist.py                          the sample of MNIST that comes with the examples
    python examples/mnist.py --data DIR --download    the whole of MNIST, fetched into DIR if it is not there

Prints the accuracy on the test digits, and draws learning curves and the digits that were read wrong.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import digits
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


def train_epoch(
    model: tn.models.LeNet,
    state: Any,
    *,
    optimizer: tn.optim.Optimizer,
    data: digits.Digits,
    batch_size: int,
    rng: np.random.Generator,
    title: str,
) -> tuple[tn.models.LeNet, Any, list[float]]:
    """Take one optimizer step for each batch of the training digits, in random order.

    Returns:
        The trained model, the state of the optimizer, and the loss of each step.
    """
    from tqdm import tqdm

    step = tn.value_and_grad(loss_and_model, has_aux=True)
    losses: list[float] = []
    with tqdm(total=len(data.train_labels), desc=title, unit=" images", mininterval=0.5, dynamic_ncols=True) as bar:
        for batch in batches(len(data.train_labels), batch_size, rng):
            (loss, model), gradients = step(model, data.train_images[batch], data.train_labels[batch], rng)
            model, state = optimizer.update(gradients, state, model)
            losses.append(finite(float(loss), title, len(losses) + 1))
            bar.set_postfix_str(f"loss {np.mean(losses[-50:]):.4f}", refresh=False)
            bar.update(len(batch))
    return model, state, losses


def batches(count: int, batch_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Cut the indices below `count`, in random order, into batches; the last may be smaller."""
    order = rng.permutation(count)
    return (order[start : start + batch_size] for start in range(0, count, batch_size))


def finite(loss: float, title: str, step: int) -> float:
    """Give the loss back, or end the run where training has diverged."""
    if not math.isfinite(loss):
        raise ExampleError(f"{title}: the loss is {loss} at step {step}; try a smaller --learning-rate.")
    return loss


def predict(model: tn.models.LeNet, images: np.ndarray, batch_size: int = 500) -> np.ndarray:
    """Compute the probability of each digit: float32 array, shape (N, 10)."""
    parts = [model(images[start : start + batch_size]) for start in range(0, len(images), batch_size)]
    return np.asarray(tn.nn.softmax(np.concatenate(parts)))


def accuracy(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Compute the share of images whose most probable digit is the right one."""
    return float(np.mean(probabilities.argmax(axis=1) == labels))


# The command line


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example, and give the exit status."""
    options = parse(argv)
    try:
        with digits.unwound_by_sigterm():
            run(options)
    except (digits.IdxError, ExampleError, OSError) as error:
        print(f"mnist.py: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("mnist.py: interrupted", file=sys.stderr)
        return 130
    return 0


def run(options: argparse.Namespace) -> None:
    """Read the digits, train, test and draw, as the options say."""
    try:
        import tqdm  # noqa: F401  (asked for here, so that its absence is known before the digits are read)
    except ImportError as error:
        raise ExampleError(f"tqdm, for the progress bar, is not installed; {INSTALL_EXTRA}") from error
    data = read_digits(options)
    # Before training rather than after it, so that a folder that cannot be made costs no time.
    options.output.mkdir(parents=True, exist_ok=True)
    sizes = f"{len(data.train_labels)} training and {len(data.test_labels)} test digits"
    print(f"{sizes} from {options.data}", flush=True)

    rng = np.random.default_rng(options.seed)
    model = tn.models.LeNet(num_classes=digits.NUM_CLASSES, rng=rng)
    steps_per_epoch = math.ceil(len(data.train_labels) / options.batch_size)
    optimizer = make_optimizer(options, steps=options.epochs * steps_per_epoch)
    state = optimizer.init(model)
    losses: list[float] = []
    scores: list[float] = []
    for epoch in range(1, options.epochs + 1):
        model, state, epoch_losses = train_epoch(
            model,
            state,
            optimizer=optimizer,
            data=data,
            batch_size=options.batch_size,
            rng=rng,
            title=f"epoch {epoch}",
        )
        probabilities = predict(model, data.test_images)
        losses.extend(epoch_losses)
        scores.append(accuracy(probabilities, data.test_labels))
        print(f"epoch {epoch}: test accuracy {scores[-1]:.4f}", flush=True)
    draw_pictures(options.output, losses, scores, data, probabilities)
    print(f"test accuracy: {scores[-1]:.4f}")


def draw_pictures(
    folder: Path,
    losses: Sequence[float],
    accuracies: Sequence[float],
    data: digits.Digits,
    probabilities: np.ndarray,
) -> None:
    """Write `learning_curves.png` and `wrong_digits.png`, or say what they need."""
    try:
        import pictures
    except ImportError:
        print(f"no pictures: matplotlib is not installed; {INSTALL_EXTRA}")
        return
    curves = folder / "learning_curves.png"
    wrong = folder / "wrong_digits.png"
    pictures.save(pictures.learning_curves(losses, accuracies), curves)
    pictures.save(pictures.wrong_digits(data.test_images, data.test_labels, probabilities), wrong)
    print(f"pictures: {curves}, {wrong}")


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
