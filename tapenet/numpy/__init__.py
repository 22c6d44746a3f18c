"""NumPy's namespace on Tensors and arrays alike.

    import tapenet.numpy as tnp

On plain arrays a function is NumPy's own and gives what NumPy gives; on a Tensor it is recorded. What has no
derivative (comparisons, argmax, shapes) gives plain arrays; what writes into an array is refused, with the line to
write instead. Every other name of NumPy's (constants, dtypes, settings, files: the table in `reexports.py`) is NumPy's.
`docs/guides/coverage.md` says which is which.
"""

from types import ModuleType as _ModuleType
from typing import Any as _Any

import numpy as _np

from tapenet.core.provided import provided as _provided
from tapenet.numpy import fft as fft, linalg as linalg, reexports as _reexports
from tapenet.numpy.array_api import finfo as finfo, namespace_info as _namespace_info
from tapenet.numpy.documentation import publish as _publish
from tapenet.ops.arrays.creation import (
    array as array,
    asanyarray as asanyarray,
    asarray as asarray,
    asarray_chkfinite as asarray_chkfinite,
    ascontiguousarray as ascontiguousarray,
    asfortranarray as asfortranarray,
    copy as copy,
    full as full,
    full_like as full_like,
)
from tapenet.ops.arrays.functional import (
    apply_along_axis as apply_along_axis,
    apply_over_axes as apply_over_axes,
)
from tapenet.ops.arrays.indexing import (
    take as take,
    take_along_axis as take_along_axis,
)
from tapenet.ops.arrays.joining import (
    append as append,
    atleast_1d as atleast_1d,
    atleast_2d as atleast_2d,
    atleast_3d as atleast_3d,
    block as block,
    c_ as c_,
    column_stack as column_stack,
    delete as delete,
    dsplit as dsplit,
    dstack as dstack,
    hsplit as hsplit,
    insert as insert,
    meshgrid as meshgrid,
    r_ as r_,
    resize as resize,
    trim_zeros as trim_zeros,
    unstack as unstack,
    vsplit as vsplit,
)
from tapenet.ops.arrays.ranges import (
    arange as arange,
    geomspace as geomspace,
    kaiser as kaiser,
    linspace as linspace,
    logspace as logspace,
)
from tapenet.ops.arrays.refusals import (
    asmatrix as asmatrix,
    bmat as bmat,
    copyto as copyto,
    fill_diagonal as fill_diagonal,
    place as place,
    put as put,
    put_along_axis as put_along_axis,
    putmask as putmask,
    require as require,
    save as save,
    savetxt as savetxt,
    savez as savez,
    savez_compressed as savez_compressed,
)
from tapenet.ops.arrays.searching import (
    all as all,
    allclose as allclose,
    any as any,
    argmax as argmax,
    argmin as argmin,
    argpartition as argpartition,
    argwhere as argwhere,
    array_equal as array_equal,
    array_equiv as array_equiv,
    count_nonzero as count_nonzero,
    digitize as digitize,
    flatnonzero as flatnonzero,
    histogram as histogram,
    histogram2d as histogram2d,
    histogram_bin_edges as histogram_bin_edges,
    histogramdd as histogramdd,
    isin as isin,
    lexsort as lexsort,
    nanargmax as nanargmax,
    nanargmin as nanargmin,
    nonzero as nonzero,
    searchsorted as searchsorted,
)
from tapenet.ops.arrays.selection import (
    choose as choose,
    compress as compress,
    extract as extract,
    piecewise as piecewise,
    select as select,
)
from tapenet.ops.arrays.shaping import (
    array_split as array_split,
    broadcast_arrays as broadcast_arrays,
    broadcast_to as broadcast_to,
    concat as concat,
    concatenate as concatenate,
    expand_dims as expand_dims,
    flip as flip,
    fliplr as fliplr,
    flipud as flipud,
    hstack as hstack,
    matrix_transpose as matrix_transpose,
    moveaxis as moveaxis,
    permute_dims as permute_dims,
    ravel as ravel,
    repeat as repeat,
    reshape as reshape,
    roll as roll,
    rollaxis as rollaxis,
    rot90 as rot90,
    row_stack as row_stack,
    split as split,
    squeeze as squeeze,
    stack as stack,
    swapaxes as swapaxes,
    tile as tile,
    transpose as transpose,
    vstack as vstack,
)
from tapenet.ops.arrays.structure import (
    array2string as array2string,
    array_repr as array_repr,
    array_str as array_str,
    can_cast as can_cast,
    common_type as common_type,
    diag_indices_from as diag_indices_from,
    einsum_path as einsum_path,
    empty_like as empty_like,
    format_float_positional as format_float_positional,
    format_float_scientific as format_float_scientific,
    iscomplexobj as iscomplexobj,
    isfortran as isfortran,
    isrealobj as isrealobj,
    ix_ as ix_,
    may_share_memory as may_share_memory,
    min_scalar_type as min_scalar_type,
    ndim as ndim,
    ones_like as ones_like,
    packbits as packbits,
    ravel_multi_index as ravel_multi_index,
    result_type as result_type,
    shape as shape,
    shares_memory as shares_memory,
    size as size,
    tril_indices_from as tril_indices_from,
    triu_indices_from as triu_indices_from,
    unpackbits as unpackbits,
    unravel_index as unravel_index,
    zeros_like as zeros_like,
)
from tapenet.ops.elementwise.arithmetic import (
    add as add,
    cbrt as cbrt,
    clip as clip,
    divide as divide,
    divmod as divmod,
    floor_divide as floor_divide,
    fmax as fmax,
    fmin as fmin,
    fmod as fmod,
    maximum as maximum,
    minimum as minimum,
    mod as mod,
    multiply as multiply,
    negative as negative,
    positive as positive,
    reciprocal as reciprocal,
    remainder as remainder,
    sqrt as sqrt,
    square as square,
    subtract as subtract,
    true_divide as true_divide,
    where as where,
)
from tapenet.ops.elementwise.casting import (
    astype as astype,
)
from tapenet.ops.elementwise.comparison import (
    bitwise_and as bitwise_and,
    bitwise_count as bitwise_count,
    bitwise_invert as bitwise_invert,
    bitwise_left_shift as bitwise_left_shift,
    bitwise_not as bitwise_not,
    bitwise_or as bitwise_or,
    bitwise_right_shift as bitwise_right_shift,
    bitwise_xor as bitwise_xor,
    equal as equal,
    gcd as gcd,
    greater as greater,
    greater_equal as greater_equal,
    invert as invert,
    isclose as isclose,
    iscomplex as iscomplex,
    isfinite as isfinite,
    isinf as isinf,
    isnan as isnan,
    isneginf as isneginf,
    isposinf as isposinf,
    isreal as isreal,
    lcm as lcm,
    left_shift as left_shift,
    less as less,
    less_equal as less_equal,
    logical_and as logical_and,
    logical_not as logical_not,
    logical_or as logical_or,
    logical_xor as logical_xor,
    not_equal as not_equal,
    right_shift as right_shift,
    signbit as signbit,
)
from tapenet.ops.elementwise.complex import (
    abs as abs,
    absolute as absolute,
    angle as angle,
    conj as conj,
    conjugate as conjugate,
    fabs as fabs,
    imag as imag,
    real as real,
    real_if_close as real_if_close,
    sign as sign,
)
from tapenet.ops.elementwise.exponential import (
    exp as exp,
    exp2 as exp2,
    expm1 as expm1,
    float_power as float_power,
    log as log,
    log1p as log1p,
    log2 as log2,
    log10 as log10,
    logaddexp as logaddexp,
    logaddexp2 as logaddexp2,
    pow as pow,
    power as power,
)
from tapenet.ops.elementwise.floating import (
    copysign as copysign,
    frexp as frexp,
    ldexp as ldexp,
    modf as modf,
    nan_to_num as nan_to_num,
    nextafter as nextafter,
    spacing as spacing,
)
from tapenet.ops.elementwise.rounding import (
    around as around,
    ceil as ceil,
    fix as fix,
    floor as floor,
    heaviside as heaviside,
    rint as rint,
    round as round,
    trunc as trunc,
)
from tapenet.ops.elementwise.trigonometric import (
    acos as acos,
    acosh as acosh,
    arccos as arccos,
    arccosh as arccosh,
    arcsin as arcsin,
    arcsinh as arcsinh,
    arctan as arctan,
    arctan2 as arctan2,
    arctanh as arctanh,
    asin as asin,
    asinh as asinh,
    atan as atan,
    atan2 as atan2,
    atanh as atanh,
    cos as cos,
    cosh as cosh,
    deg2rad as deg2rad,
    degrees as degrees,
    hypot as hypot,
    rad2deg as rad2deg,
    radians as radians,
    sin as sin,
    sinc as sinc,
    sinh as sinh,
    tan as tan,
    tanh as tanh,
)
from tapenet.ops.linalg.covariance import corrcoef as corrcoef, cov as cov
from tapenet.ops.linalg.diagonals import (
    diag as diag,
    diagflat as diagflat,
    tril as tril,
    triu as triu,
)
from tapenet.ops.linalg.products import (
    diagonal as diagonal,
    dot as dot,
    einsum as einsum,
    inner as inner,
    matmul as matmul,
    outer as outer,
    tensordot as tensordot,
    trace as trace,
    vdot as vdot,
)
from tapenet.ops.linalg.vectors import (
    cross as cross,
    kron as kron,
    matvec as matvec,
    vecdot as vecdot,
    vecmat as vecmat,
)
from tapenet.ops.reductions.cumulative import (
    cumprod as cumprod,
    cumsum as cumsum,
    cumulative_prod as cumulative_prod,
    cumulative_sum as cumulative_sum,
)
from tapenet.ops.reductions.nan_functions import (
    nancumprod as nancumprod,
    nancumsum as nancumsum,
    nanmax as nanmax,
    nanmean as nanmean,
    nanmin as nanmin,
    nanprod as nanprod,
    nanstd as nanstd,
    nansum as nansum,
    nanvar as nanvar,
)
from tapenet.ops.reductions.order_statistics import (
    median as median,
    nanmedian as nanmedian,
    nanpercentile as nanpercentile,
    nanquantile as nanquantile,
    percentile as percentile,
    quantile as quantile,
)
from tapenet.ops.reductions.reduction import (
    amax as amax,
    amin as amin,
    max as max,
    mean as mean,
    min as min,
    prod as prod,
    ptp as ptp,
    std as std,
    sum as sum,
    var as var,
)
from tapenet.ops.reductions.sorting import (
    argsort as argsort,
    intersect1d as intersect1d,
    partition as partition,
    setdiff1d as setdiff1d,
    setxor1d as setxor1d,
    sort as sort,
    sort_complex as sort_complex,
    union1d as union1d,
    unique as unique,
    unique_all as unique_all,
    unique_counts as unique_counts,
    unique_inverse as unique_inverse,
    unique_values as unique_values,
)
from tapenet.ops.reductions.statistics import (
    average as average,
    bincount as bincount,
)
from tapenet.ops.signal.calculus import (
    convolve as convolve,
    correlate as correlate,
    diff as diff,
    ediff1d as ediff1d,
    gradient as gradient,
    interp as interp,
    trapezoid as trapezoid,
    unwrap as unwrap,
)
from tapenet.ops.signal.padding import (
    pad as pad,
)
from tapenet.ops.signal.polynomials import (
    poly as poly,
    polyadd as polyadd,
    polyder as polyder,
    polydiv as polydiv,
    polyfit as polyfit,
    polyint as polyint,
    polymul as polymul,
    polysub as polysub,
    polyval as polyval,
    roots as roots,
    vander as vander,
)
from tapenet.ops.special.functions import (
    i0 as i0,
)

__array_namespace_info__ = _namespace_info
__array_api_version__ = "2024.12"

_publish(__name__, globals(), _np)
_publish(linalg.__name__, vars(linalg), _np.linalg)
_publish(fft.__name__, vars(fft), _np.fft)


def __getattr__(name: str) -> _Any:
    if name in _reexports.GROUP_OF:
        return getattr(_np, name)
    if name == "special":  # array API mode: SciPy looks for functions of scipy.special in the namespace of its operands
        return _provided.scipy().special
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# NumPy's modules are reached by name, and not imported by `import *`.
__all__ = sorted(
    {name for name, value in globals().items() if name[0] != "_" and not isinstance(value, _ModuleType)}
    | {"fft", "linalg"}
    | (_reexports.GROUP_OF.keys() - set(_reexports.GROUPS["modules"].split()))
)


def __dir__() -> list[str]:
    return sorted({*__all__, *_reexports.GROUP_OF})
