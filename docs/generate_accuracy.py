"""Writes docs/guides/accuracy.md: errors of values and derivatives against mpmath, in units of the last place.

    python docs/generate_accuracy.py

JAX and PyTorch stand beside where they are installed. `tests/docs/test_accuracy.py` recomputes a sample of the table
and holds its bounds.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import mpmath
import numpy as np

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.ops.special.functions import erf

mp: Any = mpmath.ctx_mp.MPContext()  # of its own: nothing else computes with its 60 digits
mp.dps = 60

PAGE = Path(__file__).parent / "guides" / "accuracy.md"
DTYPES = (np.float64, np.float32)
GOOD = 4.0  # units of the last place beyond which the table gives a reason

Formula = Callable[[Any], Any]
INFINITE = float("inf")


@attrs.frozen
class Function:
    """A function of one number.

    Attributes:
        ours: on arrays.
        formulas: its value, first and second derivative, of mpmath's numbers.
        low, high: where it is defined.
        peers: the same function by library, as an expression of x.
    """

    ours: Callable[[Any], Any]
    formulas: tuple[Formula, Formula, Formula]
    low: float = -INFINITE
    high: float = INFINITE
    peers: Mapping[str, str] = {}


# ---- formulas, of 60 digits; none cancels more than that over the range of float64 ----


def _sigmoid(x: Any) -> tuple[Any, Any, Any]:
    slope = 1 / (2 * mp.cosh(x / 2)) ** 2
    return 1 / (1 + mp.exp(-x)), slope, -slope * mp.tanh(x / 2)


def _phi(x: Any) -> Any:
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi) if abs(x) < 1e4 else mp.mpf(0)


def _cdf(x: Any) -> Any:
    return mp.erfc(-x / mp.sqrt(2)) / 2 if abs(x) < 1e4 else mp.mpf(x > 0)


def _gelu_by_tanh(order: int) -> Formula:
    def formula(x: Any) -> Any:
        if abs(x) > 1e3:
            return (x, mp.mpf(1), mp.mpf(0))[order] if x > 0 else mp.mpf(0)
        c, a = 2 * mp.sqrt(2 / mp.pi), mp.mpf(0.044715)
        s, s1, s2 = _sigmoid(c * (x + a * x**3))
        u1, u2 = c * (1 + 3 * a * x**2), c * 6 * a * x
        return (x * s, s + x * u1 * s1, 2 * u1 * s1 + x * (u2 * s1 + u1**2 * s2))[order]

    return formula


def _sinc_slope(x: Any) -> Any:
    if abs(x) < 1e-6:
        return -(mp.pi**2) * x / 3 + mp.pi**4 * x**3 / 30 - mp.pi**6 * x**5 / 840
    return (mp.cospi(x) - mp.sincpi(x)) / x


def _sinc_curvature(x: Any) -> Any:
    if abs(x) < 1e-6:
        return -(mp.pi**2) / 3 + mp.pi**4 * x**2 / 10 - mp.pi**6 * x**4 / 168
    return (-mp.pi * mp.sinpi(x) - 2 * _sinc_slope(x)) / x


def _less_square(x: Any) -> Any:
    return (1 - x) * (1 + x)


def _root(power: Any) -> Formula:
    return lambda x: (1 + x * x) ** power


def _share2(x: Any) -> Any:
    return 1 / (1 + mp.power(2, mp.mpf(0.5) - x))


FUNCTIONS: dict[str, Function] = {
    "square": Function(tnp.square, (lambda x: x * x, lambda x: 2 * x, lambda x: mp.mpf(2))),
    "reciprocal": Function(tnp.reciprocal, (lambda x: 1 / x, lambda x: -1 / x**2, lambda x: 2 / x**3)),
    "sqrt": Function(tnp.sqrt, (mp.sqrt, lambda x: 1 / (2 * mp.sqrt(x)), lambda x: -1 / (4 * x * mp.sqrt(x))), 0.0),
    "cbrt": Function(
        tnp.cbrt, (mp.cbrt, lambda x: 1 / (3 * mp.cbrt(x) ** 2), lambda x: -2 / (9 * x * mp.cbrt(x) ** 2)), 0.0
    ),
    "power(x, 1.5)": Function(
        lambda x: tnp.power(x, 1.5),
        (lambda x: x * mp.sqrt(x), lambda x: 1.5 * mp.sqrt(x), lambda x: 0.75 / mp.sqrt(x)),
        0.0,
    ),
    "exp": Function(tnp.exp, (mp.exp, mp.exp, mp.exp)),
    "exp2": Function(
        tnp.exp2,
        (lambda x: mp.power(2, x), lambda x: mp.log(2) * mp.power(2, x), lambda x: mp.log(2) ** 2 * mp.power(2, x)),
    ),
    "expm1": Function(tnp.expm1, (mp.expm1, mp.exp, mp.exp)),
    "log": Function(tnp.log, (mp.log, lambda x: 1 / x, lambda x: -1 / x**2), 0.0),
    "log2": Function(
        tnp.log2, (lambda x: mp.log(x, 2), lambda x: 1 / (x * mp.log(2)), lambda x: -1 / (x**2 * mp.log(2))), 0.0
    ),
    "log10": Function(tnp.log10, (mp.log10, lambda x: 1 / (x * mp.log(10)), lambda x: -1 / (x**2 * mp.log(10))), 0.0),
    "log1p": Function(tnp.log1p, (mp.log1p, lambda x: 1 / (1 + x), lambda x: -1 / (1 + x) ** 2), -1.0),
    "sin": Function(tnp.sin, (mp.sin, mp.cos, lambda x: -mp.sin(x))),
    "cos": Function(tnp.cos, (mp.cos, lambda x: -mp.sin(x), lambda x: -mp.cos(x))),
    "tan": Function(tnp.tan, (mp.tan, lambda x: 1 / mp.cos(x) ** 2, lambda x: 2 * mp.tan(x) / mp.cos(x) ** 2)),
    "arcsin": Function(
        tnp.arcsin, (mp.asin, lambda x: _less_square(x) ** -0.5, lambda x: x * _less_square(x) ** -1.5), -1.0, 1.0
    ),
    "arccos": Function(
        tnp.arccos, (mp.acos, lambda x: -(_less_square(x) ** -0.5), lambda x: -x * _less_square(x) ** -1.5), -1.0, 1.0
    ),
    "arctan": Function(tnp.arctan, (mp.atan, _root(-1), lambda x: -2 * x * _root(-2)(x))),
    "arctan2(1, x)": Function(
        lambda x: tnp.arctan2(np.ones_like(x.value if hasattr(x, "value") else x), x),
        (lambda x: mp.atan2(1, x), lambda x: -_root(-1)(x), lambda x: 2 * x * _root(-2)(x)),
        peers={"jax": "jnp.arctan2(jnp.ones_like(x), x)", "torch": "torch.arctan2(torch.ones_like(x), x)"},
    ),
    "hypot(x, 1)": Function(
        lambda x: tnp.hypot(x, 1.0),
        (_root(0.5), lambda x: x * _root(-0.5)(x), _root(-1.5)),
        peers={"jax": "jnp.hypot(x, 1.0)", "torch": "torch.hypot(x, torch.ones_like(x))"},
    ),
    "sinc": Function(tnp.sinc, (mp.sincpi, _sinc_slope, _sinc_curvature)),
    "sinh": Function(tnp.sinh, (mp.sinh, mp.cosh, mp.sinh)),
    "cosh": Function(tnp.cosh, (mp.cosh, mp.sinh, mp.cosh)),
    "tanh": Function(tnp.tanh, (mp.tanh, lambda x: 1 / mp.cosh(x) ** 2, lambda x: -2 * mp.tanh(x) / mp.cosh(x) ** 2)),
    "arcsinh": Function(tnp.arcsinh, (mp.asinh, _root(-0.5), lambda x: -x * _root(-1.5)(x))),
    "arccosh": Function(
        tnp.arccosh, (mp.acosh, lambda x: (-_less_square(x)) ** -0.5, lambda x: -x * (-_less_square(x)) ** -1.5), 1.0
    ),
    "arctanh": Function(
        tnp.arctanh, (mp.atanh, lambda x: 1 / _less_square(x), lambda x: 2 * x / _less_square(x) ** 2), -1.0, 1.0
    ),
    "logaddexp(x, 0.5)": Function(
        lambda x: tnp.logaddexp(x, 0.5),
        (
            lambda x: max(x, mp.mpf(0.5)) + mp.log1p(mp.exp(-abs(x - 0.5))),
            lambda x: _sigmoid(x - 0.5)[0],
            lambda x: _sigmoid(x - 0.5)[1],
        ),
        peers={"jax": "jnp.logaddexp(x, 0.5)", "torch": "torch.logaddexp(x, torch.full_like(x, 0.5))"},
    ),
    "logaddexp2(x, 0.5)": Function(
        lambda x: tnp.logaddexp2(x, 0.5),
        (
            lambda x: max(x, mp.mpf(0.5)) + mp.log1p(mp.power(2, -abs(x - 0.5))) / mp.log(2),
            _share2,
            lambda x: mp.log(2) * _share2(x) * _share2(1 - x),
        ),
        peers={"jax": "jnp.logaddexp2(x, 0.5)", "torch": "torch.logaddexp2(x, torch.full_like(x, 0.5))"},
    ),
    "i0": Function(
        tnp.i0,
        (
            lambda x: mp.besseli(0, x),
            lambda x: mp.besseli(1, x),
            lambda x: (mp.besseli(0, x) + mp.besseli(2, x)) / 2,
        ),
        -700.0,
        700.0,
    ),
    "erf": Function(
        erf,
        (
            mp.erf,
            lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x),
            lambda x: -4 * x / mp.sqrt(mp.pi) * mp.exp(-x * x),
        ),
        peers={"jax": "jax.scipy.special.erf(x)", "torch": "torch.special.erf(x)"},
    ),
    "nn.sigmoid": Function(
        tn.nn.sigmoid,
        (lambda x: _sigmoid(x)[0], lambda x: _sigmoid(x)[1], lambda x: _sigmoid(x)[2]),
        peers={"jax": "jax.nn.sigmoid(x)", "torch": "torch.sigmoid(x)"},
    ),
    "nn.silu": Function(
        tn.nn.silu,
        (
            lambda x: x * _sigmoid(x)[0],
            lambda x: _sigmoid(x)[0] + x * _sigmoid(x)[1],
            lambda x: 2 * _sigmoid(x)[1] + x * _sigmoid(x)[2],
        ),
        peers={"jax": "jax.nn.silu(x)", "torch": "torch.nn.functional.silu(x)"},
    ),
    "nn.softplus": Function(
        tn.nn.softplus,
        (lambda x: max(x, 0) + mp.log1p(mp.exp(-abs(x))), lambda x: _sigmoid(x)[0], lambda x: _sigmoid(x)[1]),
        peers={"jax": "jax.nn.softplus(x)", "torch": "torch.nn.functional.softplus(x)"},
    ),
    "nn.gelu": Function(
        tn.nn.gelu,
        (lambda x: x * _cdf(x), lambda x: _cdf(x) + x * _phi(x), lambda x: _phi(x) * (2 - x * x)),
        peers={"jax": "jax.nn.gelu(x, approximate=False)", "torch": "torch.nn.functional.gelu(x)"},
    ),
    "nn.gelu, approximate": Function(
        lambda x: tn.nn.gelu(x, approximate=True),
        (_gelu_by_tanh(0), _gelu_by_tanh(1), _gelu_by_tanh(2)),
        peers={"jax": "jax.nn.gelu(x)", "torch": "torch.nn.functional.gelu(x, approximate='tanh')"},
    ),
    "nn.elu": Function(
        tn.nn.elu,
        (
            lambda x: x if x > 0 else mp.expm1(x),
            lambda x: mp.mpf(1) if x > 0 else mp.exp(x),
            lambda x: mp.mpf(0) if x > 0 else mp.exp(x),
        ),
        peers={"jax": "jax.nn.elu(x)", "torch": "torch.nn.functional.elu(x)"},
    ),
}


# ---- functions of two numbers ----


@attrs.frozen
class TwoArguments:
    """A function of two numbers.

    Attributes:
        ours: on arrays.
        formulas: of mpmath's numbers, its value, first derivatives by x and y, and second by xx, xy and yy.
        is_defined: for which arrays of x and y it is held.
        peers: the same function by library, as an expression of x and y.
    """

    ours: Callable[[Any, Any], Any]
    formulas: Callable[[Any, Any], tuple[Any, ...]]
    is_defined: Callable[[Any, Any], Any] = lambda x, y: np.ones(x.shape, bool)
    peers: Mapping[str, str] = {}


def _power(x: Any, y: Any) -> tuple[Any, ...]:
    v, log = x**y, mp.log(x)
    return v, y * v / x, v * log, y * (y - 1) * v / x**2, v / x * (1 + y * log), v * log**2


def _arctan2(x: Any, y: Any) -> tuple[Any, ...]:
    r = x * x + y * y
    return mp.atan2(x, y), y / r, -x / r, -2 * x * y / r**2, (x - y) * (x + y) / r**2, 2 * x * y / r**2


def _hypot(x: Any, y: Any) -> tuple[Any, ...]:
    r = mp.sqrt(x * x + y * y)
    return r, x / r, y / r, y * y / r**3, -x * y / r**3, x * x / r**3


def _logaddexp(x: Any, y: Any) -> tuple[Any, ...]:
    slope, curvature = _share(x - y), _share(x - y) * _share(y - x)
    return max(x, y) + mp.log1p(mp.exp(-abs(x - y))), slope, _share(y - x), curvature, -curvature, curvature


def _logaddexp2(x: Any, y: Any) -> tuple[Any, ...]:
    two = mp.log(2)
    slope, other = _share((x - y) * two), _share((y - x) * two)
    curvature = two * slope * other
    return max(x, y) + mp.log1p(mp.exp(-abs(x - y) * two)) / two, slope, other, curvature, -curvature, curvature


def _share(d: Any) -> Any:
    return 1 / (1 + mp.exp(-d))


def _is_moderate_power(x: Any, y: Any) -> Any:
    with np.errstate(all="ignore"):
        return (x > 0) & (x != 1) & (np.abs(y * np.log(np.abs(x))) < 1e5)


TWO_ARGUMENTS: dict[str, TwoArguments] = {
    "divide": TwoArguments(
        tnp.divide,
        lambda x, y: (x / y, 1 / y, -x / y**2, mp.mpf(0), -1 / y**2, 2 * x / y**3),
        peers={"jax": "x / y", "torch": "x / y"},
    ),
    "power": TwoArguments(
        tnp.power, _power, _is_moderate_power, peers={"jax": "jnp.power(x, y)", "torch": "torch.pow(x, y)"}
    ),
    "arctan2": TwoArguments(tnp.arctan2, _arctan2, peers={"jax": "jnp.arctan2(x, y)", "torch": "torch.arctan2(x, y)"}),
    "hypot": TwoArguments(tnp.hypot, _hypot, peers={"jax": "jnp.hypot(x, y)", "torch": "torch.hypot(x, y)"}),
    "logaddexp": TwoArguments(
        tnp.logaddexp, _logaddexp, peers={"jax": "jnp.logaddexp(x, y)", "torch": "torch.logaddexp(x, y)"}
    ),
    "logaddexp2": TwoArguments(
        tnp.logaddexp2, _logaddexp2, peers={"jax": "jnp.logaddexp2(x, y)", "torch": "torch.logaddexp2(x, y)"}
    ),
}
DERIVATIVES: dict[str, tuple[int, ...]] = {
    "value": (),
    "by x": (0,),
    "by y": (1,),
    "by x, x": (0, 0),
    "by x, y": (0, 1),
    "by y, y": (1, 1),
}


def pairs(function: TwoArguments, dtype: Any, every: int = 1) -> tuple[Any, Any]:
    """Pairs over the whole range of a dtype: both of any size, both of middling size, nearly equal, and one extreme."""
    limits = np.finfo(dtype)
    rng = np.random.default_rng(3)
    low, high = limits.minexp - limits.nmant // 2, limits.maxexp - 1

    def spread(count: int, least: float, most: float) -> Any:
        return rng.choice([-1, 1], count) * np.exp2(rng.uniform(least, most, count))

    near = spread(60, -6, 6)
    x = np.concatenate([spread(120, low, high), spread(200, -8, 8), near, spread(40, -3, 3), spread(40, low, high)])
    y = np.concatenate(
        [
            spread(120, low, high),
            spread(200, -8, 8),
            near * (1 + np.exp2(-np.repeat(np.arange(2.0, 22.0), 3))),
            spread(40, low, high),
            spread(40, -3, 3),
        ]
    )
    with np.errstate(over="ignore", under="ignore"):
        x, y = x.astype(dtype)[::every], y.astype(dtype)[::every]
    held = np.isfinite(x) & np.isfinite(y) & (x != 0) & (y != 0) & function.is_defined(x, y)
    return x[held], y[held]


def ours_of_two(function: TwoArguments, places: Sequence[int], x: Any, y: Any) -> Any:
    """A derivative by tapenet, by the arguments at these places in turn."""
    f = function.ours
    for place in places:
        f = tn.elementwise_grad(f, place)
    with np.errstate(all="ignore"):
        return np.asarray(f(x, y))


def theirs_of_two(
    function: TwoArguments, library: str, names: Mapping[str, Any], places: Sequence[int], x: Any, y: Any
) -> Any:
    """A derivative by another library; None where it has none."""
    f = eval(f"lambda x, y: {function.peers[library]}", dict(names))  # the table's own expressions
    try:
        if library == "jax":
            for place in places:
                f = names["jax"].grad(f, place)
            return np.asarray(names["jax"].vmap(f)(x, y))
        torch = names["torch"]
        operands = tuple(torch.tensor(z, requires_grad=True) for z in (x, y))
        z = f(*operands)
        for place in places:
            (z,) = torch.autograd.grad(z.sum(), operands[place], create_graph=True, materialize_grads=True)
        return z.detach().numpy()
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return None


# ---- why an error is above the bound ----

PRODUCT = "A product or quotient of several factors, each rounded."
ZERO = "Beside a zero of the derivative, where its terms cancel."
SUBNORMAL = "Where the result is subnormal, or a factor of it is: its rounding error is multiplied by the others."
IN_FLOAT32 = "NumPy's cosh, exp or tan in float32, which is off by more than one ulp, and is squared."

POWER = (
    "The derivative by x is y x^(y - 1): the logarithm of x multiplies the rounding of y - 1, and where y is tiny the "
    "power overflows alone. By x and y, where 1 + y log(x) cancels."
)

REASONS: dict[str, str] = {
    **dict.fromkeys(("arctan2", "hypot"), PRODUCT),
    **dict.fromkeys(("logaddexp", "logaddexp2"), "The value is NumPy's, which cancels where it is near 0."),
    "power": POWER,
    **dict.fromkeys(("cbrt", "arcsin", "arccos", "arcsinh", "arccosh", "arctan2(1, x)", "hypot(x, 1)"), PRODUCT),
    **dict.fromkeys(("sqrt", "arctan", "arctanh"), PRODUCT),
    **dict.fromkeys(("tan", "tanh", "nn.sigmoid", "nn.softplus"), IN_FLOAT32),
    "sinc": f"The value is NumPy's, which rounds pi x. The derivatives take the integer part off first. {ZERO}",
    "i0": "The value is NumPy's, which overflows early in float32. The first derivative is a sum of 160 terms.",
    "erf": SUBNORMAL,
    "nn.silu": f"{ZERO} {SUBNORMAL}",
    "nn.gelu": f"{ZERO} {SUBNORMAL}",
    "nn.gelu, approximate": "The argument of the exponential is rounded, which multiplies that by up to 700. " + ZERO,
}

# ---- points and errors ----


def points(function: Function, dtype: Any, every: int = 1) -> Any:
    """Numbers over the whole range of a dtype: by magnitude, densely in the middle, and near 0, 1 and their like."""
    limits = np.finfo(dtype)
    rng = np.random.default_rng(0)
    exponents = np.linspace(limits.minexp - limits.nmant, limits.maxexp - 1, 240)
    magnitudes = np.ldexp(rng.uniform(1, 2, exponents.size), np.floor(exponents).astype(int))
    middle = rng.uniform(0, 1, 400) * np.repeat([1.0, 4.0, 20.0, 100.0, 800.0], 80)
    near_one = 1 + np.outer([-1, 1], np.ldexp(1.0, -np.arange(1, limits.nmant))).ravel()
    found = np.concatenate([magnitudes, middle, near_one, [0.5, 2.0, np.pi / 2, np.pi]])[::every]
    with np.errstate(over="ignore"):
        both = np.concatenate([found, -found]).astype(dtype)
    return np.unique(both[(both > function.low) & (both < function.high) & (both != 0) & np.isfinite(both)])


def ours(function: Function, order: int, x: Any) -> Any:
    """A derivative by tapenet."""
    f = function.ours
    for _ in range(order):
        f = tn.elementwise_grad(f)
    with np.errstate(all="ignore"):
        return np.asarray(f(x))


def errors(formula: Formula, x: Any, found: Any) -> Any:
    """How far values are from a formula's, in units of the last place of its value in their dtype."""
    return errors_from([formula(mp.mpf(at)) for at in x.tolist()], x.dtype, found)


def errors_from(rights: Sequence[Any], dtype: Any, found: Any) -> Any:
    """How far values are from right ones, in units of the last place of these in a dtype."""
    limits = np.finfo(dtype)
    largest, out = float(limits.max), []
    for value, right in zip(found.tolist(), rights, strict=True):
        if abs(right) > largest:
            out.append(0.0 if abs(value) >= largest else INFINITE)
            continue
        exponent = max(limits.minexp, int(mp.floor(mp.log(abs(right), 2)))) if right else limits.minexp
        unit = mp.mpf(2) ** (exponent - limits.nmant)
        out.append(float(abs(mp.mpf(value) - right) / unit) if np.isfinite(value) else INFINITE)
    return np.array(out)


# ---- peers ----


def _namespace() -> dict[str, Any]:
    """The peers that are installed."""
    found: dict[str, Any] = {}
    if importlib.util.find_spec("jax"):
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
        import jax

        jax.config.update("jax_enable_x64", True)
        found |= {"jax": jax, "jnp": jax.numpy}
    if importlib.util.find_spec("torch"):
        import torch

        found["torch"] = torch
    return found


def _expression(name: str, function: Function, library: str) -> str:
    if library in function.peers:
        return function.peers[library]
    arguments = name.partition("(")[2].rstrip(")") or "x"
    word = name.partition("(")[0]
    return f"{'jnp' if library == 'jax' else 'torch'}.{word}({arguments})"


def theirs(name: str, function: Function, library: str, names: Mapping[str, Any], order: int, x: Any) -> Any:
    """A derivative by another library; None where it has none."""
    f = eval(f"lambda x: {_expression(name, function, library)}", dict(names))  # the table's own expressions
    try:
        if library == "jax":
            for _ in range(order):
                f = names["jax"].grad(f)
            return np.asarray(names["jax"].vmap(f)(x))
        torch = names["torch"]
        t = torch.tensor(x, requires_grad=True)
        y = f(t)
        for _ in range(order):
            (y,) = torch.autograd.grad(y.sum(), t, create_graph=True)
        return y.detach().numpy()
    except (AttributeError, NotImplementedError, RuntimeError, TypeError):
        return None


# ---- linear algebra ----


def _geometric(condition: float) -> Callable[[bool], Any]:
    """Singular values from 1 down to 1 / condition, in geometric steps."""
    return lambda symmetric: _of_values(condition ** -np.linspace(0, 1, 4) * np.array([1.0, 1.1, 0.9, 1.0]), symmetric)


def _of_values(s: Any, symmetric: bool) -> Any:
    """A matrix with these singular values, or these eigenvalues."""
    rng = np.random.default_rng(1)
    u, v = (np.linalg.qr(rng.normal(size=(4, 4)))[0] for _ in range(2))
    a = (u * s) @ (u if symmetric else v).T
    return (a + a.T) / 2 if symmetric else a


def _clustered(symmetric: bool) -> Any:
    """Two pairs of singular values, each 1e-6 apart."""
    return _of_values(np.array([1 + 1e-6, 1.0, 0.5 + 1e-6, 0.5]), symmetric)


def _graded(symmetric: bool) -> Any:
    """Rows of sizes from 1 down to 1e-9, and columns too if it is symmetric."""
    sizes = 10.0 ** -np.array([0, 3, 6, 9])
    a = _of_values(np.array([1.0, 0.8, 0.6, 0.5]), symmetric) * sizes[:, None]
    return a * sizes if symmetric else a


def _hilbert(symmetric: bool) -> Any:
    """1 / (i + j + 1), of condition 1.6e4."""
    return 1 / (np.arange(4.0)[:, None] + np.arange(4) + 1)


def _vandermonde(symmetric: bool) -> Any:
    """Powers of four points; if it is symmetric, times its transpose."""
    a = np.vander([0.5, 1.0, 1.25, 2.0])
    return a @ a.T if symmetric else a


FAMILIES: dict[str, Callable[[bool], Any]] = {
    "1e1": _geometric(1e1),
    "1e4": _geometric(1e4),
    "1e8": _geometric(1e8),
    "clustered": _clustered,
    "graded": _graded,
    "Hilbert": _hilbert,
    "Vandermonde": _vandermonde,
}


def _rows(x: Any) -> Any:
    return mp.matrix(np.asarray(x).tolist())


def _flat(x: Any) -> list[Any]:
    return [x] if not isinstance(x, mp.matrix) else list(x)


def _positive(r: Any, xp: Any) -> Any:
    return xp.sign(xp.diag(r))[:, None] * r


def _qr(a: Any) -> Any:
    r = mp.qr(a)[1]
    return mp.matrix([[mp.sign(r[i, i]) * r[i, j] for j in range(4)] for i in range(4)])


def _pinv(a: Any) -> Any:
    tall = a[:, :3]
    return (tall.T * tall) ** -1 * tall.T


MATRIX_FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], bool]] = {
    "inv": (tnp.linalg.inv, lambda a: a**-1, False),
    "solve": (lambda a: tnp.linalg.solve(a, np.ones(4)), lambda a: mp.lu_solve(a, mp.ones(4, 1)), False),
    "det": (tnp.linalg.det, mp.det, False),
    "slogdet": (lambda a: tnp.linalg.slogdet(a)[1], lambda a: mp.log(abs(mp.det(a))), False),
    "svdvals": (tnp.linalg.svdvals, lambda a: mp.svd_r(a, compute_uv=False), False),
    "cholesky": (tnp.linalg.cholesky, mp.cholesky, True),
    "qr, r": (lambda a: _positive(tnp.linalg.qr(a)[1], tnp), _qr, False),
    "pinv of three columns": (lambda a: tnp.linalg.pinv(a[:, :3]), _pinv, False),
    "lstsq of three columns": (
        lambda a: tnp.linalg.lstsq(a[:, :3], np.ones(4))[0],
        lambda a: _pinv(a) * mp.ones(4, 1),
        False,
    ),
    "matrix_power 3": (lambda a: tnp.linalg.matrix_power(a, 3), lambda a: a * a * a, False),
    "eigvalsh": (tnp.linalg.eigvalsh, lambda a: mp.eigsy(a, eigvals_only=True), True),
    "norm": (tnp.linalg.norm, lambda a: mp.norm(a, 2), False),
}


def matrix_error(name: str, family: str) -> tuple[float, float]:
    """The relative errors of a value and of its derivative along a direction, by norm."""
    function, formula, symmetric = MATRIX_FUNCTIONS[name]
    a = FAMILIES[family](symmetric)
    t = np.random.default_rng(2).normal(size=a.shape)
    t = (t + t.T) / 2 if symmetric else t
    step = mp.mpf(10) ** -25
    exact, direction = _rows(a), _rows(t)
    up, down = _flat(formula(exact + step * direction)), _flat(formula(exact - step * direction))
    values, slopes = _flat(formula(exact)), [(p - q) / (2 * step) for p, q in zip(up, down, strict=True)]
    value, slope = tn.jvp(function, (a,), (t,))
    return _relative(value, values), _relative(slope, slopes)


def _relative(found: Any, right: Sequence[Any]) -> float:
    pairs = zip(np.ravel(found).tolist(), right, strict=True)
    return float(mp.sqrt(sum((p - q) ** 2 for p, q in pairs)) / mp.sqrt(sum(q**2 for q in right)))


# ---- the page ----

INTRODUCTION = """# Accuracy

Errors of values, first and second derivatives against mpmath, in units of the last place (ulp): half of one is the
best there is. The points are spread over the whole range of the dtype, from subnormal numbers to the largest, densely
in the middle and near 0, 1 and -1. Each cell is the largest error, and the mean in brackets. An error of inf is a
result that is infinite or NaN where the right one is a number, or a number where the right one is 0. Piecewise linear
functions are exact. (JAX takes subnormal numbers for 0, which most of its largest errors come from.)

Functions of two numbers are held at pairs of any sizes, of middling sizes, nearly equal, and one of them extreme; a
row of the table is ours, and those below it are of other libraries.

Values of functions that NumPy has are NumPy's. The test `tests/docs/test_accuracy.py` recomputes a part of the points.

What exactness costs: the derivative of `tanh` is 1 / cosh(x)^2 and not 1 - y^2, of which half the digits are lost at
x = 9 and all at 19. For small arrays it takes the time of the other, for 100,000 numbers 1.8 times; and x is kept for
it, not y. That of `sigmoid` is 1 / (2 cosh(x / 2))^2 in place of y (1 - y). `erf` and `gelu` put the rounding error of
x^2 back, which takes a second exponential.

Written by `python docs/generate_accuracy.py`, with NumPy {version}.
"""

ORDERS = ("value", "first", "second")


def _cell(found: Any) -> str:
    if found is None:
        return "-"
    return f"{_rounded(found.max())} ({_rounded(found.mean())})"


def _rounded(x: float) -> str:
    """Rounded up, to two digits."""
    if not np.isfinite(x):
        return "inf"
    if x >= 1e4:
        return f"{x * 1.05:.0e}"
    return f"{np.ceil(x * 10) / 10:.1f}"


def rows(dtype: Any, names: Mapping[str, Any], above: set[str]) -> Iterator[str]:
    """The lines of a dtype's table; the names of functions with an error above the bound are put into `above`."""
    libraries = [library for library in ("jax", "torch") if library in names]
    titles = [f"{who}{order}" for who in ("", *(f"{name}, " for name in libraries)) for order in ORDERS]
    yield f"| function | {' | '.join(titles)} |"
    yield f"|---|{'---|' * len(titles)}"
    for name, function in FUNCTIONS.items():
        x = points(function, dtype)
        found = [errors(function.formulas[order], x, ours(function, order, x)) for order in range(3)]
        above |= {name} if max(e.max() for e in found) > GOOD else set()
        cells = [_cell(e) for e in found]
        for library in libraries:
            for order in range(3):
                answer = theirs(name, function, library, names, order, x)
                cells.append(_cell(None if answer is None else errors(function.formulas[order], x, answer)))
        yield f"| `{name}` | {' | '.join(cells)} |"


def rows_of_two(dtype: Any, names: Mapping[str, Any], above: set[str]) -> Iterator[str]:
    """The lines of a dtype's table of functions of two numbers, ours first, then each library's."""
    yield f"| function | {' | '.join(DERIVATIVES)} |"
    yield f"|---|{'---|' * len(DERIVATIVES)}"
    for name, function in TWO_ARGUMENTS.items():
        x, y = pairs(function, dtype)
        rights = list(zip(*(function.formulas(*map(mp.mpf, at)) for at in zip(x.tolist(), y.tolist(), strict=True))))
        places = list(DERIVATIVES.values())
        found = [errors_from(r, x.dtype, ours_of_two(function, p, x, y)) for r, p in zip(rights, places, strict=True)]
        above |= {name} if max(e.max() for e in found) > GOOD else set()
        yield f"| `{name}` | {' | '.join(map(_cell, found))} |"
        for library in (library for library in ("jax", "torch") if library in names):
            answers = [theirs_of_two(function, library, names, p, x, y) for p in places]
            cells = [
                _cell(None if z is None else errors_from(r, x.dtype, z)) for r, z in zip(rights, answers, strict=True)
            ]
            yield f"| {library} | {' | '.join(cells)} |"


def matrix_rows() -> Iterator[str]:
    """The lines of linear algebra."""
    yield f"| function | {' | '.join(f'value, {name} | derivative, {name}' for name in FAMILIES)} |"
    yield f"|---|{'---|' * (2 * len(FAMILIES))}"
    for name in MATRIX_FUNCTIONS:
        cells = [f"{error * 1.05:.0e}" for family in FAMILIES for error in matrix_error(name, family)]
        yield f"| `{name}` | {' | '.join(cells)} |"


def page() -> str:
    above: set[str] = set()
    names, parts = _namespace(), [INTRODUCTION.format(version=np.__version__)]
    for dtype in DTYPES:
        parts.append("\n".join([f"## {np.dtype(dtype).name}", "", *rows(dtype, names, above), ""]))
    for dtype in DTYPES:
        title = f"## {np.dtype(dtype).name}, two arguments"
        parts.append("\n".join([title, "", *rows_of_two(dtype, names, above), ""]))
    reasons = [f"| `{name}` | {REASONS[name]} |" for name in (*FUNCTIONS, *TWO_ARGUMENTS) if name in above]
    parts.append(
        "\n".join([f"## Above {GOOD:.0f} ulp, and why", "", "| function | reason |", "|---|---|", *reasons, ""])
    )
    parts.append("\n".join([MATRICES, *matrix_rows(), ""]))
    sys.path.insert(0, str(Path(__file__).parent))
    parts.append(importlib.import_module("compiled_accuracy").section(sys.modules[__name__]))
    section: str = importlib.import_module("scipy_accuracy").section()
    return "\n".join([*parts, section])


MATRICES = """## Linear algebra

Relative errors, by norm, of values and of derivatives along a direction, of 4 by 4 matrices: with singular values in
geometric steps down to 1 / condition, for three conditions; with two pairs of singular values that are 1e-6 apart
("clustered": the derivatives of singular vectors, which others are made of, have that gap as a denominator); with rows
of sizes from 1 down to 1e-9 ("graded"); the Hilbert matrix; a Vandermonde matrix, and times its transpose where the
function takes symmetric ones. Beyond 1e-16 they grow with the condition, as those of LAPACK's values do.
"""

if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
