"""NumPy's namespace on Tensors and arrays alike.

    import tapenet.numpy as tnp

On plain arrays a function is NumPy's own and gives what NumPy gives; on a Tensor it is recorded. What has no
derivative (comparisons, argmax, shapes) gives plain arrays; what writes into an array is refused, with the line to
write instead. Every other name of NumPy's (constants, dtypes, settings, files: the table in `reexports.py`) is NumPy's.
`docs/guides/coverage.md` says which is which.

A function is imported, and its docstring composed, when it is first used: most programs use few of them.
"""

import sys as _sys
from importlib import import_module as _import_module
from types import ModuleType as _ModuleType
from typing import Any as _Any

import numpy as _np

from tapenet.core.provided import provided as _provided
from tapenet.numpy import reexports as _reexports
from tapenet.numpy.documentation import publish as _publish

__array_api_version__ = "2024.12"

_PUBLIC = {  # the modules of tapenet with those of their names that are public here
    "numpy.array_api": "finfo",
    "ops.arrays.creation": """
        array asanyarray asarray asarray_chkfinite ascontiguousarray asfortranarray copy full full_like
        """,
    "ops.arrays.functional": "apply_along_axis apply_over_axes",
    "ops.arrays.indexing": "take take_along_axis",
    "ops.arrays.joining": """
        append atleast_1d atleast_2d atleast_3d block c_ column_stack delete dsplit dstack hsplit insert meshgrid r_
        resize trim_zeros unstack vsplit
        """,
    "ops.arrays.ranges": "arange geomspace kaiser linspace logspace",
    "ops.arrays.refusals": """
        asmatrix bmat copyto fill_diagonal place put put_along_axis putmask require save savetxt savez savez_compressed
        """,
    "ops.arrays.searching": """
        all allclose any argmax argmin argpartition argwhere array_equal array_equiv count_nonzero digitize flatnonzero
        histogram histogram2d histogram_bin_edges histogramdd isin lexsort nanargmax nanargmin nonzero searchsorted
        """,
    "ops.arrays.selection": "choose compress extract piecewise select",
    "ops.arrays.shaping": """
        array_split broadcast_arrays broadcast_to concat concatenate expand_dims flip fliplr flipud hstack
        matrix_transpose moveaxis permute_dims ravel repeat reshape roll rollaxis rot90 row_stack split squeeze stack
        swapaxes tile transpose vstack
        """,
    "ops.arrays.structure": """
        array2string array_repr array_str can_cast common_type diag_indices_from einsum_path empty_like
        format_float_positional format_float_scientific iscomplexobj isfortran isrealobj ix_ may_share_memory
        min_scalar_type ndim ones_like packbits ravel_multi_index result_type shape shares_memory size tril_indices_from
        triu_indices_from unpackbits unravel_index zeros_like
        """,
    "ops.elementwise.arithmetic": """
        add cbrt clip divide divmod floor_divide fmax fmin fmod maximum minimum mod multiply negative positive
        reciprocal remainder sqrt square subtract true_divide where
        """,
    "ops.elementwise.casting": "astype",
    "ops.elementwise.comparison": """
        bitwise_and bitwise_count bitwise_invert bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift
        bitwise_xor equal gcd greater greater_equal invert isclose iscomplex isfinite isinf isnan isneginf isposinf
        isreal lcm left_shift less less_equal logical_and logical_not logical_or logical_xor not_equal right_shift
        signbit
        """,
    "ops.elementwise.complex": "abs absolute angle conj conjugate fabs imag real real_if_close sign",
    "ops.elementwise.exponential": "exp exp2 expm1 float_power log log1p log2 log10 logaddexp logaddexp2 pow power",
    "ops.elementwise.floating": "copysign frexp ldexp modf nan_to_num nextafter spacing",
    "ops.elementwise.rounding": "around ceil fix floor heaviside rint round trunc",
    "ops.elementwise.trigonometric": """
        acos acosh arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin asinh atan atan2 atanh cos cosh deg2rad
        degrees hypot rad2deg radians sin sinc sinh tan tanh
        """,
    "ops.linalg.covariance": "corrcoef cov",
    "ops.linalg.diagonals": "diag diagflat tril triu",
    "ops.linalg.products": "diagonal dot einsum inner matmul outer tensordot trace vdot",
    "ops.linalg.vectors": "cross kron matvec vecdot vecmat",
    "ops.reductions.cumulative": "cumprod cumsum cumulative_prod cumulative_sum",
    "ops.reductions.nan_functions": "nancumprod nancumsum nanmax nanmean nanmin nanprod nanstd nansum nanvar",
    "ops.reductions.order_statistics": "median nanmedian nanpercentile nanquantile percentile quantile",
    "ops.reductions.reduction": "amax amin max mean min prod ptp std sum var",
    "ops.reductions.sorting": """
        argsort intersect1d partition setdiff1d setxor1d sort sort_complex union1d unique unique_all unique_counts
        unique_inverse unique_values
        """,
    "ops.reductions.statistics": "average bincount",
    "ops.signal.calculus": "convolve correlate diff ediff1d gradient interp trapezoid unwrap",
    "ops.signal.padding": "pad",
    "ops.signal.polynomials": "poly polyadd polyder polydiv polyfit polyint polymul polysub polyval roots vander",
    "ops.special.functions": "i0",
}
_MODULES = {name: f"tapenet.{module}" for module, names in _PUBLIC.items() for name in names.split()}
_NAMESPACES = ("fft", "linalg")

# NumPy's modules are reached by name, and not imported by `import *`.
__all__ = sorted({*_MODULES, *_NAMESPACES, *_reexports.GROUP_OF} - set(_reexports.GROUPS["modules"].split()))


def __getattr__(name: str) -> _Any:
    """Import a function, or a namespace, when it is first used; after that it is a global of this module."""
    if name in _MODULES:
        value = getattr(_import_module(_MODULES[name]), name)
        _publish(__name__, value, _np)
        globals()[name] = value
        return value
    if name in _NAMESPACES:
        return _import_module(f"tapenet.numpy.{name}")
    if name in _reexports.GROUP_OF:
        return getattr(_np, name)
    if name == "special":  # array API mode: SciPy looks for functions of scipy.special in the namespace of its operands
        return _provided.scipy().special
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_reexports.GROUP_OF})


def __array_namespace_info__() -> _Any:
    """Return what the namespace can do, in the terms of the Python array API standard."""
    return _import_module("tapenet.numpy.array_api").NamespaceInfo()


class _Namespace(_ModuleType):
    """The type of this module, which is shown where arrays of several namespaces are refused: there it says more."""

    def __repr__(self) -> str:
        asking = _sys._getframe(1)
        if asking.f_code.co_name == "array_namespace":
            _import_module("tapenet.numpy.in_scipy").refuse_beside_plain_arrays(asking)
        return super().__repr__()


_sys.modules[__name__].__class__ = _Namespace
