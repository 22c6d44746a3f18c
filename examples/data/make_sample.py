"""Draw the sample of MNIST in `mnist/` from a directory of the full files.

    python examples/data/make_sample.py DIRECTORY

The same files always give the same sample: of each digit 1,000 training and 200 test images, drawn without
replacement and shuffled.
"""

import argparse
import gzip
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import digits  # noqa: E402  (beside the data folder, found through the line above)

SEED = 28
TRAIN_PER_CLASS = 1000
TEST_PER_CLASS = 200


def choose(labels: np.ndarray, per_class: int, random: np.random.RandomState) -> np.ndarray:
    """Draw the indices of `per_class` examples of each label, without replacement, in random order.

    Args:
        labels: integer array, shape (N,).
        per_class: how many of each label; there must be as many.
        random: where the choice comes from.

    Returns:
        int64 array, shape (number of labels * per_class,).
    """
    by_class = [np.flatnonzero(labels == label) for label in range(digits.NUM_CLASSES)]
    chosen = [random.choice(indices, per_class, replace=False) for indices in by_class]
    return random.permutation(np.concatenate(chosen))


def make_sample(
    source: Path,
    target: Path,
    *,
    train_per_class: int = TRAIN_PER_CLASS,
    test_per_class: int = TEST_PER_CLASS,
) -> None:
    """Read the full files in `source`, and write the four files of the sample into `target`, gzipped."""
    digits.load(source)  # for its checks: an error here names what is wrong with the files
    # The legacy generator: its stream is frozen, that of `default_rng` may change between NumPy versions.
    random = np.random.RandomState(SEED)
    pairs = (
        (digits.TRAIN_IMAGES, digits.TRAIN_LABELS, train_per_class),
        (digits.TEST_IMAGES, digits.TEST_LABELS, test_per_class),
    )
    target.mkdir(parents=True, exist_ok=True)
    for images_name, labels_name, per_class in pairs:
        labels = digits.read_idx(digits.find(source, labels_name))
        images = digits.read_idx(digits.find(source, images_name))
        chosen = choose(labels, per_class, random)
        digits.write_idx(target / f"{images_name}.gz", images[chosen])
        digits.write_idx(target / f"{labels_name}.gz", labels[chosen])


def main(argv: Sequence[str] | None = None) -> int:
    """Write the sample, and print its checksums."""
    parser = argparse.ArgumentParser(description="Draw the sample of MNIST from a directory of the full files.")
    parser.add_argument("source", type=Path, metavar="DIRECTORY", help="where the four full files are")
    parser.add_argument("--target", type=Path, default=HERE / "mnist", help="where the sample goes")
    arguments = parser.parse_args(argv)
    try:
        make_sample(arguments.source, arguments.target)
    except (digits.IdxError, OSError) as error:
        print(f"make_sample.py: error: {error}", file=sys.stderr)
        return 2
    for name in digits.FILE_NAMES:
        packed = (arguments.target / f"{name}.gz").read_bytes()
        print(f"{hashlib.sha256(packed).hexdigest()}  {name}.gz")
        print(f"{hashlib.sha256(gzip.decompress(packed)).hexdigest()}  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
