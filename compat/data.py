"""Getting data into shape: labels, batches, images."""

from __future__ import annotations

from typing import Any

import numpy as np

from compat.symbols import Array, Variable
from tapenet.errors import ArgumentError


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
    if labels.ndim not in (1, 2) or (labels.ndim == 2 and labels.shape[1] != 1):
        raise ArgumentError(f"onehot: label must be a column, of shape (N, 1); got {labels.shape}.")
    classes, places = np.unique(labels, return_inverse=True)
    return np.asarray(np.eye(len(classes))[places.reshape(-1)])


def miniBatch(X: Variable | Array, Y: Variable | Array, batch_size: int = 10) -> list[list[Variable]]:
    """Cut data into batches [X, Y] of Variables, without copying.

    The last batch may be smaller; the original dropped it.

    >>> [len(x.value) for x, y in miniBatch(np.zeros((5, 1)), np.zeros((5, 2)), 2)]
    [2, 2, 1]
    """
    if batch_size < 1:
        raise ArgumentError(f"miniBatch: batch_size must be at least 1; got {batch_size}.")
    x, y = _pair("miniBatch", X, Y)
    starts = range(0, len(x), batch_size)
    return [[Variable(a[start : start + batch_size]) for a in (x, y)] for start in starts]


def randomshuffle(X: Variable | Array, Y: Variable | Array) -> tuple[Any, Any]:
    """Bring X and Y into the same random order.

    Returns:
        New Variables where Variables were given, else arrays.
    """
    x, y = _pair("randomshuffle", X, Y)
    order = np.random.permutation(len(x))  # noqa: NPY002  scripts seed the global generator
    return _like(X, x[order]), _like(Y, y[order])


def scaleallimage(X: Variable | Array, size: tuple[int, int]) -> Any:
    """Resize images (N, C, H, W) to (N, C, *size), bilinearly.

    Args:
        X: Variable or array of real numbers.
        size: (height, width).

    Returns:
        A new Variable or array, as was given, of the same dtype; integers are rounded.

    Raises:
        ImportError: Pillow is not installed; `pip install tapenet[compat]`.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("scaleallimage: needs Pillow; pip install tapenet[compat].") from error
    images = np.asarray(X.value if isinstance(X, Variable) else X)
    if images.ndim != 4:
        raise ArgumentError(f"scaleallimage: X must have shape (N, C, H, W); got {images.shape}.")
    height, width = size
    planes = images.reshape(-1, *images.shape[2:]).astype(np.float32)
    scaled = [np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR)) for plane in planes]
    result = np.reshape(scaled, (*images.shape[:2], height, width))
    result = (np.rint(result) if images.dtype.kind in "biu" else result).astype(images.dtype)
    return _like(X, result)


def _like(given: Variable | Array, array: Array) -> Any:
    return Variable(array, given.lr) if isinstance(given, Variable) else array


def _pair(function: str, X: Variable | Array, Y: Variable | Array) -> tuple[Any, Any]:
    x, y = (np.asarray(a.value if isinstance(a, Variable) else a) for a in (X, Y))
    if len(x) != len(y):
        raise ArgumentError(f"{function}: X and Y must have as many rows; got {len(x)} and {len(y)}.")
    return x, y
