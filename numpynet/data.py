"""Getting data into shape: labels, batches, images."""

from __future__ import annotations

from typing import Any

import numpy as np

import tapenet as tn
from numpynet.symbols import Array, Variable, checked_data
from tapenet.core.argument_checks import checked_count, checked_pair, shown

MOST_PIXELS = 2**15  # of a side, which is what Pillow scales to


def onehot(label: Any) -> np.ndarray[Any, Any]:
    """Labels as rows of 0 and 1, the classes in sorted order.

    Args:
        label: a column (N, 1) of labels of any kind that sorts; (N,) will do, which the original did not take.

    Returns:
        float64 array, shape (N, classes).

    >>> onehot(np.array([["b"], ["a"]]))
    array([[0., 1.],
           [1., 0.]])
    """
    labels = np.asarray(label.value if isinstance(label, Variable) else label)
    if labels.ndim == 0 or labels.size != len(labels):
        raise tn.ArgumentError(f"onehot: label must be a column, of shape (N, 1); got {labels.shape}.")
    classes, places = np.unique(labels, return_inverse=True)
    return np.eye(len(classes))[places.reshape(-1)]


def miniBatch(X: Variable | Array, Y: Variable | Array, batch_size: int = 10) -> list[list[Variable]]:
    """Cut data into batches [X, Y] of Variables, without copying.

    The last batch may be smaller; the original dropped it.

    >>> [len(x.value) for x, y in miniBatch(np.zeros((5, 1)), np.zeros((5, 2)), 2)]
    [2, 2, 1]
    """
    batch_size = checked_count("miniBatch", "batch_size", batch_size)
    x, y = _pair("miniBatch", X, Y)
    starts = range(0, len(x), batch_size)
    return [[Variable(data[start : start + batch_size]) for data in (x, y)] for start in starts]


def randomshuffle(X: Variable | Array, Y: Variable | Array) -> tuple[Any, Any]:
    """Bring X and Y into the same random order, drawn from NumPy's global generator.

    Returns:
        New Variables where Variables were given, else arrays.
    """
    x, y = _pair("randomshuffle", X, Y)
    order = np.random.permutation(len(x))
    return _like(X, x[order]), _like(Y, y[order])


def scaleallimage(X: Variable | Array, size: tuple[int, int]) -> Any:
    """Resize images (N, C, H, W) to (N, C, *size), bilinearly.

    Args:
        X: Variable or array of real numbers.
        size: (height, width).

    Returns:
        A new Variable or array, as was given, of the same dtype; integers are rounded.

    Raises:
        MissingPackageError: Pillow is not installed; `pip install pillow`.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise tn.MissingPackageError(
            f"scaleallimage: pillow must be installed; got {error}. Install it: pip install pillow."
        ) from error
    images = checked_data("scaleallimage", "X", X)
    if images.ndim != 4:
        raise tn.ArgumentError(f"scaleallimage: X must have shape (N, C, H, W); got {images.shape}.")
    if not isinstance(size, tuple | list | np.ndarray):
        raise tn.ArgumentTypeError(f"scaleallimage: size must be (height, width); got {shown(size)}.")
    height, width = checked_pair("scaleallimage", "size", size, high=MOST_PIXELS)
    planes = images.reshape(-1, *images.shape[2:]).astype(np.float32)
    scaled = [np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR)) for plane in planes]
    result = np.reshape(scaled, (*images.shape[:2], height, width))
    return _like(X, (np.rint(result) if images.dtype.kind in "biu" else result).astype(images.dtype))


def _like(given: Variable | Array, array: Array) -> Any:
    return Variable(array, given.lr) if isinstance(given, Variable) else array


def _pair(function: str, X: Variable | Array, Y: Variable | Array) -> tuple[Array, Array]:
    x, y = checked_data(function, "X", X), checked_data(function, "Y", Y)
    if x.ndim == 0 or y.ndim == 0:
        raise tn.ArgumentError(f"{function}: X and Y must have rows; got shapes {x.shape} and {y.shape}.")
    if len(x) != len(y):
        raise tn.ArgumentError(f"{function}: X and Y must have as many rows; got {len(x)} and {len(y)}.")
    return x, y
