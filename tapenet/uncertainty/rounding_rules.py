"""How far one operation's result may be from the exact result for the same operands: a rule for each operation.

u is the unit roundoff, half the distance from 1 to the next number, and gamma_n = n u / (1 - n u). Each rule is a bound
of the standard analysis (Higham, "Accuracy and Stability of Numerical Algorithms", 2nd edition, 2002): u |out| for the
operations that IEEE 754 rounds correctly, gamma_(n-1) sum |x| for sums in any order, gamma_n |A| |B| for products.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tapenet.core.primitive import Array, Primitive
from tapenet.core.record import Parameters

Rule = Callable[[Sequence[Array], Parameters, Array, float], Array]  # of operands, parameters, the output, and u

# Functions of NumPy's and tapenet's are measured at 1.2 units of the last place in double precision (the guide
# "Accuracy"). NumPy's tests hold them to 4 in single precision. In units of u, of which two make one in the last place.
_DOUBLE, _SINGLE = 4.0, 8.0
_DERIVED = 8.0  # elementwise operations that appear in derivatives, of a few roundings each


def gamma(n: Any, u: float) -> Any:
    """Return gamma_n, the bound for n roundings in a row; infinity where it does not hold."""
    product = np.asarray(n, float) * u
    return np.where(product < 1, product / np.maximum(1 - product, u), np.inf)


def local_error(primitive: Primitive, operands: Sequence[Any], parameters: Parameters, out: Any) -> Array | None:
    """Return a bound of the rounding error of one operation, of the shape of its output; None without a rule."""
    if out.dtype.kind not in "fc":
        return np.zeros(np.shape(out))
    error = _own_error(primitive, operands, parameters, out)
    return error if error is None else error + _conversion_error(primitive, operands, parameters, out)


def _own_error(primitive: Primitive, operands: Sequence[Any], parameters: Parameters, out: Any) -> Array | None:
    if primitive.name in _EXACT:
        return np.zeros(np.shape(out))
    if out.dtype.kind == "c" or primitive.is_users:
        return None
    u = float(np.finfo(out.dtype).eps) / 2
    arrays = [np.asarray(x) for x in operands]
    with np.errstate(all="ignore"):
        rule = _RULES.get(primitive.name)
        if rule is not None:
            return np.asarray(rule(arrays, parameters, out, u), float)
        if primitive.is_elementwise and "." not in primitive.name:
            return _DERIVED * u * np.abs(np.asarray(out, float))
        is_known = primitive.name in _SUMS or primitive.family in ("linear", "multilinear")
        if is_known and "." not in primitive.name and primitive.name not in _NOT_BOUNDED:
            return _sums_of_products(primitive, arrays, parameters, u)
    return None


def _conversion_error(primitive: Primitive, operands: Sequence[Any], parameters: Parameters, out: Any) -> Array | float:
    """Return what it does to the output that Python numbers beside arrays of lower precision are rounded to these."""
    if not primitive.is_elementwise or out.dtype.itemsize >= 8:
        return 0.0
    with np.errstate(all="ignore"):
        rounded = [float(out.dtype.type(x)) if type(x) in (int, float) else x for x in operands]
        if all(x is y or x == y for x, y in zip(operands, rounded, strict=True)):
            return 0.0
        found = [
            primitive.forward(*[np.asarray(x, float) if _is_floating(x) else x for x in given], **parameters)
            for given in (operands, rounded)
        ]
        return np.nan_to_num(np.abs(found[0] - found[1]), nan=0.0, posinf=np.inf)


def _is_floating(x: Any) -> bool:
    return isinstance(x, np.ndarray | np.generic) and x.dtype.kind == "f"


def _sums_of_products(primitive: Primitive, operands: Sequence[Array], parameters: Parameters, u: float) -> Array:
    """Bound sums of products, whatever they are: of ones the operation counts terms, of magnitudes it sums these."""
    places = [i for i, x in enumerate(operands) if x.dtype.kind == "f"]

    def applied(of: Callable[[Array], Array]) -> Array:
        given = [of(np.asarray(x, float)) if i in places else x for i, x in enumerate(operands)]
        return np.asarray(primitive.forward(*given, **parameters), float)

    factors = 1 if primitive.name in _SUMS else len(places)
    roundings = np.maximum(applied(np.ones_like) - 2 + factors, 0)
    return gamma(roundings, u) * applied(np.abs)


# ---- elementwise ----


def _sum_of_two(operands: Sequence[Array], parameters: Parameters, out: Array, u: float) -> Array:
    """Bound a sum or difference, exact where the rounding error is: found as in TwoSum (Knuth)."""
    x, y = operands
    x, y = x.astype(out.dtype), y.astype(out.dtype)
    return _unless(_two_sum_error(x, y, out) == 0, u * np.abs(out))


def _difference_of_two(operands: Sequence[Array], parameters: Parameters, out: Array, u: float) -> Array:
    x, y = operands
    return _sum_of_two((x, -y), parameters, out, u)


def _two_sum_error(x: Array, y: Array, out: Array) -> Array:
    virtual = out - x
    return (x - (out - virtual)) + (y - virtual)


def _product(operands: Sequence[Array], parameters: Parameters, out: Array, u: float) -> Array:
    """Bound a product, exact where a factor is a power of two or zero."""
    exact = _is_power_of_two(operands[0]) | _is_power_of_two(operands[1])
    return _unless(exact & _is_normal(out), _rounded(operands, parameters, out, u))


def _quotient(operands: Sequence[Array], parameters: Parameters, out: Array, u: float) -> Array:
    exact = _is_power_of_two(operands[1]) | (operands[0] == 0)
    return _unless(exact & _is_normal(out), _rounded(operands, parameters, out, u))


def _is_power_of_two(x: Array) -> Array:
    fraction = np.abs(np.frexp(np.asarray(x, float))[0])
    return (fraction == 0.5) | (fraction == 0)


def _is_normal(out: Array) -> Array:
    return (np.abs(out) >= np.finfo(out.dtype).tiny) | (np.asarray(out) == 0)


def _rounded(operands: Sequence[Array], parameters: Parameters, out: Array, u: float) -> Array:
    """Bound what is rounded once; among subnormal numbers the spacing is constant."""
    information = np.finfo(out.dtype)
    magnitude = np.abs(np.asarray(out, float))
    small = (magnitude < information.tiny) & np.any([x != 0 for x in np.broadcast_arrays(*operands)], axis=0)
    return np.where(small, float(information.smallest_subnormal), u * magnitude)


def _unless(exact: Array, bound: Array) -> Array:
    return np.where(exact, 0.0, bound)


def _function(operands: Sequence[Array], parameters: Parameters, out: Array, u: float) -> Array:
    """Bound a function of the mathematical library."""
    factor = _DOUBLE if np.finfo(out.dtype).eps <= np.finfo(np.float64).eps else _SINGLE
    return factor * _rounded(operands, parameters, out, u)


def _sinc(operands: Sequence[Array], parameters: Parameters, out: Array, u: float) -> Array:
    # The rounding of pi x moves it by 2 u |pi x|, and sinc by at most 2 u (1 + |sinc|).
    return _function(operands, parameters, out, u) + 4 * u


def _cast(operands: Sequence[Array], parameters: Parameters, out: Array, u: float) -> Array:
    x = np.asarray(operands[0])
    return np.where(x == out, 0.0, _rounded(operands, parameters, out, u))


# ---- reductions ----


def _terms(operands: Sequence[Array], out: Array) -> int:
    return int(operands[0].size) // max(int(np.size(out)), 1)


def _mean(operands: Sequence[Array], parameters: Parameters, out: Array, u: float) -> Array:
    n = _terms(operands, out)
    magnitudes = np.abs(np.asarray(operands[0], float))
    return gamma(n, u) * np.mean(magnitudes, parameters["axis"], keepdims=parameters["keepdims"])


def _product_of_all(operands: Sequence[Array], parameters: Parameters, out: Array, u: float) -> Array:
    return gamma(max(_terms(operands, out) - 1, 0), u) * np.abs(out)


def _running_product(operands: Sequence[Array], parameters: Parameters, out: Array, u: float) -> Array:
    return gamma(max(out.shape[parameters["axis"]] - 1, 0), u) * np.abs(out)


def _recurrence(operands: Sequence[Array], parameters: Parameters, out: Array, u: float) -> Array:
    """Bound s_k = a_k s_(k-1) + b_k: each step rounds a product and a sum, and multiplies the error before."""
    axis = parameters["axis"]
    factors = np.moveaxis(np.broadcast_to(np.abs(operands[0]), np.shape(out)).astype(float), axis, 0)
    magnitudes = np.moveaxis(np.abs(np.asarray(out, float)), axis, 0)
    errors = np.zeros_like(magnitudes)
    for k in range(1, len(errors)):
        errors[k] = factors[k] * (errors[k - 1] + u * magnitudes[k - 1]) + u * magnitudes[k]
    return np.moveaxis(errors, 0, axis)


def _norm(operands: Sequence[Array], parameters: Parameters, out: Array, u: float) -> Array:
    # A sum of n squares has relative error n u; a square root halves it.
    return gamma(_terms(operands, out) / 2 + 2, u) * np.abs(out)


def _power_norm(operands: Sequence[Array], parameters: Parameters, out: Array, u: float) -> Array:
    # A sum of n powers has the relative error of a power and n - 1 sums, which the root divides by the order.
    order = abs(float(parameters["order"]))
    # The reciprocal of the order is rounded too: a root of exponent off by u is off by u times the logarithm.
    logarithm = np.abs(np.log(np.maximum(np.abs(np.asarray(out, float)), np.finfo(float).tiny)))
    return gamma((_terms(operands, out) + _SINGLE) / order + _SINGLE + logarithm, u) * np.abs(out)


def _variance(operands: Sequence[Array], parameters: Parameters, out: Array, u: float) -> Array:
    """Bound the two-pass variance (Chan, Golub and LeVeque, 1983, "Algorithms for computing the sample variance")."""
    n = _terms(operands, out)
    squares = np.mean(np.asarray(operands[0], float) ** 2, parameters["axis"], keepdims=parameters["keepdims"])
    return gamma(n + 4, u) * np.abs(out) + (gamma(n, u) ** 2) * squares * (n / max(n - parameters["ddof"], 1))


def _deviation(operands: Sequence[Array], parameters: Parameters, out: Array, u: float) -> Array:
    of_square = _variance(operands, parameters, np.asarray(out, float) ** 2, u)
    return np.minimum(of_square / np.maximum(np.abs(out), np.finfo(float).tiny), np.sqrt(of_square)) + u * np.abs(out)


def _softmax(operands: Sequence[Array], parameters: Parameters, out: Array, u: float) -> Array:
    """Bound exp(x - max) / sum: rounding of the difference, two functions and a sum of n."""
    return (_spread(operands, parameters, u) + gamma(_along(operands, parameters) + 2 * _SINGLE, u)) * np.abs(out)


def _log_softmax(operands: Sequence[Array], parameters: Parameters, out: Array, u: float) -> Array:
    n = _along(operands, parameters)
    return _spread(operands, parameters, u) + gamma(n + 2 * _SINGLE, u) + 2 * u * np.abs(out)


def _along(operands: Sequence[Array], parameters: Parameters) -> int:
    axes = parameters["axis"]
    return math.prod(operands[0].shape[axis] for axis in (axes if isinstance(axes, tuple) else (axes,)))


def _spread(operands: Sequence[Array], parameters: Parameters, u: float) -> Array:
    x = np.asarray(operands[0], float)
    return u * 2 * (np.max(x, parameters["axis"], keepdims=True) - np.min(x, parameters["axis"], keepdims=True))


# ---- products and solves ----


def _einsum(operands: Sequence[Array], parameters: Parameters, out: Array, u: float) -> Array:
    labels = ",".join(parameters["labels"]) + "->" + parameters["out"]
    magnitudes = [np.abs(np.asarray(x, float)) for x in operands]
    terms = np.einsum(labels, *map(np.ones_like, magnitudes))
    return gamma(terms - 2 + len(operands), u) * np.einsum(labels, *magnitudes)


def _sparse_product(operands: Sequence[Array], parameters: Parameters, out: Array, u: float) -> Array:
    matrix = parameters["matrix"].matrix
    x = np.abs(np.asarray(operands[0], float))
    return gamma(np.asarray((matrix != 0).astype(float) @ np.ones_like(x)), u) * np.asarray(abs(matrix) @ x)


def _affine(operands: Sequence[Array], parameters: Parameters, out: Array, u: float) -> Array:
    x, kernel, bias = (np.abs(np.asarray(x, float)) for x in operands)
    return gamma(kernel.shape[0] + 1, u) * (x @ kernel + bias)


def _solve(operands: Sequence[Array], parameters: Parameters, out: Array, u: float) -> Array:
    """Bound A^-1 b by LU with partial pivoting: |A^-1| gamma_(3n) |L| |U| |x| (Higham, theorem 9.4)."""
    a = np.asarray(operands[0], float)
    return gamma(3 * a.shape[-1], u) * (np.abs(np.linalg.inv(a)) @ (_lu_magnitudes(a) @ np.abs(np.asarray(out, float))))


def _inverse(operands: Sequence[Array], parameters: Parameters, out: Array, u: float) -> Array:
    return _solve(operands, parameters, out, u)


def _determinant(operands: Sequence[Array], parameters: Parameters, out: Array, u: float) -> Array:
    """Bound the product of pivots: that of a matrix off by gamma_n |L| |U|, to first order."""
    a = np.asarray(operands[0], float)
    n = a.shape[-1]
    share = np.sum(np.abs(np.linalg.inv(a)).swapaxes(-1, -2) * _lu_magnitudes(a), axis=(-1, -2))
    return (gamma(n, u) * share + gamma(n, u)) * np.abs(out)


def _lu_magnitudes(a: Array) -> Array:
    """Return |L| |U| of each matrix, its rows as in the matrix: by elimination with partial pivoting."""
    found = np.empty_like(a)
    for index in np.ndindex(a.shape[:-2]):
        found[index] = _lu_magnitudes_of_one(a[index])
    return found


def _lu_magnitudes_of_one(a: Array) -> Array:
    upper, rows = a.copy(), np.arange(len(a))
    lower = np.eye(len(a))
    for k in range(len(a) - 1):
        pivot = k + int(np.argmax(np.abs(upper[k:, k])))
        for array, columns in ((upper, slice(None)), (lower, slice(0, k))):
            array[[k, pivot], columns] = array[[pivot, k], columns]
        rows[[k, pivot]] = rows[[pivot, k]]
        if upper[k, k]:
            lower[k + 1 :, k] = upper[k + 1 :, k] / upper[k, k]
            upper[k + 1 :] -= lower[k + 1 :, k, None] * upper[k]
    magnitudes = np.empty_like(a)
    magnitudes[rows] = np.abs(lower) @ np.abs(np.triu(upper))
    return magnitudes


# ---- the sheet ----

_EXACT = frozenset(
    "watch part negative positive absolute fabs sign floor ceil trunc rint heaviside maximum minimum fmax fmin "
    "opposite_sign subgradient where clip clip_through real imag conjugate relu fmod "
    "reshape transpose broadcast_to roll getitem place pad_zeros concatenate gather set slide "
    "max min nanmax nanmin max_pool pool_gather".split()
)

_RULES: Mapping[str, Rule] = {
    "add": _sum_of_two,
    "subtract": _difference_of_two,
    "multiply": _product,
    "divide": _quotient,
    **dict.fromkeys(("sqrt", "square", "reciprocal"), _rounded),
    **dict.fromkeys(("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "logaddexp", "logaddexp2"), _function),
    **dict.fromkeys(("sin", "cos", "tan", "arcsin", "arccos", "arctan", "arctan2", "hypot"), _function),
    **dict.fromkeys(("sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh"), _function),
    **dict.fromkeys(("cbrt", "power", "float_power", "remainder", "deg2rad", "rad2deg"), _function),
    "sinc": _sinc,
    "winners": lambda operands, parameters, out, u: u * np.abs(np.asarray(out, float)),
    "astype": _cast,
    "mean": _mean,
    "prod": _product_of_all,
    "cumprod": _running_product,
    "recurrence": _recurrence,
    "norm": _norm,
    "power_norm": _power_norm,
    "var": _variance,
    "std": _deviation,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "einsum": _einsum,
    "affine": _affine,
    "sparse_matmul": _sparse_product,
    "solve": _solve,
    "inv": _inverse,
    "det": _determinant,
}

_SUMS = frozenset(("scatter", "assemble"))
# Convolutions may go by Winograd's transforms, which round otherwise; averages are not sums of ones.
_NOT_BOUNDED = frozenset(("conv", "conv_input", "conv_kernel", "avg_pool", "avg_pool_input"))
