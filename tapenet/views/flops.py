"""How many operations on numbers a record stands for: a formula for each primitive that is not elementwise."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from tapenet.core.primitive import FlopCount as Formula, Primitive, Shapes
from tapenet.core.record import Entry, Parameters, Shape, operand_shapes


def flops(entries: Sequence[Entry], entry: Entry) -> int:
    """Estimate how many additions, multiplications and evaluations of a function a record stands for.

    Products of matrices and convolutions are counted exactly, two for each product that is added; decompositions by
    the leading term of their textbook counts (Golub and Van Loan, Matrix Computations, 4th edition); elementwise
    functions, choices and users' operations as one for each element of the output, or of the largest operand.
    """
    primitive, slots, kept, parameters, shape, _ = entry
    return flops_of_operation(primitive, operand_shapes(entries, slots, kept), shape, parameters)


def flops_of_operation(primitive: Primitive, shapes: Shapes, out: Shape | None, parameters: Parameters) -> int:
    """Estimate the same for an operation, from the shapes of its operands and output, and its parameters."""
    count = primitive.flops or FORMULAS.get(primitive.name, _each_element)
    return round(count(shapes, out, parameters))


def multiply_adds(entries: Sequence[Entry], entry: Entry) -> int:
    """Count the products that a record adds up: of matrices, convolutions, attention; 0 for anything else."""
    primitive, slots, kept, parameters, shape, _ = entry
    formula = _PRODUCTS_BY_NAME.get(primitive.name) or _PRODUCTS.get(FORMULAS.get(primitive.name, _none), _none)
    return round(formula(operand_shapes(entries, slots, kept), shape, parameters)) // 2


# ---- counts by elements ----


def _none(shapes: Shapes, out: Shape | None, parameters: Parameters) -> int:
    return 0


def _each_element(shapes: Shapes, out: Shape | None, parameters: Parameters) -> int:
    return max([math.prod(shape) for shape in (out, *shapes) if shape is not None], default=0)


def _times(count: int) -> Formula:
    """Return the formula of a function that does so many operations for each element."""
    return lambda shapes, out, parameters: count * _each_element(shapes, out, parameters)


def _each_window(shapes: Shapes, out: Shape | None, parameters: Parameters) -> int:
    return math.prod(parameters["window"]) * min(math.prod(shape) for shape in (out, shapes[0]) if shape is not None)


# ---- products ----


def _matrix_product(shapes: Shapes, out: Shape | None, parameters: Parameters) -> int:
    return 2 * math.prod(out or ()) * (shapes[0] or (1,))[-1]


def _affine(shapes: Shapes, out: Shape | None, parameters: Parameters) -> int:
    return _matrix_product(shapes, out, parameters) + math.prod(out or ())


def _sparse_product(shapes: Shapes, out: Shape | None, parameters: Parameters) -> int:
    matrix = parameters["matrix"].matrix
    stored, rows = int(getattr(matrix, "nnz", matrix.size)), int(matrix.shape[0])
    return 2 * stored * math.prod(out or ()) // max(1, rows)


def _einsum(shapes: Shapes, out: Shape | None, parameters: Parameters) -> int:
    lengths: dict[str, int] = {}
    for labels, shape in zip(parameters["labels"], shapes, strict=True):
        for label, length in zip(labels, shape or (), strict=True):
            lengths[label] = max(length, lengths.get(label, 1))  # an axis of length 1 is stretched
    return len(shapes) * math.prod(lengths.values())


def _convolve(shapes: Shapes, out: Shape | None, parameters: Parameters) -> int:
    return 2 * math.prod(shapes[0] or ()) * math.prod(shapes[1] or ())


def _convolution(shapes: Shapes, out: Shape | None, parameters: Parameters) -> int:
    return _sums_of_products(out, shapes[1])


def _convolution_with_bias(shapes: Shapes, out: Shape | None, parameters: Parameters) -> int:
    return _sums_of_products(out, shapes[1]) + math.prod(out or ())


def _convolution_input(shapes: Shapes, out: Shape | None, parameters: Parameters) -> int:
    return _sums_of_products(shapes[0], shapes[1])


def _convolution_kernel(shapes: Shapes, out: Shape | None, parameters: Parameters) -> int:
    return _sums_of_products(shapes[1], out)


def _sums_of_products(image: Shape | None, kernel: Shape | None) -> int:
    """Count one product for each output of a convolution and each weight that leads to it."""
    return 2 * math.prod(image or ()) * math.prod((kernel or ())[:-1])


def _recurrent(gates: int, share: int) -> Formula:
    """Return the formula of a loop over steps: its products, and some ten operations for each gate."""

    def count(shapes: Shapes, out: Shape | None, parameters: Parameters) -> int:
        (steps, n, inputs), (_, width) = shapes[0] or (0, 0, 0), shapes[1] or (0, 0)
        return share * steps * n * gates * width * (2 * (inputs + width) + 10)

    return count


def _attention(products: int) -> Formula:
    """Return the formula of attention: so many products of a weight for each query and key, and ten operations."""

    def count(shapes: Shapes, out: Shape | None, parameters: Parameters) -> int:
        (n, heads, queries, features), (*_, keys, _) = shapes[0] or (0, 0, 0, 0), shapes[1] or (0, 0, 0, 0)
        return n * heads * queries * keys * (2 * products * features + 10)

    return count


def _alignment(products: int) -> Formula:
    """Return the formula of the sum over paths: so many operations for each place at each step, ten for each logit."""

    def count(shapes: Shapes, out: Shape | None, parameters: Parameters) -> int:
        n, steps, classes = shapes[0] or (0, 0, 0)
        places = 2 * ((shapes[1] or (0, 2))[1] - 2) + 1
        return n * steps * (products * places + 10 * classes)

    return count


# ---- Fourier transforms and matrices ----


def _fourier(share: float) -> Formula:
    """Return the formula 5 n log2 n of a complex transform, or a share of it."""

    def count(shapes: Shapes, out: Shape | None, parameters: Parameters) -> float:
        shape = max([x for x in (out, *shapes) if x is not None], key=math.prod)
        axes = parameters["axes"] if "axes" in parameters else (parameters["axis"],)
        length = math.prod(shape[axis] for axis in axes)
        return share * 5 * math.prod(shape) * math.log2(max(length, 2))

    return count


def _decomposition(count_of: Callable[[int, int], float]) -> Formula:
    """Return the formula of a function of matrices of m rows and n columns, for each of a stack."""

    def count(shapes: Shapes, out: Shape | None, parameters: Parameters) -> float:
        *stack, m, n = shapes[0] if shapes[0] and len(shapes[0]) > 1 else (1, 1)
        return math.prod(stack) * count_of(m, n)

    return count


def _solve(shapes: Shapes, out: Shape | None, parameters: Parameters) -> float:
    *stack, n, _ = shapes[0] or (1, 1)
    return math.prod(stack) * 2 * n**3 / 3 + 2 * n * math.prod(out or ())


def _roots(shapes: Shapes, out: Shape | None, parameters: Parameters) -> float:
    return 10.0 * (math.prod(shapes[0] or ()) - 1) ** 3  # the eigenvalues of the companion matrix


def _attention_products(shapes: Shapes, out: Shape | None, parameters: Parameters) -> int:
    """Count two operations for each product of queries and keys, and of weights and values."""
    (n, heads, queries, features), (*_, keys, _), (*_, outputs) = (shape or (0, 0, 0, 0) for shape in shapes[:3])
    return 2 * n * heads * queries * keys * (features + outputs)


def _singular_values(m: int, n: int) -> float:
    long, short = max(m, n), min(m, n)
    return 2 * long * short**2 + 2 * short**3


def _singular_vectors(m: int, n: int) -> float:
    long, short = max(m, n), min(m, n)
    return 6 * long * short**2 + 20 * short**3


RECURRENT = {"rnn": 1, "gru": 3, "lstm": 4}  # with how many gates

FORMULAS: Mapping[str, Formula] = {
    **dict.fromkeys(("watch", "part", "reshape", "transpose", "broadcast_to", "astype", "getitem", "place"), _none),
    **dict.fromkeys(("gather", "set", "concatenate", "roll", "pad_zeros", "pool_gather", "slide"), _none),
    **dict.fromkeys(("real", "imag", "positive"), _none),
    **dict.fromkeys(("scatter", "assemble", "pool_scatter"), _each_element),
    **dict.fromkeys(("sum", "mean", "prod", "max", "min", "nanmax", "nanmin"), _each_element),
    **dict.fromkeys(("cumsum", "cumprod", "unwrap", "complex_sign"), _each_element),
    **dict.fromkeys(("norm", "recurrence"), _times(2)),
    **dict.fromkeys(("power_norm", "softmax", "log_softmax"), _times(3)),
    **dict.fromkeys(("var", "std"), _times(4)),
    **dict.fromkeys(("max_pool", "avg_pool", "avg_pool_input"), _each_window),
    **dict.fromkeys(("matmul", "matvec"), _matrix_product),
    "affine": _affine,
    "sparse_matmul": _sparse_product,
    "einsum": _einsum,
    "convolve": _convolve,
    "conv": _convolution,
    "conv_bias": _convolution_with_bias,
    "conv_input": _convolution_input,
    "conv_kernel": _convolution_kernel,
    **dict.fromkeys(("batch_norm", "layer_norm"), _times(8)),
    **dict.fromkeys(("batch_norm_pullback", "layer_norm_pullback"), _times(20)),
    "attention": _attention(2),
    "attention_pullback": _attention(7),
    "ctc": _alignment(10),
    "ctc_pullback": _alignment(20),
    **{f"{name}_sequence": _recurrent(gates, 1) for name, gates in RECURRENT.items()},
    **{f"{name}_sequence_pullback": _recurrent(gates, 3) for name, gates in RECURRENT.items()},
    **dict.fromkeys(("fft", "ifft"), _fourier(1.0)),
    **dict.fromkeys(("rfft", "irfft"), _fourier(0.5)),
    "cholesky": _decomposition(lambda m, n: n**3 / 3),
    "cholesky_pullback": _decomposition(lambda m, n: 2 * n**3 / 3),
    **dict.fromkeys(("det", "slogdet"), _decomposition(lambda m, n: 2 * n**3 / 3)),
    "inv": _decomposition(lambda m, n: 2 * n**3),
    "solve": _solve,
    "qr": _decomposition(lambda m, n: 4 * m * min(m, n) ** 2),
    "eigh": _decomposition(lambda m, n: 9 * n**3),
    "eigvalsh": _decomposition(lambda m, n: 4 * n**3 / 3),
    "eig": _decomposition(lambda m, n: 25 * n**3),
    "eigvals": _decomposition(lambda m, n: 10 * n**3),
    "svd": _decomposition(_singular_vectors),
    "svdvals": _decomposition(_singular_values),
    **dict.fromkeys(("lstsq", "pinv"), _decomposition(lambda m, n: _singular_vectors(m, n) + 2 * m * n * min(m, n))),
    "roots": _roots,
}

# Formulas that count two operations for each product that is added; of some with a bias, the one without.
_PRODUCTS: Mapping[Formula, Formula] = {
    **{formula: formula for formula in (_matrix_product, _sparse_product, _einsum, _convolve, _convolution)},
    _affine: _matrix_product,
    _convolution_with_bias: _convolution,
    _convolution_input: _convolution_input,
    _convolution_kernel: _convolution_kernel,
}


def _recurrent_products(gates: int) -> Formula:
    """Return the formula of the products alone in a loop over steps."""

    def count(shapes: Shapes, out: Shape | None, parameters: Parameters) -> int:
        (steps, n, inputs), (_, width) = shapes[0] or (0, 0, 0), shapes[1] or (0, 0)
        return 2 * steps * n * gates * width * (inputs + width)

    return count


_PRODUCTS_BY_NAME: Mapping[str, Formula] = {
    "attention": _attention_products,
    **{f"{name}_sequence": _recurrent_products(gates) for name, gates in RECURRENT.items()},
}
