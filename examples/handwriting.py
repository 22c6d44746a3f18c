"""Read a photograph or a drawing of one digit as MNIST has its digits."""

from pathlib import Path

import numpy as np

SIZE, INNER = 28, 20  # pixels: of MNIST's images, and of the box that a digit is scaled to
FAINT = 0.2  # of the darkest ink: less counts as paper


class ImageError(ValueError):
    """A file that is not an image with a digit; the message says what was expected and what was found."""


def read(path: Path) -> np.ndarray:
    """Read an image, such as a PNG or a JPEG.

    It is made gray, and inverted where it is dark on light, as its edge tells. Then it is treated as MNIST's digits
    were: the ink is scaled to fit into 20 x 20 pixels, and laid into 28 x 28 by its centre of mass.

    Returns:
        float32 array, shape (28, 28, 1); ink from 0 (none) to 1.

    Raises:
        ImageError: the file is not an image, or there is nothing on it.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            image.load()
            paper = Image.new("RGBA", image.size, "white")
            gray = Image.alpha_composite(paper, image.convert("RGBA")).convert("L")
    except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
        raise ImageError(f"{path}: expected an image, such as a PNG or a JPEG; found none ({error}).") from error
    return as_digit(np.asarray(gray, np.float32) / 255, str(path))


def as_digit(gray: np.ndarray, name: str) -> np.ndarray:
    """Make an image of gray values from 0 (black) to 1 one of MNIST's: see `read`."""
    from PIL import Image

    edge = np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]])
    paper = float(np.median(edge))
    ink = np.maximum(paper - gray if paper > 0.5 else gray - paper, 0)
    if ink.max() < 0.1:
        raise ImageError(f"{name}: expected a digit, dark on light or light on dark; found no ink.")
    ink = np.where(ink < FAINT * ink.max(), 0, ink / ink.max())
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    box = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = INNER / max(box.shape)
    height, width = (max(1, round(length * scale)) for length in box.shape)
    small = Image.fromarray(np.uint8(np.round(box * 255))).resize((width, height), Image.Resampling.BOX)
    return centred(np.asarray(small, np.float32) / 255)


def centred(box: np.ndarray) -> np.ndarray:
    """Lay a box into an empty image, so that its centre of mass is in the middle, as far as it fits."""
    image = np.zeros((SIZE, SIZE, 1), np.float32)
    starts = []
    for axis, length in enumerate(box.shape):
        mass = box.sum(axis=1 - axis)
        middle = float((mass * np.arange(length)).sum() / mass.sum())  # on pixel 14, as MNIST has it
        starts.append(min(max(round(SIZE / 2 - middle), 0), SIZE - length))
    top, left = starts
    image[top : top + box.shape[0], left : left + box.shape[1], 0] = box
    return image
