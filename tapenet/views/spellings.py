"""How operations are written in NumPy, for the source of a derivation."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.primitive import PART, Primitive
from tapenet.core.record import Parameters
from tapenet.ops.arrays.indices import ARRAY, Slice


@attrs.frozen(eq=False)
class Call:
    """An operation that is to be written.

    Attributes:
        operands: as they are written; "None" for None.
        parameters: of the operation.
        helper: notes a function of `tapenet.views.numpy_helpers` that the source needs, and gives its name.
        module: notes a module that the source imports, and gives its name.
        dtypes: of the operands; None for what is not an array.
    """

    operands: Sequence[str]
    parameters: Parameters
    helper: Callable[[str], str]
    module: Callable[[str], str]
    dtypes: Sequence[Any]

    @property
    def is_complex(self) -> bool:
        """Whether an operand is complex."""
        return any(dtype is not None and dtype.kind == "c" for dtype in self.dtypes)


Spelling = Callable[[Call], str]


def spelled(primitive: Primitive, call: Call) -> str | None:
    """Return an operation as an expression of NumPy; None where it has none."""
    if primitive is PART:
        return f"{call.operands[0]}[{call.parameters['index']}]"
    if primitive.is_users:
        return None
    spelling = SPELLINGS.get(primitive.name)
    if spelling is not None:
        return spelling(call)
    name = getattr(primitive.forward, "__name__", "")
    if getattr(np, name, None) is primitive.forward:
        return _written(f"np.{name}", call.operands, call.parameters)
    if getattr(sys.modules.get("scipy.special"), name, None) is primitive.forward:
        return _written(f"{call.module('scipy.special')}.{name}", call.operands, call.parameters)
    return None


def literal(x: Any) -> str:
    """Return a parameter as it is written in Python."""
    if isinstance(x, np.dtype | type) and not isinstance(x, type(None)):
        return dtype_literal(np.dtype(x))
    if isinstance(x, float) and not np.isfinite(x):
        return f"np.{'nan' if np.isnan(x) else 'inf'}" if not x < 0 else "-np.inf"
    if isinstance(x, tuple):
        parts = [literal(part) for part in x]
        return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
    return repr(x.item() if isinstance(x, np.generic) else x)


def dtype_literal(dtype: np.dtype[Any]) -> str:
    """Return a dtype as it is written."""
    return "bool" if dtype.kind == "b" else f"np.{dtype.name}" if hasattr(np, dtype.name) else repr(dtype.str)


def index_literal(structure: Sequence[Any], arrays: Sequence[str]) -> str:
    """Return an index as it is written within brackets."""
    remaining = iter(arrays)
    parts = [next(remaining) if part is ARRAY else _index_part(part) for part in structure]
    return ", ".join(parts) if parts else "()"


def _index_part(part: Any) -> str:
    if part is Ellipsis:
        return "..."
    if type(part) is Slice:
        ends = ["" if x is None else str(x) for x in (part.start, part.stop)]
        return ":".join(ends) + (f":{part.step}" if part.step is not None else "")
    return str(part)


def index_object(structure: Sequence[Any], arrays: Sequence[str]) -> str:
    """Return an index as a value: what `np.s_` gives of it."""
    if len(structure) == 1 and structure[0] is ARRAY:
        return arrays[0]
    return f"np.s_[{index_literal(structure, arrays)}]"


# ---- ways of writing ----


def _written(function: str, operands: Sequence[str], parameters: Mapping[str, Any]) -> str:
    named = [f"{name}={literal(value)}" for name, value in parameters.items() if name != "dtype" or value is not None]
    return f"{function}({', '.join([*operands, *named])})"


def _template(text: str) -> Spelling:
    """Return a spelling by a format string: of operands by place, and parameters by name."""

    def spelling(call: Call) -> str:
        return text.format(*call.operands, **{name: literal(value) for name, value in call.parameters.items()})

    return spelling


def _called(function: str, *, only: int | None = None, suffix: str = "") -> Spelling:
    """Return a spelling by a function's call, with the parameters by name; `only` so many operands."""
    return lambda call: _written(function, call.operands[:only], call.parameters) + suffix


def _reduced(function: str) -> Spelling:
    """Return a spelling of a reduction, with what is NumPy's default left out."""

    def spelling(call: Call) -> str:
        defaults = {"axis": None, "keepdims": False, "ddof": 0, "dtype": None}
        kept = {k: v for k, v in call.parameters.items() if k not in defaults or v != defaults[k]}
        if isinstance(kept.get("axis"), tuple) and len(kept["axis"]) == 1:
            kept["axis"] = kept["axis"][0]
        return _written(function, call.operands, kept)

    return spelling


def _helped(name: str, *places: int) -> Spelling:
    """Return a spelling by a helper, with the operands at some places, by default all."""

    def spelling(call: Call) -> str:
        operands = [call.operands[place] for place in places] if places else call.operands
        kept = {k: v for k, v in call.parameters.items() if k != "wanted"}
        return _written(call.helper(name), operands, kept)

    return spelling


def _special(name: str) -> Spelling:
    return lambda call: f"{call.module('scipy.special')}.{name}({', '.join(call.operands)})"


def _digamma_difference(call: Call) -> str:
    (a, b), of = call.operands, f"{call.module('scipy.special')}.psi"
    return f"{of}({a} + {b}) - {of}({a})"


# ---- the operations with one of their own ----


def _sigmoid(call: Call) -> str:
    (x,) = call.operands
    return f"1 / (1 + np.exp(-{x}))" if call.is_complex else f"np.exp(-np.logaddexp(0, -{x}))"


def _normal_cdf(call: Call) -> str:
    return _special("ndtr")(call)


def _normal_density(call: Call) -> str:
    (x,) = call.operands
    return f"{(2 * math.pi) ** -0.5} * np.exp(-0.5 * {x} * {x})"


def _gelu(call: Call) -> str:
    (x,) = call.operands
    return f"{x} * {_special('ndtr')(call)}"


def _gelu_slope(call: Call) -> str:
    t, x = call.operands
    density = f"{(2 * math.pi) ** -0.5} * np.exp(-0.5 * {x} * {x})"
    return f"{t} * ({call.module('scipy.special')}.ndtr({x}) + {x} * {density})"


def _sinc(call: Call) -> str:
    order = call.parameters["order"]
    return f"{call.helper('sinc_slope')}({call.operands[0]}, {order})" if order else f"np.sinc({call.operands[0]})"


def _past_the_ends(call: Call) -> str:
    (x,) = call.operands
    if call.is_complex:
        return f"np.clip(np.real({x}), -1, 1) + 1j * np.clip(np.imag({x}), -1, 1) - {x}"
    return f"np.clip({x}, -1, 1) - {x}"


def _roll(call: Call) -> str:
    return _written("np.roll", call.operands, call.parameters) if call.parameters["axis"] else f"+{call.operands[0]}"


def _pad_zeros(call: Call) -> str:
    width = call.parameters["width"]
    return f"np.pad({call.operands[0]}, {literal(width)})" if width else f"+{call.operands[0]}"


def _einsum(call: Call) -> str:
    subscripts = f"{','.join(call.parameters['labels'])}->{call.parameters['out']}"
    return f"np.einsum({', '.join([repr(subscripts), *call.operands])})"


def _read(call: Call) -> str:
    x, *arrays = call.operands
    return f"{x}[{index_literal(call.parameters['index'], arrays)}]"


def _placed(call: Call) -> str:
    x, *arrays = call.operands
    return _piece(call, x, arrays, call.parameters["index"])


def _piece(call: Call, x: str, arrays: Sequence[str], index: Any) -> str:
    shape = literal(call.parameters["shape"])
    return f"{call.helper('placed')}({x}, {index_object(index, arrays)}, {shape})"


def _assembled(call: Call) -> str:
    remaining = iter(call.operands)
    pieces = []
    for index, count in call.parameters["indices"]:
        x = next(remaining)
        pieces.append(_piece(call, x, [next(remaining) for _ in range(count)], index))
    return " + ".join(pieces)


def _set(call: Call) -> str:
    x, value, *arrays = call.operands
    return f"{call.helper('changed')}({x}, {index_object(call.parameters['index'], arrays)}, {value})"


def _lasting(call: Call) -> str:
    index, shape = index_object(call.parameters["index"], call.operands), literal(call.parameters["shape"])
    return f"{call.helper('lasting')}({index}, {shape})"


def _concatenate(call: Call) -> str:
    return f"np.concatenate(({', '.join(call.operands)},), axis={call.parameters['axis']})"


def _norm(call: Call) -> str:
    axis = call.parameters["axis"]
    if axis is not None and len(axis) > 2:
        keepdims = call.parameters["keepdims"]
        return f"np.sqrt(np.sum(np.abs({call.operands[0]}) ** 2, axis={literal(axis)}, keepdims={keepdims}))"
    return _reduced("np.linalg.norm")(call)


def _power_norm(call: Call) -> str:
    order, axis, keepdims = (literal(call.parameters[name]) for name in ("order", "axis", "keepdims"))
    return f"np.linalg.norm({call.operands[0]}, {order}, axis={axis}[0], keepdims={keepdims})"


def _astype(call: Call) -> str:
    return f"np.asarray({call.operands[0]}).astype({literal(call.parameters['dtype'])})"


def _bias(function: str) -> Spelling:
    def spelling(call: Call) -> str:
        x, kernel, bias = call.operands
        return f"{_written(call.helper(function), (x, kernel), call.parameters)} + {bias}"

    return spelling


_BINARY = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "floor_divide": "//",
    "remainder": "%",
    "matmul": "@",
    "matvec": "@",
    "power": "**",
    "greater": ">",
    "greater_equal": ">=",
    "less": "<",
    "less_equal": "<=",
    "equal": "==",
    "not_equal": "!=",
}
_OF_NUMPY = {
    **{name: name for name in ("cumsum", "cumprod", "convolve", "unwrap")},
    **{name: f"linalg.{name}" for name in ("inv", "solve", "eigh", "eigvalsh", "eig", "eigvals", "cholesky", "qr")},
    **{name: f"linalg.{name}" for name in ("svd", "svdvals", "det", "slogdet", "pinv")},
    "fft": "fft.fftn",
    "ifft": "fft.ifftn",
    "rfft": "fft.rfft",
    "irfft": "fft.irfft",
    "round": "round",
    "order": "argsort",
    "partial_order": "argpartition",
    "places_among": "searchsorted",
}
SPELLINGS: dict[str, Spelling] = {
    **{name: _template(f"{{0}} {sign} {{1}}") for name, sign in _BINARY.items()},
    **{name: _called(f"np.{theirs}") for name, theirs in _OF_NUMPY.items()},
    **{name: _reduced(f"np.{name}") for name in ("sum", "mean", "var", "std", "max", "min", "prod")},
    **{name: _helped(name) for name in ("softmax", "log_softmax", "winners", "recurrence", "largest_size")},
    **{name: _helped(name) for name in ("conv", "conv_input", "conv_kernel", "max_pool", "avg_pool")},
    **{name: _helped(name) for name in ("avg_pool_input", "pool_gather", "pool_scatter", "attention")},
    "reshape": _template("np.reshape({0}, {shape})"),  # by place: NumPy 2.0 has another name
    "broadcast_to": _template("np.broadcast_to({0}, {shape})"),
    "transpose": _template("np.transpose({0}, {axes})"),
    "negative": _template("-{0}"),
    "positive": _template("+{0}"),
    "square": _template("{0} * {0}"),
    "root_of_squares": _template("np.sqrt({0})"),
    "relu": _template("np.maximum({0}, 0)"),
    "clip_through": _template("np.clip({0}, {1}, {2})"),
    "clip": _template("np.clip({0}, {1}, {2})"),
    "where": _template("np.where({0}, {1}, {2})"),
    "real": _template("np.real({0})"),
    "imag": _template("np.imag({0})"),
    "complex_sign": _template("np.sign({0})"),
    "fractional_part": _template("np.modf({0})[0]"),
    "one_less_square": _template("(1 - {0}) * (1 + {0})"),
    "over_one_more_square": _template("{0} / (1 + {1} * {1})"),
    "over_square_of_cosh": _template("{0} / np.cosh({1}) / np.cosh({1})"),
    "gaussian": _template("np.exp(-{0} * {0})"),
    "logaddexp_share": _template("np.exp({0} - np.logaddexp({0}, {1}))"),
    "logaddexp2_share": _template("np.exp2({0} - np.logaddexp2({0}, {1}))"),
    "detached": _template("{0}"),
    "stop_gradient": _template("{0}"),
    "affine": _template("{0} @ {1} + {2}"),
    "slide": _template("np.correlate({0}, np.conj({1}), 'valid')"),
    "lstsq": _template("np.linalg.lstsq({0}, {1}, rcond={rcond})[0]"),
    "roots": _template("np.roots({0}).astype(np.result_type({0}, np.complex64))"),
    "nanmax": _called("np.fmax.reduce"),
    "nanmin": _called("np.fmin.reduce"),
    "largest": _template(
        "np.arange({0}.shape[-2])[:, None] == np.argmax(np.abs({0}) + 2 * (np.imag({0}) == 0), -2, keepdims=True)"
    ),
    "counts": _template("np.sum(~np.isnan({0}), -1)"),
    "before": _template("np.floor({0}).astype(np.intp)"),
    "used": _template("np.any({0} != 0, axis=-2, keepdims=True)"),
    "is_above": _template("np.imag({0}) > 0"),
    "exceeds": _template("np.maximum({0}, {1}) > {2}"),
    "cond": _template("np.linalg.slogdet({0})[0] == 0"),
    "opposite_sign": _template("np.where({0} > 0, -1.0, 1.0).astype({0}.dtype)"),
    "past_the_ends": _past_the_ends,
    "number_where": _template("np.sum(np.broadcast_to({0}, {shape}), axis={axis}, keepdims={keepdims})"),
    "sigmoid": _sigmoid,
    "erf": _special("erf"),
    "special.polygamma": _special("polygamma"),
    "special.lambertw": _special("lambertw"),
    "special.digamma_difference": _digamma_difference,
    "normal_cdf": _normal_cdf,
    "normal_density": _normal_density,
    "gelu": _gelu,
    "gelu_slope": _gelu_slope,
    "bessel": lambda call: f"{call.module('scipy.special')}.iv({call.parameters['order']}, {call.operands[0]})",
    "sinc": _sinc,
    "subgradient": _helped("outside"),
    "direction": _helped("direction"),
    "inverse": _helped("inverse_direction"),
    "roll": _roll,
    "pad_zeros": _pad_zeros,
    "einsum": _einsum,
    "getitem": _read,
    "gather": _read,
    "place": _placed,
    "scatter": _placed,
    "assemble": _assembled,
    "set": _set,
    "lasting": _lasting,
    "concatenate": _concatenate,
    "norm": _norm,
    "power_norm": _power_norm,
    "astype": _astype,
    "conv_bias": _bias("conv"),
    "residual of max_pool": _helped("max_pool_winners"),
    "batch_norm": _helped("batch_norm", 0, 1, 2),
    "batch_norm_pullback": lambda call: (
        f"{call.helper('batch_norm_pullback')}({', '.join(call.operands[i] for i in (0, 1, 5, 7, 8, 9, 10))})"
    ),
    "layer_norm": _helped("layer_norm", 0, 1, 2),
    "layer_norm_pullback": lambda call: (
        f"{call.helper('layer_norm_pullback')}({', '.join(call.operands[i] for i in (0, 1, 5, 6, 7))})"
    ),
    "attention_pullback": _helped("attention_pullback"),
    "cholesky_pullback": _helped("cholesky_pullback"),
}
