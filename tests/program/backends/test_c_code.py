"""Programs in C: compiled by the C compiler, where there is one, they give what the function gives."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.pytrees import tree_flatten
from tapenet.scipy import special
from tapenet.scipy.linalg import cho_factor, cho_solve, solve_triangular
from tests.program.backends.c_library import Compiled, assert_gives, needs_compiler

Array = Any
RNG = np.random.default_rng(0)


def perceptron(w: Array, b: Array, v: Array, x: Array) -> Array:
    return tn.nn.softmax(tn.nn.relu(tn.nn.dense(x, w, b)) @ v)


def pendulum(state: Array, force: Array) -> Array:
    for _ in range(4):
        angle, speed = state[0], state[1]
        state = state + 0.05 * tnp.stack([speed, force - tnp.sin(angle) - 0.1 * speed])
    return tnp.sum(state**2)


def elementwise(x: Array, y: Array, row: Array) -> Any:
    inside = tnp.clip(x, -0.9, 0.9)
    return (
        *(tnp.exp(x) - tnp.log(abs(y) + 1) + row, tnp.where(x > row, x * y, -y) / 3, tnp.sqrt(x * x) ** 1.5),
        *(
            tnp.arctan2(x, y),
            tnp.arctan(x),
            tnp.arcsin(inside),
            tnp.tan(x),
            tnp.sinh(x),
            tnp.cosh(row),
            tnp.log1p(abs(x)),
        ),
        *(tnp.maximum(x, y), tnp.minimum(x, row), tnp.sign(x), tn.nn.sigmoid(x), tn.nn.gelu(x), tnp.hypot(x, y)),
        *((x > 0) & ~(y > 0), (x == x) | (y < 0), tnp.floor(x * 3), tnp.astype(x, np.float64) * 2, 1 / (2 + abs(row))),
    )


def moves(x: Array, y: Array, row: Array) -> Any:
    return (
        *(x.T @ y, x @ row, row @ row, tnp.reshape(x, (-1, 2)) + 1, x[::-1, 1:], x[1], tnp.concatenate((x, y), 1)),
        *(tnp.stack((row, x[0])), tnp.broadcast_to(row, (2, 4, 4)), tnp.transpose(x)[None] * 1, x[2, 3]),
        *(tnp.sum(x, 0), tnp.sum(x), tnp.mean(x, 1, keepdims=True), tnp.max(x, 1), tnp.min(y), tnp.mean(x[:, :2], 0)),
        *(tnp.einsum("ij,kj->ik", x, y), tn.nn.log_softmax(x, 0), tn.nn.softmax(y), tnp.linalg.norm(x, axis=1)),
    )


def gradients(x: Array, y: Array, row: Array) -> Any:
    def loss(x: Array, row: Array) -> Array:
        h = tnp.tanh(x @ y + row) * x[:, ::-1]
        return tnp.mean(h[1:] * h[:-1]) + tnp.sum(tn.nn.sigmoid(h[0, :2]))

    return tn.value_and_grad(loss, (0, 1))(x, row), tn.hvp(lambda x: loss(x, row))(x, y)


def read_at(x: Array, i: Array, j: Array) -> Any:
    """What indices with arrays read, of all kinds."""
    k = i[:, None]
    return (
        *(x[i], x[:, i], x[k, j], x[..., j], x[i, 1], x[1, :, i], x[i, ::-1, j], x[None, :, k, 1:3], x[k, :, j]),
        *(
            x[:, k, j],
            x[..., i, None, j],
            x[-1, j],
            x[i, ..., j],
            x[i][j % 4] * 2,
            tnp.take(x, j, 1),
            x[i[0]],
            x[i, i, i],
        ),
    )


def weighted(f: Any) -> Any:
    """A number that depends on all results of a function by their places."""

    def total(*args: Array) -> Array:
        parts = tree_flatten(f(*args))[0]
        return sum(tnp.sum(y * tnp.reshape(np.cos(np.arange(y.size)), y.shape)) for y in parts)

    return total


def written_at(x: Array, y: Array, i: Array) -> Any:
    return (
        *(
            tn.at(x)[i].add(y),
            tn.at(x)[:, i].set(y * 2),
            tn.at(x)[i, i[::-1]].subtract(3.0),
            tn.at(x)[1:3, ::-1].set(y[0]),
        ),
        *(tn.at(x)[-1].add(1.0), tnp.roll(x, (1, -6), (0, 1)), tnp.roll(x, 3), tnp.pad(x, ((1, 2), (0, 1)))),
    )


def interpolated(field: Array, y: Array, x: Array) -> Array:
    rows, columns = field.shape
    top, left = tnp.floor(y), tnp.floor(x)
    i, j = tnp.astype(top, int) % rows, tnp.astype(left, int) % columns
    a, b = y - top, x - left
    above = (1 - b) * field[i, j] + b * field[i, (j + 1) % columns]
    return (1 - a) * above + a * field[(i + 1) % rows, j]


def statistics(x: Array, y: Array) -> Any:
    return (
        *(tnp.var(x), tnp.var(x, 0, ddof=1), tnp.std(x, 1, keepdims=True), tnp.std(x), tnp.prod(x, 0), tnp.prod(x)),
        *(tnp.cumsum(x, 0), tnp.cumsum(x), tnp.cumprod(x, 1), tnp.cumsum(x[:, ::-1], -1), x % 0.7, x % -0.3),
        *(
            tnp.stack([x, y]) @ x.T,
            tnp.stack([x, y]) @ x[0],
            x[0] @ tnp.stack([x.T, y.T]),
            tnp.stack([x, y])[:, None] @ y.T,
        ),
    )


def network(x: Array, k: Array, b: Array, grouped: Array) -> Any:
    h = tn.nn.relu(tn.nn.conv(x, k, b, padding="same", stride=2))
    g = tn.nn.conv(h, grouped, groups=2, padding=((1, 2), (2, 0)), dilation=(1, 2))
    return (
        tn.nn.max_pool(h, 2),
        tn.nn.avg_pool(g, (3, 2), stride=(1, 2), padding="same"),
        tn.nn.max_pool(x, 3, padding=1),
    )


def matrices(s: Array, b: Array, stack: Array) -> Any:
    """Factors, inverses and solutions, of `s` and of `stack`, of which one is for all of the other."""
    a = s @ s.T + 3 * np.eye(len(s), dtype=s.dtype)
    factor, stack = tnp.linalg.cholesky(a), stack + 4 * np.eye(len(s), dtype=s.dtype)
    return (
        *(factor, tnp.linalg.cholesky(a, upper=True), tnp.linalg.inv(s), tnp.linalg.inv(stack), tnp.linalg.inv(factor)),
        *(tnp.linalg.solve(s, b), tnp.linalg.solve(s, b[:, 0]), tnp.linalg.solve(stack, b), tnp.linalg.solve(s, stack)),
        *(solve_triangular(s, b, lower=True), solve_triangular(s, b), cho_solve(cho_factor(a), b)),
        tnp.linalg.cholesky(stack @ tnp.swapaxes(stack, 1, 2)),
    )


def orders(x: Array) -> Any:
    return (
        *(tnp.sort(x), tnp.sort(x, 0), tnp.sort(x[::-1], axis=None), tnp.argsort(x, axis=0)),
        tnp.argsort(tnp.sign(x), stable=True),
        *(
            tnp.argmax(x),
            tnp.argmin(x, 0),
            tnp.argmax(x, axis=1, keepdims=True),
            tnp.median(x, 1),
            tnp.quantile(x, 0.3),
        ),
    )


def masked(x: Array, y: Array) -> Any:
    """What masks read and write, of one axis and of several."""
    rows = tnp.sum(x, (1, 2)) > 0
    return (
        *(x[x > 0], x[rows], x[:, x[0] > 0], x[:, :, x[0, 0] > 0], x[..., y > 0], x[rows, 1:, None], x[None, rows]),
        *(tn.at(x)[x > 0].set(0.5), tn.at(x)[x > y].set(y[0]), tn.at(x)[rows].set(-1.0)),
    )


def masked_beside(x: Array, i: Array) -> Any:
    """What masks read and write beside integers, slices and arrays of integers."""
    rows, columns = i >= 0, tnp.array([True, False])
    return (
        *(x[i[:3], rows], x[0, rows], x[i[:3], rows, ::-1], x[0, rows, 1], x[:, rows, columns], x[i[:1], :, columns]),
        *(tn.at(x)[i[:3], rows].add(x[0, :3]), tn.at(x)[0, rows].set(x[1, :3]), tn.at(x)[:, rows].set(x[:, :3])),
    )


def waves(x: Array, y: Array, w: Array) -> Any:
    """Functions of complex numbers made of real ones, matrices of them and their moves."""
    z = x + 1j * y
    return (
        *(tnp.exp(z) / (z + 2), tnp.sqrt(z) * tnp.sin(z), tnp.conj(z) - 1j, abs(z), z.real * z.imag, z @ z.T, z @ w),
        *(tnp.sum(z, 0), tnp.mean(z), z.T[::-1], z[np.array([1, 0])], tnp.where(x > 0, z, -z), z**2, 1 / (3 + z)),
        *(z == z, tnp.einsum("ij,kj->ik", z, w), tnp.tanh(z) * np.array([1 + 2j, -1j, 2, 0.5], z.dtype)),
    )


def spectra(x: Array) -> Any:
    """Transforms of real and of complex numbers, along each axis and along both."""
    fft = tnp.fft
    z = fft.fft(x, axis=0)
    return (
        *(z, fft.rfft(x), fft.rfft(x, axis=0, norm="ortho"), fft.ifft(z), fft.fft2(x), fft.ifft2(z, norm="forward")),
        *(fft.irfft(z), fft.irfft(z, 2 * z.shape[1] - 1, norm="ortho"), abs(fft.fft(z, norm="forward")) ** 2),
    )


def loops(x: Array, w: Array) -> Any:
    """Loops of all kinds: a reversed one, one in another, one that swaps what it carries, with numbers and integers."""

    def inner(carry: Any, row: Array) -> Any:
        total, count = carry
        return (tnp.tanh(total @ w + row), count + 1), total * count

    def outer(carry: Any, x: Array) -> Any:
        start, sums, steps = carry
        (total, count), ys = tn.scan(inner, (start, 1), x, reverse=True)
        return (total * 0.5, sums + tnp.sum(ys), steps + count), ys[0]

    start = (x[0, 0], x[0, 1], x[0, 0, 0], x[0, 0, 1])
    swapped = tn.scan(lambda c, _: ((c[1], c[0], c[3], c[2] + 1.0), c[0] + c[2]), start, length=3)
    return tn.scan(outer, (x[0, 0], 0.0, 0), x), swapped, tn.scan(lambda c, _: (c, c[0]), x[0], length=2)


def fused(x: Array, scale: Array) -> Any:
    """Functions of networks that are one operation in Python, and several in C."""
    h = tn.nn.layer_norm(x, scale, scale - 1)
    y, stats = tn.nn.batch_norm(h, scale, 2 * scale)
    return y, stats, tn.nn.scaled_dot_product_attention(x, h, y, causal=True)


def sequences(x: Array, w: Array) -> Any:
    """Recurrent networks of 3 units, over sequences of 4 inputs each."""
    recurrent, bias = tnp.tile(w, (1, 4)), tnp.ravel(w)
    kernel = tnp.concatenate([recurrent, recurrent[:1]])
    bias = tnp.concatenate([bias, bias[:3]])
    three = kernel[:, :9], recurrent[:, :9], bias[:9]
    return (
        tn.nn.rnn(x, kernel[:, :3], recurrent[:, :3], bias[:3]),
        tn.nn.lstm(x, kernel, recurrent, bias),
        tn.nn.gru(x, *three, bias[:3]),
    )


# An operation of a user's, made of NumPy's functions.
cubed = tn.primitive(
    lambda x: np.power(x, 3) + np.maximum(x, 0), lambda t, x: t * (3 * x**2 + (x > 0)), name="c_code.cubed"
)


def of(*shapes: tuple[int, ...], dtype: Any = np.float32) -> tuple[Array, ...]:
    return tuple(RNG.normal(size=shape).astype(dtype) for shape in shapes)


SUBJECTS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "perceptron": (perceptron, of((5, 8), (8,), (8, 3), (2, 5))),
    "perceptron_gradient": (
        lambda *args: tn.value_and_grad(lambda w: tnp.sum(tnp.log(perceptron(w, *args[1:]))))(args[0]),
        of((5, 8), (8,), (8, 3), (2, 5), dtype=np.float64),
    ),
    "pendulum": (tn.value_and_grad(pendulum, (0, 1)), (np.array([0.3, -0.2]), np.float64(0.4))),
    "hessian": (tn.hessian(lambda x: tnp.sum(tnp.exp(x) * x[::-1])), of((4,), dtype=np.float64)),
    "elementwise": (elementwise, of((3, 4), (3, 4), (4,))),
    "elementwise_doubles": (elementwise, of((3, 1), (3, 4), (4,), dtype=np.float64)),
    "moves": (moves, of((4, 4), (4, 4), (4,))),
    "moves_doubles": (moves, of((4, 4), (4, 4), (4,), dtype=np.float64)),
    "gradients": (gradients, of((4, 4), (4, 4), (4,), dtype=np.float64)),
    "constants": (lambda x: (x + np.arange(3.0), np.ones((2, 2)), x * np.inf), (np.ones(3),)),
    "unused": (lambda x: (x * 2, x @ np.arange(9.0).reshape(3, 3), np.zeros((0, 2))), (np.ones(3),)),
    "empty": (lambda x: (x * 2, tnp.sum(x, 0), x.T @ x), (np.ones((0, 3)),)),
    "gelus": (tn.value_and_grad(lambda x: tnp.sum(tn.nn.gelu(x) ** 2)), of((2**11,), dtype=np.float64)),
    "soft": (tn.value_and_grad(lambda x: tnp.sum(tn.nn.softplus(x) * tn.nn.gelu(x))), of((5,), dtype=np.float64)),
    "read": (read_at, (*of((4, 4, 4)), np.array([1, -4, 3, 1]), np.array([0, 2, -1, 0]))),
    "read_gradient": (
        tn.value_and_grad(weighted(read_at)),
        (*of((4, 4, 4), dtype=np.float64), np.array([1, -4, 3, 1]), np.array([0, 2, -1, 0])),
    ),
    "written": (written_at, (*of((4, 4), (4, 4)), np.array([2, -1, 0, 1], np.int32))),
    "written_gradient": (
        tn.value_and_grad(weighted(written_at), (0, 1)),
        (*of((4, 4), (4, 4), dtype=np.float64), np.array([2, -1, 0, 1])),
    ),
    "fixed": (lambda x: (x[np.array([[2, 0], [-1, 1]])], x[:, np.array([], int)], x[np.array(1), [0, 2]]), of((3, 4))),
    "interpolated": (interpolated, of((5, 3), (4, 6), (4, 6))),
    "interpolated_gradient": (
        tn.value_and_grad(lambda *args: tnp.sum(tnp.sin(interpolated(*args))), (0, 1, 2)),
        tuple(9 * x for x in of((5, 3), (4, 6), (4, 6), dtype=np.float64)),
    ),
    "remainders": (lambda n: (n % 7, n % -7, (n * n + 1) % 5), (np.array([-15, -7, 0, 6, 7, 100]),)),
    "statistics": (statistics, of((3, 4), (3, 4), dtype=np.float64)),
    "statistics_gradient": (
        tn.value_and_grad(weighted(statistics), (0, 1)),
        of((3, 4), (3, 4), dtype=np.float64),
    ),
    "matrices": (matrices, of((4, 4), (4, 3), (2, 4, 4), dtype=np.float64)),
    "matrices_singles": (lambda x: tnp.linalg.cholesky(x @ x.T + np.float32(4) * np.eye(3, dtype="f")), of((3, 3))),
    "matrices_gradient": (
        tn.value_and_grad(weighted(matrices), (0, 1, 2)),
        of((4, 4), (4, 3), (2, 4, 4), dtype=np.float64),
    ),
    "special_functions": (
        lambda x, p: [
            *(getattr(special, name)(x) for name in ("psi", "gammaln", "gamma", "ndtr", "exprel", "log_expit", "entr")),
            *(getattr(special, name)(p) for name in ("erfinv", "ndtri", "logit", "expit")),
            *(getattr(special, name)(x, x[::-1]) for name in ("xlogy", "xlog1py", "rel_entr", "kl_div")),
        ],
        (
            np.array([-3.3, -0.5, 0.0, 1e-12, 0.3, 1.2, 7.5, 20.0, np.inf, np.nan]),
            np.array([0.0, 1e-300, 1e-9, 0.2, 0.50001, 0.9, 1 - 1e-12, 1.0, np.nan]),
        ),
    ),
    "sorts_of_nothing": (lambda x: (tnp.sort(x), x % 0.7, tnp.cumsum(x), x + np.ones(1)), (np.ones((2, 0)),)),
    "sizes_of_truths": (lambda t: (abs(t), ~t, t ^ True), (np.array([True, False]),)),
    "matrices_empty": (lambda x, b: (tnp.linalg.inv(x), tnp.linalg.solve(x, b)), (np.ones((0, 0)), np.ones((0, 2)))),
    "masked": (masked, of((3, 4, 2), (2,))),
    "masked_gradient": (tn.value_and_grad(weighted(masked), (0, 1)), of((3, 4, 2), (2,), dtype=np.float64)),
    "masked_beside": (masked_beside, (*of((3, 4, 2)), np.array([2, 0, -1, 1]))),
    "masked_beside_gradient": (
        tn.value_and_grad(weighted(masked_beside)),
        (*of((3, 4, 2), dtype=np.float64), np.array([2, 0, -1, 1])),
    ),
    "masked_empty": (lambda x: (x[x > 9], tn.at(x)[x > 9].set(1.0), x[x == x]), of((3, 4))),
    "waves": (waves, of((2, 4), (2, 4), (4, 4), dtype=np.float64)),
    "waves_singles": (lambda x, y: (x + 1j * y) * (x - 2j) / 3, of((2, 3), (3,))),
    "waves_given": (lambda z: (z * tnp.conj(z), tnp.log(z)), ((RNG.normal(size=4) + 1j * RNG.normal(size=4)),)),
    **{
        f"spectra_{m}_{n}": (spectra, of((m, n), dtype=np.float64))
        for m, n in ((1, 2), (6, 5), (8, 7), (15, 16), (2, 22))
    },
    "spectra_singles": (lambda x: (tnp.fft.rfft(x), tnp.fft.irfft(tnp.fft.rfft(x) * 1j)), of((3, 12))),
    "spectra_gradient": (
        tn.value_and_grad(weighted(lambda x: [abs(y + 3) for y in spectra(x)])),
        of((6, 10), dtype=np.float64),
    ),
    "orders": (orders, of((5, 9))),
    "orders_gradient": (
        tn.value_and_grad(lambda x: weighted(lambda x: (tnp.sort(x), tnp.sort(x, 0), tnp.median(x, 0)))(x)),
        of((5, 9), dtype=np.float64),
    ),
    "orders_of_integers": (
        lambda n: (tnp.argsort(n, stable=True), tnp.argmax(n), tnp.argmin(n)),
        (np.array([3, -1, 3, 0, -1, 2]),),
    ),
    "orders_of_nan": (
        lambda x: (tnp.argsort(x), tnp.argmax(x), tnp.argmin(x)),
        (np.array([1.0, np.nan, -np.inf, np.nan, np.inf, 1.0]),),
    ),
    "network": (network, of((2, 7, 6, 3), (3, 2, 3, 4), (4,), (2, 2, 2, 6))),
    "network_gradient": (
        tn.value_and_grad(weighted(network), (0, 1, 2, 3)),
        of((2, 7, 6, 3), (3, 2, 3, 4), (4,), (2, 2, 2, 6), dtype=np.float64),
    ),
    "network_second": (
        tn.hvp(lambda x: weighted(lambda x: tn.nn.max_pool(x * x, 2))(x) + tnp.sum(tn.nn.avg_pool(x, 3) ** 3)),
        of((1, 6, 6, 2), (1, 6, 6, 2), dtype=np.float64),
    ),
    "pools_of_nan": (lambda x: tn.nn.max_pool(x, 2), (np.array([1, 2, np.nan, 4, 5, 6, 7, 9.0]).reshape(1, 4, 2, 1),)),
    "loops": (loops, of((2, 3, 4), (4, 4), dtype=np.float64)),
    "loops_gradient": (tn.value_and_grad(weighted(loops), (0, 1)), of((2, 3, 4), (4, 4), dtype=np.float64)),
    "loops_forward": (
        lambda x, w: tn.jvp(lambda x: loops(x, w)[0][0][:2], (x,), (x,)),
        of((2, 3, 4), (4, 4), dtype=np.float64),
    ),
    "fused": (fused, of((2, 5, 4), (4,))),
    "fused_gradient": (tn.value_and_grad(weighted(fused), (0, 1)), of((2, 5, 4), (4,), dtype=np.float64)),
    "fused_second": (
        tn.hvp(lambda x: weighted(lambda x: tn.nn.layer_norm(x, x[0]))(x)),
        of((5, 4), (5, 4), dtype=np.float64),
    ),
    "sequences": (sequences, of((2, 5, 4), (3, 3))),
    "sequences_gradient": (tn.value_and_grad(weighted(sequences), (0, 1)), of((2, 5, 4), (3, 3), dtype=np.float64)),
    "users_own": (tn.value_and_grad(lambda x: tnp.sum(cubed(x))), of((3,), dtype=np.float64)),
    "truths": (
        lambda t, x: (
            (t + t) * 1,
            t + t,
            tnp.sum(t + (x > 0)),
            (t * t) + 1,
            tnp.astype(x, bool) * 2,
            tnp.astype(x, bool),
        ),
        (np.array([True, False, True, False]), np.array([0.5, 0.0, np.nan, -0.0])),
    ),
    "without_axes": (
        lambda x, y: (tnp.argmax(x, axis=0, keepdims=True), tnp.argmin(x), tnp.min(x * 1), tnp.max(y[0]), tnp.sum(x)),
        (np.array(2.5), np.ones(2)),
    ),
    "special": (
        lambda x: (tnp.isinf(x), tnp.isfinite(x), tnp.max(x), tnp.minimum(x, 0.0), tn.nn.relu(x), -x),
        (np.array([1.0, np.nan, -np.inf]),),
    ),
}


@functools.cache
def programs() -> dict[str, Any]:
    """The programs of all subjects, each recorded once."""
    return {name: tn.compile(f).lower(*args) for name, (f, args) in SUBJECTS.items()}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    return Compiled(tmp_path_factory.mktemp("c"), {name: program.to_c(name) for name, program in programs().items()})


@needs_compiler
@pytest.mark.parametrize("name", sorted(SUBJECTS))
def test_it_gives_what_the_function_gives(name: str, library: Compiled) -> None:
    f, args = SUBJECTS[name]
    returned, outs = library.call(name, programs()[name], list(args))
    assert returned == 0
    assert_gives(outs, f(*args))


@needs_compiler
def test_a_failed_guard_is_returned(tmp_path: Path) -> None:
    def f(x: Array) -> Array:
        return x * 2 if tnp.sum(x) > 0 else -x

    program = tn.compile(f).lower(np.ones(3))
    library = Compiled(tmp_path, {"branch": program.to_c("branch")})
    returned, outs = library.call("branch", program, [np.full(3, 2.0)])
    assert returned == 0
    np.testing.assert_array_equal(outs[0], np.full(3, 4.0))
    assert library.call("branch", program, [np.full(3, -2.0)])[0] == 1


@needs_compiler
def test_an_index_out_of_bounds_is_returned(tmp_path: Path) -> None:
    program = tn.compile(lambda x, i: (x[i] * 2, tn.at(x)[i].add(1.0))).lower(np.ones(3), np.array([0, 2]))
    library = Compiled(tmp_path, {"taken": program.to_c("taken")})
    for index, wanted in (([-3, 2], 0), ([0, 3], 2), ([-4, 0], 2), ([2**40, 0], 2)):
        assert library.call("taken", program, [np.ones(3), np.array(index)])[0] == wanted


@needs_compiler
def test_a_mask_that_holds_for_another_number_is_returned(tmp_path: Path) -> None:
    program = tn.compile(lambda x: x[x > 0] * 2).lower(np.array([1.0, -1.0, 2.0]))
    library = Compiled(tmp_path, {"chosen": program.to_c("chosen")})
    for x, wanted in (([-1.0, 3.0, 4.0], 0), ([1.0, 1.0, 1.0], 1), ([-1.0, -1.0, 1.0], 1)):
        returned, outs = library.call("chosen", program, [np.array(x)])
        assert returned == wanted
        if not wanted:
            np.testing.assert_array_equal(outs[0], [6.0, 8.0])


@needs_compiler
def test_a_singular_matrix_is_returned(tmp_path: Path) -> None:
    functions = {"inverted": tnp.linalg.inv, "factored": tnp.linalg.cholesky}
    programs = {name: tn.compile(f).lower(np.eye(2)) for name, f in functions.items()}
    library = Compiled(tmp_path, {name: program.to_c(name) for name, program in programs.items()})
    bad = {"inverted": np.full((2, 2), 2.0), "factored": np.array([[1.0, 2.0], [2.0, 1.0]])}
    for name, program in programs.items():
        assert library.call(name, program, [np.array([[2.0, 1.0], [1.0, 2.0]])])[0] == 0
        assert library.call(name, program, [bad[name]])[0] == 3
    assert library.call("factored", programs["factored"], [np.full((2, 2), np.nan)])[0] == 3


CPP = """#include "turned.h"
#include <cstdio>

int main() {
  alignas(16) static unsigned char work[TURNED_WORK_BYTES];
  const std::complex<double> z[2] = {{1, 2}, {0, -1}};
  std::complex<double> y[2];
  if (turned(z, 2.0f, y, work)) return 1;
  std::printf("%g %g %g %g", y[0].real(), y[0].imag(), y[1].real(), y[1].imag());
}
"""


@needs_compiler
@pytest.mark.skipif(shutil.which("c++") is None, reason="no compiler of C++")
def test_cpp_includes_the_header_twice_and_calls_the_function(tmp_path: Path) -> None:
    program = tn.compile(lambda z, k: z * k * 1j).lower(np.ones(2, complex), np.float32(1))
    (tmp_path / "turned.c").write_text(program.to_c("turned"))
    (tmp_path / "turned.h").write_text(program.to_c_header("turned"))
    (tmp_path / "main.cpp").write_text('#include "turned.h"\n' + CPP)
    flags = ["-Wall", "-Wextra", "-Werror", "-Wpedantic"]
    for command in (
        ["cc", "-std=c99", *flags, "-include", "turned.h", "-c", "turned.c"],
        ["c++", "-std=c++11", *flags, "main.cpp", "turned.o", "-o", "main", "-lm"],
    ):
        subprocess.run(command, cwd=tmp_path, check=True)
    found = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout
    assert found == "-4 2 2 0"


def test_recurrent_networks_are_loops_of_any_length() -> None:
    def states(x: Array, w: Array) -> Array:
        return tn.nn.lstm(x, w, w, w[0])[0]

    for f in (states, tn.grad(lambda x, w: tnp.sum(states(x, w) ** 2))):
        texts = [tn.compile(f).lower(np.ones((2, steps, 3)), np.ones((3, 12))).to_c() for steps in (4, 100)]
        assert len(texts[1].splitlines()) <= len(texts[0].splitlines())


def test_comments_say_which_argument_is_which() -> None:
    program = tn.compile(lambda state, gain: state["a*/b"] * gain).lower({"a*/b": np.ones(3)}, np.float32(2))
    text = program.to_c("scaled")
    assert "   x0: float64[3], state['a* /b']\n   x1: float32[], gain\n   y0: float64[3], a result\n" in text
    assert text.count("*/") == 1


def test_it_is_self_contained_and_small() -> None:
    def f(x: Array) -> Array:
        for _ in range(50):
            x = tnp.sin(x) @ np.eye(3)
        return x

    text = tn.compile(f).lower(np.ones((3, 3))).to_c("sines")
    includes = {line for line in text.splitlines() if line.startswith("#include")}
    assert includes == {f"#include <{name}.h>" for name in ("math", "stddef", "stdint", "string")}
    assert "#define SINES_WORK_BYTES 256" in text  # two places, used in turns


@pytest.mark.parametrize(
    ("f", "args", "message"),
    [
        (
            lambda x: tnp.linalg.eigvals(x),
            (np.eye(2),),
            "to_c: operations must be .*, or made of those; got eigvals, at",
        ),
        (
            lambda x: x * 2,
            (np.ones(2, np.float16),),
            "to_c: arrays must be of float32, float64, complex64, complex128,",
        ),
        (lambda x: tnp.sort(x * 1j), (np.ones(2),), "to_c: operations must be .*; got argsort of complex"),
        (lambda x: x + complex(0, np.inf), (np.ones(2),), "to_c: complex constants must be finite; got infj"),
        (
            lambda x: tn.while_loop(lambda c: tnp.sum(c) < 10, lambda c: c * 2, x),
            (np.ones(2),),
            "to_c: guards must be of .*; got guard while_loop, at .* and tn.scan for a loop",
        ),
        (
            lambda x, rng: x * rng.random(2),
            (np.ones(2), np.random.default_rng(0)),
            "to_c: arguments must be arrays and numbers; got rng, which draws random numbers. Draw them outside",
        ),
        (lambda x: tnp.argsort(tnp.sum(x)), (np.ones(2),), "to_c: argsort must be of arrays with axes; got a number"),
        (lambda x: tnp.sum(x)[tnp.sum(x) > 0], (np.ones(2),), "to_c: masks must be arrays with axes; got the truth"),
    ],
)
def test_what_cannot_be_written_is_named(f: Any, args: tuple[Any, ...], message: str) -> None:
    with pytest.raises(tn.ArgumentError, match=message):
        tn.compile(f).lower(*args).to_c()


@pytest.mark.parametrize("name", ["a b", "", "1", "_x", "int", "pow", "exp", "x0", "work", "é"])
def test_names_are_checked(name: str) -> None:
    program = tn.compile(lambda x: x * 2).lower(np.ones(2))
    with pytest.raises(tn.ArgumentError, match=f"to_c: name must be a name in C .*; got '{name}'"):
        program.to_c(name)
