"""Samples of the primitives of linear algebra and of Fourier transforms: matrices that are well-conditioned, with
eigenvalues and singular values that are well apart, and of factors what does not depend on a choice."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, strategies as st

import tapenet.numpy as tnp
from tapenet.core.primitive import Primitive
from tests.samples.core import Sample, sample
from tests.samples.drawing import Array, Draw, Shape, gaussian, numbers

stacks = st.sampled_from([(), (2,)])
sides = st.integers(1, 3)


def _orthonormal(draw: Draw, shape: Shape, is_complex: bool) -> Array:
    return np.linalg.qr(gaussian(draw, shape, is_complex))[0]


def _distinct_values(draw: Draw, shape: Shape) -> Array:
    """Positive numbers, in each row in descending order at distances of at least 0.4."""
    return 0.6 + (np.arange(shape[-1]) * 0.6)[::-1] + numbers(draw, shape, 0.0, 0.2)


def _matrix(draw: Draw, m: int | None = None, n: int | None = None) -> Array:
    """A matrix, or a stack of two, of full rank, with singular values well apart."""
    stack, is_complex = draw(stacks), draw(st.booleans())
    m, n = draw(sides) if m is None else m, draw(sides) if n is None else n
    k = min(m, n)
    u, v = _orthonormal(draw, (*stack, m, k), is_complex), _orthonormal(draw, (*stack, n, k), is_complex)
    return u * _distinct_values(draw, (*stack, 1, k)) @ v.mT.conj()


def _square(draw: Draw) -> Array:
    n = draw(sides)
    return _matrix(draw, n, n)


def _hermitian(draw: Draw) -> Array:
    """A positive-definite matrix, or a stack of two, with eigenvalues well apart; what is not read is noise."""
    stack, is_complex, n = draw(stacks), draw(st.booleans()), draw(sides)
    v = _orthonormal(draw, (*stack, n, n), is_complex)
    return v * _distinct_values(draw, (*stack, 1, n)) @ v.mT.conj()


def _joined(*parts: Array) -> Array:
    """All the elements of several arrays, as one."""
    return tnp.concatenate([tnp.ravel(part) for part in parts])


def _up_to_phase(v: Array) -> Array:
    """What does not change when a column is multiplied by a phase."""
    return v * tnp.conj(v[..., :1, :])


# ---- solves ----


@sample("inv", "det")
def _of_square(draw: Draw, primitive: Primitive) -> Sample:
    return Sample(primitive, (_square(draw),))


@sample("solve")
def _solve(draw: Draw, primitive: Primitive) -> Sample:
    a = _square(draw)
    stack = draw(st.sampled_from([(), (1,), a.shape[:-2]]))
    return Sample(primitive, (a, gaussian(draw, (*stack, a.shape[-1], draw(sides)), draw(st.booleans()))))


@sample("slogdet")
def _slogdet(draw: Draw, primitive: Primitive) -> Sample:
    return Sample(lambda a: _joined(*primitive(a)), (_square(draw),))


@sample("pinv")
def _pinv(draw: Draw, primitive: Primitive) -> Sample:
    if draw(st.booleans()):
        return Sample(lambda a: primitive(a, 1e-15, hermitian=True), (_hermitian(draw),))
    return Sample(lambda a: primitive(a, 1e-15, hermitian=False), (_matrix(draw),))


@sample("lstsq")
def _lstsq(draw: Draw, primitive: Primitive) -> Sample:
    a = _matrix(draw)
    a = a[0] if a.ndim == 3 else a
    b = gaussian(draw, (a.shape[0], draw(sides)), draw(st.booleans()))
    return Sample(lambda a, b: primitive(a, b, rcond=None), (a, b))


# ---- decompositions ----


@sample("cholesky")
def _cholesky(draw: Draw, primitive: Primitive) -> Sample:
    upper = draw(st.booleans())
    return Sample(lambda a: primitive(a, upper=upper), (_hermitian(draw),))


@sample("cholesky_pullback")
def _cholesky_pullback(draw: Draw, primitive: Primitive) -> Sample:
    a = _hermitian(draw)
    bar = gaussian(draw, a.shape, np.iscomplexobj(a))
    # Elements above the diagonal are not read.
    return Sample(primitive, (bar, np.linalg.cholesky(a) + np.triu(bar, 1)))


@sample("qr")
def _qr(draw: Draw, primitive: Primitive) -> Sample:
    mode = draw(st.sampled_from(["reduced", "complete"]))

    def factors(a: Array) -> Array:
        q, r = primitive(a, mode=mode)
        further = q[..., min(a.shape[-2:]) :]
        return _joined(q[..., : min(a.shape[-2:])], r, further @ tnp.conj(tnp.matrix_transpose(further)))

    a = _matrix(draw)
    r, tau = np.linalg.qr(a, mode="raw")
    # LAPACK's signs jump where a reflection meets a right angle, of tau 1 (tau 0 is no reflection), and turn fast
    # where a column is nearly spanned by those before it.
    assume(np.all((tau == 0) | (np.abs(tau.real - 1) > 0.05)))
    assume(np.all(np.abs(np.diagonal(r, axis1=-2, axis2=-1)) > 0.3))
    return Sample(factors, (a,))


@sample("svd")
def _svd(draw: Draw, primitive: Primitive) -> Sample:
    full_matrices = draw(st.booleans())

    def factors(a: Array) -> Array:
        u, s, vh = primitive(a, full_matrices=full_matrices)
        v = tnp.conj(tnp.matrix_transpose(vh))
        k = s.shape[-1]
        together = u[..., :k] * tnp.conj(v[..., :1, :k])
        spaces = [x[..., k:] @ tnp.conj(tnp.matrix_transpose(x[..., k:])) for x in (u, v)]
        return _joined(s, _up_to_phase(u[..., :k]), _up_to_phase(v[..., :k]), together, *spaces)

    return Sample(factors, (_matrix(draw),))


@sample("svdvals")
def _svdvals(draw: Draw, primitive: Primitive) -> Sample:
    return Sample(primitive, (_matrix(draw),))


@sample("eigh", "eigvalsh")
def _eigh(draw: Draw, primitive: Primitive) -> Sample:
    UPLO = draw(st.sampled_from("LU"))
    if primitive.name == "eigvalsh":
        return Sample(lambda a: primitive(a, UPLO=UPLO), (_hermitian(draw),))

    def factors(a: Array) -> Array:
        w, v = primitive(a, UPLO=UPLO)
        return _joined(w, _up_to_phase(v))

    return Sample(factors, (_hermitian(draw),))


def _diagonalizable(draw: Draw) -> Array:
    """A matrix with eigenvalues well apart, and in each eigenvector one element well above the others."""
    n = draw(sides)
    if n == 3 and draw(st.booleans()):
        w = np.array([[0.5, 1.0, 0], [-1.0, 0.5, 0], [0, 0, 2]])  # complex eigenvalues of a real matrix
    else:
        w = np.diag(_distinct_values(draw, (n,)))
    v = _orthonormal(draw, (n, n), draw(st.booleans())) + numbers(draw, (n, n), -0.15, 0.15)
    a = np.linalg.solve(v, w @ v)
    magnitudes = np.sort(np.abs(np.linalg.eig(a).eigenvectors), 0)
    assume(n == 1 or np.min(magnitudes[-1] - magnitudes[-2]) > 0.05)
    return a


@sample("eig", "eigvals")
def _eig(draw: Draw, primitive: Primitive) -> Sample:
    if primitive.name == "eigvals":
        return Sample(lambda a: tnp.sum(tnp.exp(primitive(a))), (_diagonalizable(draw),))

    def factors(a: Array) -> Array:
        w, v = primitive(a)
        return tnp.sum(w * w * v * v, -1)  # whatever the sign of eigenvectors, and the order that they come in

    return Sample(factors, (_diagonalizable(draw),))


# ---- Fourier transforms ----

NORMS = st.sampled_from(["backward", "ortho", "forward"])


@sample("fft", "ifft")
def _fft(draw: Draw, primitive: Primitive) -> Sample:
    shape = draw(st.sampled_from([(1,), (2,), (3,), (4, 3), (2, 1, 3)]))
    axes = tuple(draw(st.lists(st.integers(0, len(shape) - 1), unique=True, min_size=1)))
    norm = draw(NORMS)
    x = gaussian(draw, shape, draw(st.booleans()))
    return Sample(lambda x: primitive(x, axes=axes, norm=norm), (x,))


@sample("rfft", "irfft")
def _rfft(draw: Draw, primitive: Primitive) -> Sample:
    shape = draw(st.sampled_from([(1,), (2,), (5,), (4, 3), (2, 1, 3)]))
    axis, norm = draw(st.integers(0, len(shape) - 1)), draw(NORMS)
    if primitive.name == "rfft":
        return Sample(lambda x: primitive(x, axis=axis, norm=norm), (gaussian(draw, shape, False),))
    n = draw(st.sampled_from([max(1, 2 * shape[axis] - 2), 2 * shape[axis] - 1]))
    x = gaussian(draw, shape, draw(st.booleans()))
    if n // 2 + 1 != shape[axis]:
        n = 2 * shape[axis] - 1
    return Sample(lambda x: primitive(x, n=n, axis=axis, norm=norm), (x,))


@sample("norm", "power_norm")
def _norms(draw: Draw, primitive: Primitive) -> Sample:
    shape = draw(st.sampled_from([(3,), (2, 3), (2, 1, 3)]))
    x, keepdims = numbers(draw, shape, 0.3, 2.0), draw(st.booleans())
    if primitive.name == "power_norm":
        order, axis = draw(st.sampled_from([1.5, 3.0])), draw(st.integers(0, len(shape) - 1))
        return Sample(lambda x: primitive(x, order=order, axis=(axis,), keepdims=keepdims), (x,))
    axes = draw(st.none() | st.sets(st.integers(0, len(shape) - 1), min_size=1).map(sorted).map(tuple))
    return Sample(lambda x: primitive(x, axis=axes, keepdims=keepdims), (x,))
