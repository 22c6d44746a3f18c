"""scipy.spatial.transform on Tensors and arrays alike: rotations as values that are differentiated by.

>>> from tapenet.scipy.spatial.transform import Rotation
>>> turned = lambda a: Rotation.from_euler("z", a).apply(np.array([1.0, 0.0, 0.0]))
>>> tn.jacobian(turned)(0.0).round(9)
array([0., 1., 0.])
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs
import numpy as np

import tapenet.numpy as tnp
from tapenet.core.arguments import holds_tensor
from tapenet.core.nondifferentiable import branch_condition, nondifferentiable
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy.solutions import solved

_AXES = {"x": 0, "y": 1, "z": 2}


@attrs.frozen(eq=False, repr=False)
class Rotation:
    """A rotation in space, or an array of them; a pytree of its unit quaternions.

    Made as SciPy's: `from_quat`, `from_rotvec`, `from_matrix`, `from_euler`, `from_mrp`, `identity`, `concatenate`. Its
    methods `as_quat`, `as_rotvec`, `as_matrix`, `as_euler`, `as_mrp`, `apply`, `inv`, `magnitude`, `mean`, `*` and `**`
    are SciPy's, on one rotation and on one axis of rotations. A turn of 180 degrees has two rotation vectors, and
    angles at the gimbal's lock are not determined: there derivatives are those of a convention.

    Derivatives: by the quaternion, the vector, the matrix, the angles or the parameters that it is made of, those of
    the nearest rotation where a matrix is not orthogonal; and by the vectors that it is applied to.

    Args:
        quaternion: float array, shape (4,) or (N, 4), the real part last; of length 1.
    """

    quaternion: Array

    # ---- made of ----

    @classmethod
    def from_quat(cls, quat: Any, *, scalar_first: bool = False) -> Rotation:
        """Make rotations of quaternions of any length but 0, the real part last, or first with `scalar_first`."""
        q = _last(quat, 4, "from_quat", "quat")
        q = tnp.concatenate([q[..., 1:], q[..., :1]], -1) if scalar_first else q
        if _has_zero(q):
            raise ArgumentError("Rotation.from_quat: quat must not have length 0; got a quaternion of zeros.")
        return cls(q / tnp.linalg.norm(q, axis=-1, keepdims=True))

    @classmethod
    def from_rotvec(cls, rotvec: Any, degrees: bool = False) -> Rotation:
        """Make rotations of vectors along their axis, as long as their angle."""
        v = _last(rotvec, 3, "from_rotvec", "rotvec")
        v = v * (np.pi / 180) if degrees else v
        square = tnp.sum(v * v, -1, keepdims=True)
        is_small = square < 1e-3
        # Series by the square, which has derivatives at 0.
        angle = np.sqrt(tnp.where(is_small, 1.0, square))
        sine = tnp.where(is_small, 0.5 - square / 48 + square**2 / 3840 - square**3 / 645120, np.sin(angle / 2) / angle)
        near = 1 - square / 8 + square**2 / 384 - square**3 / 46080
        return cls(tnp.concatenate([sine * v, tnp.where(is_small, near, np.cos(angle / 2))], -1))

    @classmethod
    def from_matrix(cls, matrix: Any, *, assume_valid: bool = False) -> Rotation:
        """Make rotations of matrices, shape (3, 3) or (N, 3, 3): the nearest ones, those of the polar factors.

        With `assume_valid` the elements are taken as they are, those of orthogonal matrices with determinant 1.
        """
        m = tnp.asarray(matrix) * 1.0
        if m.ndim not in (2, 3) or m.shape[-2:] != (3, 3):
            raise ArgumentError(f"Rotation.from_matrix: matrix must have shape (3, 3) or (N, 3, 3); got {m.shape}.")
        if not assume_valid:
            if _is_left_handed(m):
                raise ArgumentError(
                    "Rotation.from_matrix: matrix must have a positive determinant; got a left-handed or null "
                    "coordinate frame."
                )
            m = solved("Rotation.from_matrix", _nearest, _nearest_tangent, m)
        trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
        rows = []
        for i in range(3):
            j, k = (i + 1) % 3, (i + 2) % 3
            parts = {i: 1 - trace + 2 * m[..., i, i], j: m[..., j, i] + m[..., i, j], k: m[..., k, i] + m[..., i, k]}
            rows.append(tnp.stack([parts[0], parts[1], parts[2], m[..., k, j] - m[..., j, k]], -1))
        last = [m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1], 1 + trace]
        every = tnp.stack([*rows, tnp.stack(last, -1)], -2)  # each q times 4 of its own elements
        return cls.from_quat(tnp.sum(every * _largest(m)[..., None], -2))

    @classmethod
    def from_euler(cls, seq: str, angles: Any, degrees: bool = False) -> Rotation:
        """Make rotations of angles about axes in turn: "xyz" those of space, "XYZ" those of the body."""
        axes = _axes("from_euler", seq)
        angles = tnp.asarray(angles) * (np.pi / 180 if degrees else 1.0)
        if len(seq) == 1 and (angles.ndim == 0 or angles.shape[-1] != 1):
            angles = angles[..., None]
        if angles.ndim not in (1, 2) or angles.shape[-1] != len(seq):
            raise ArgumentError(
                f"Rotation.from_euler: angles must have as many elements as seq, {len(seq)}; got shape {angles.shape}."
            )
        found: Any = None
        for place, axis in enumerate(axes):
            half = angles[..., place] / 2
            unit = [np.sin(half) if axis == i else 0 * half for i in range(3)]
            turn = tnp.stack([*unit, np.cos(half)], -1)
            found = turn if found is None else _product(turn, found) if seq.islower() else _product(found, turn)
        return cls(found)

    @classmethod
    def from_mrp(cls, mrp: Any) -> Rotation:
        """Make rotations of modified Rodrigues parameters: vectors along the axis, as long as tan(angle / 4)."""
        p = _last(mrp, 3, "from_mrp", "mrp")
        square = tnp.sum(p * p, -1, keepdims=True)
        return cls(tnp.concatenate([2 * p, 1 - square], -1) / (1 + square))

    @classmethod
    def concatenate(cls, rotations: Iterable[Rotation]) -> Rotation:
        """Make one array of rotations of several, or of single ones."""
        return cls(tnp.concatenate([tnp.reshape(one.quaternion, (-1, 4)) for one in rotations]))

    @classmethod
    def identity(cls, num: int | None = None) -> Rotation:
        """Make the rotation that changes nothing, or an array of them."""
        one = np.array([0.0, 0.0, 0.0, 1.0])
        return cls(one if num is None else np.tile(one, (num, 1)))

    # ---- given as ----

    def as_quat(self, canonical: bool = False, *, scalar_first: bool = False) -> Array:
        """Return the quaternions, with a positive real part where `canonical`."""
        q = self._canonical() if canonical else self.quaternion
        return tnp.concatenate([q[..., 3:], q[..., :3]], -1) if scalar_first else q

    def _canonical(self) -> Array:
        q = self.quaternion
        return tnp.where(_is_negative(q)[..., None], -q, q)

    def as_rotvec(self, degrees: bool = False) -> Array:
        """Return vectors along the axis, as long as the angle, which is at most pi."""
        q = self._canonical()
        v, w = q[..., :3], q[..., 3:]
        square = tnp.sum(v * v, -1, keepdims=True)
        is_small = square < 1e-4
        size = np.sqrt(tnp.where(is_small, 1.0, square))
        near = 1 + square / 6 + 3 * square**2 / 40 + 5 * square**3 / 112
        factor = 2 * tnp.where(is_small, near, tnp.arctan2(size, w) / size)
        return factor * v * (180 / np.pi) if degrees else factor * v

    def as_matrix(self) -> Array:
        """Return matrices, shape (3, 3) or (N, 3, 3)."""
        x, y, z, w = (self.quaternion[..., i] for i in range(4))
        rows = [
            [x * x - y * y - z * z + w * w, 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), -x * x + y * y - z * z + w * w, 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), -x * x - y * y + z * z + w * w],
        ]
        return tnp.stack([tnp.stack(row, -1) for row in rows], -2)

    def as_euler(self, seq: str, degrees: bool = False) -> Array:
        """Return angles about three axes in turn: "xyz" those of space, "XYZ" those of the body.

        Source: E. Bernardes, S. Viollet, Quaternion to Euler angles conversion (2022), PLoS ONE 17(11).
        """
        axes = _axes("as_euler", seq)
        if len(axes) != 3 or axes[0] == axes[1] or axes[1] == axes[2]:
            raise ArgumentError(f"Rotation.as_euler: seq must be three axes, each other than the next; got {seq!r}.")
        is_of_space = seq.islower()
        i, j, k = axes if is_of_space else axes[::-1]
        is_symmetric = i == k
        k = 3 - i - j if is_symmetric else k
        sign = (i - j) * (j - k) * (k - i) // 2
        q = [self.quaternion[..., n] for n in range(4)]
        a, b, c, d = q[3], q[i], q[j], q[k] * sign
        if not is_symmetric:
            a, b, c, d = a - c, b + d, c + a, d - b
        middle = 2 * tnp.arctan2(np.hypot(c, d), np.hypot(a, b))
        half_sum, half_difference = tnp.arctan2(b, a), tnp.arctan2(d, c)
        first, last = half_sum - half_difference, half_sum + half_difference
        if not is_symmetric:
            last, middle = last * sign, middle - np.pi / 2
        angles = [first, middle, last] if is_of_space else [last, middle, first]
        found = tnp.stack(angles, -1)
        found = found - 2 * np.pi * _turns(found)
        return found * (180 / np.pi) if degrees else found

    def as_mrp(self) -> Array:
        """Return modified Rodrigues parameters: vectors along the axis, as long as tan(angle / 4), at most 1."""
        q = self._canonical()
        return q[..., :3] / (1 + q[..., 3:])

    # ---- what rotations do ----

    def apply(self, vectors: Any, inverse: bool = False) -> Array:
        """Return vectors, shape (3,) or (N, 3), after the rotation, or after its inverse."""
        v = _last(vectors, 3, "apply", "vectors")
        m = self.inv().as_matrix() if inverse else self.as_matrix()
        return tnp.sum(m * v[..., None, :], -1)

    def inv(self) -> Rotation:
        """Return the inverse."""
        return Rotation(self.quaternion * np.array([-1.0, -1.0, -1.0, 1.0]))

    def magnitude(self) -> Array:
        """Return the angles, from 0 to pi."""
        q = self.quaternion
        return 2 * tnp.arctan2(tnp.linalg.norm(q[..., :3], axis=-1), tnp.abs(q[..., 3]))

    def __mul__(self, other: Rotation) -> Rotation:
        if not isinstance(other, Rotation):
            return NotImplemented
        return Rotation(_product(self.quaternion, other.quaternion))

    def __pow__(self, n: Any, modulus: None = None) -> Rotation:
        """Return the rotations about the same axes by n times the angle, which is at most pi."""
        if modulus is not None:
            raise NotImplementedError("Rotation: modulus not supported")
        if not holds_tensor(n) and n in (-1, 0, 1):
            return (Rotation(0 * self.quaternion + _IDENTITY), self, self.inv())[int(n)]
        return Rotation.from_rotvec(n * self.as_rotvec())

    def mean(self, weights: Any = None) -> Rotation:
        """Return the mean of rotations: the largest eigenvector of sum_i w_i q_i q_i^T.

        Source: F. L. Markley et al., Averaging Quaternions (2007), J. Guidance, Control, and Dynamics 30(4).
        """
        q = tnp.reshape(self.quaternion, (-1, 4))
        if not q.shape[0]:
            raise ArgumentError("Rotation.mean: there must be a rotation; got none.")
        w = np.ones(q.shape[0]) if weights is None else tnp.asarray(weights) * 1.0
        if w.shape != q.shape[:1] or _has_negative(w):
            raise ArgumentError(
                f"Rotation.mean: weights must be {q.shape[0]} non-negative numbers; got shape {w.shape}, or a "
                "negative one."
            )
        return Rotation(solved("Rotation.mean", _axis, _axis_tangent, (q * w[:, None]).T @ q / q.shape[0]))

    @property
    def single(self) -> bool:
        """Whether it is one rotation, not an array of them."""
        return self.quaternion.ndim == 1

    def __len__(self) -> int:
        if self.single:
            raise TypeError("Rotation: a single rotation has no length.")
        return int(self.quaternion.shape[0])

    def __getitem__(self, index: Any) -> Rotation:
        return Rotation(self.quaternion[index])

    def __repr__(self) -> str:
        return f"Rotation.from_quat({self.quaternion!r})"


# ---- nearest rotations, and means ----


def _nearest(m: Array) -> Array:
    is_orthogonal = np.all(np.isclose(m @ np.swapaxes(m, -1, -2), np.eye(3), atol=1e-12), (-2, -1))[..., None, None]
    if np.all(is_orthogonal):
        return m
    u, _, v = np.linalg.svd(m)
    return np.where(is_orthogonal, m, u @ v)


def _nearest_tangent(out: Array, args: Any, dots: Any) -> Array:
    """Return U W, with W p + p W = U^T t - t^T U for p = U^T m: a system of the three elements of W, (tr p - p) w."""
    p, inner = (tnp.swapaxes(out, -1, -2) @ x for x in (args[0], dots[0]))
    right = tnp.stack([inner[..., k, j] - inner[..., j, k] for j, k in ((1, 2), (2, 0), (0, 1))], -1)
    w = tnp.linalg.solve(tnp.trace(p, axis1=-2, axis2=-1)[..., None, None] * np.eye(3) - p, right[..., None])
    return out @ tnp.sum(w[..., None] * _CROSS, -3)


# Row i is the matrix of the cross product with the i-th unit vector.
_CROSS = np.array(
    [[[0, 0, 0], [0, 0, -1], [0, 1, 0]], [[0, 0, 1], [0, 0, 0], [-1, 0, 0]], [[0, -1, 0], [1, 0, 0], [0, 0, 0]]]
)


def _axis(k: Array) -> Array:
    found: Array = np.linalg.eigh(k)[1][:, -1]
    return found


def _axis_tangent(out: Array, args: Any, dots: Any) -> Array:
    """Return (l - k)^+ t v of the eigenvector v, whatever the other eigenvalues are."""
    (k,), (t,) = args, dots
    both = tnp.outer(out, out)
    pushed = t @ out
    return tnp.linalg.solve((out @ k @ out) * np.eye(4) - k + both, pushed - out * (out @ pushed))


_IDENTITY = np.array([0.0, 0.0, 0.0, 1.0])


@branch_condition
def _has_zero(q: Array) -> bool:
    return bool(np.any(np.all(np.asarray(q) == 0, -1)))


@branch_condition
def _has_negative(w: Array) -> bool:
    return bool(np.any(np.asarray(w) < 0))


@branch_condition
def _is_left_handed(m: Array) -> bool:
    return bool(np.any(np.linalg.det(np.asarray(m)) <= 0))


_is_negative = nondifferentiable(lambda q: q[..., 3] < 0, name="is_negative")
_turns = nondifferentiable(lambda angles: np.round(angles / (2 * np.pi)), name="turns")


def _one_hot(m: Array) -> Array:
    diagonal = np.diagonal(m, axis1=-2, axis2=-1)
    sizes = np.concatenate([diagonal, np.sum(diagonal, -1, keepdims=True)], -1)
    return np.eye(4)[np.argmax(sizes, -1)]


_largest = nondifferentiable(_one_hot, name="largest")


def _product(p: Array, q: Array) -> Array:
    """Multiply quaternions."""
    (a, b, c, d), (e, f, g, h) = ([x[..., i] for i in range(4)] for x in (p, q))
    parts = [d * e + a * h + b * g - c * f, d * f - a * g + b * h + c * e, d * g + a * f - b * e + c * h]
    return tnp.stack([*parts, d * h - a * e - b * f - c * g], -1)


def _last(x: Any, size: int, function: str, name: str) -> Array:
    x = tnp.asarray(x) * 1.0
    if x.ndim not in (1, 2) or x.shape[-1] != size:
        raise ArgumentError(f"Rotation.{function}: {name} must have shape ({size},) or (N, {size}); got {x.shape}.")
    return x


def _axes(function: str, seq: str) -> list[int]:
    if not 1 <= len(seq) <= 3 or not (seq.islower() or seq.isupper()) or not set(seq.lower()) <= set(_AXES):
        raise ArgumentError(f'Rotation.{function}: seq must be of "x", "y", "z", or of "X", "Y", "Z"; got {seq!r}.')
    return [_AXES[letter] for letter in seq.lower()]


__all__ = ["Rotation"]


def __dir__() -> list[str]:
    return __all__
