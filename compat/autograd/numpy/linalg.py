"""NumPy's linear algebra, on boxes and arrays alike."""

from __future__ import annotations

from typing import Any

import numpy as _np

import tapenet as tn
import tapenet.numpy as _tnp

__all__ = sorted({*vars(_np.linalg)["__all__"], *vars(_tnp.linalg)["__all__"]})


def solve(a: Any, b: Any) -> Any:
    """Solve a x = b, as NumPy does; of stacks of matrices b may be a stack of vectors, as NumPy 1 took it."""
    shape, right = _np.shape(_tnp.asarray(a)), _np.shape(_tnp.asarray(b))
    is_stack_of_vectors = len(shape) > 2 and right == shape[:-1] and right[-2] != shape[-1]
    return _tnp.linalg.solve(a, b[..., None])[..., 0] if is_stack_of_vectors else _tnp.linalg.solve(a, b)


def cholesky(a: Any) -> Any:
    """Return the lower factor L of L L^H; the derivative is that by a symmetric matrix, as autograd has it."""
    if type(a) is not tn.Tensor:
        return _np.linalg.cholesky(a)
    return _tnp.linalg.cholesky((a + _tnp.conj(_tnp.swapaxes(a, -1, -2))) / 2)


def T(x: Any) -> Any:
    """Return stacks of matrices transposed."""
    return _tnp.swapaxes(x, -1, -2)


_dot = _tnp.matmul  # autograd's name, which its users import


def __getattr__(name: str) -> Any:
    found = globals()[name] = getattr(_tnp.linalg, name) if hasattr(_tnp.linalg, name) else getattr(_np.linalg, name)
    return found


def __dir__() -> list[str]:
    return [*globals(), *__all__]
