"""NumPy's namespace on Tensors and arrays alike.

    import tapenet.numpy as tnp

On plain arrays a function is NumPy's own and gives what NumPy gives; on a Tensor it is recorded. What has no
derivative (comparisons, argmax, shapes) gives plain arrays; what writes into an array is refused, with the line to
write instead. Every other name of NumPy's (constants, dtypes, settings, files: the table in `own.py`) is NumPy's.
`docs/coverage.md` says which is which.
"""

from typing import Any

import numpy as _np

from tapenet.numpy import fft as fft, linalg as linalg, own as _own
from tapenet.numpy.array_api import finfo as finfo, namespace_info as _namespace_info
from tapenet.ops.arithmetic import (
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
from tapenet.ops.calculus import (
    convolve as convolve,
    correlate as correlate,
    diff as diff,
    ediff1d as ediff1d,
    gradient as gradient,
    interp as interp,
    trapezoid as trapezoid,
    unwrap as unwrap,
)
from tapenet.ops.casting import (
    astype as astype,
)
from tapenet.ops.comparison import (
    all as all,
    allclose as allclose,
    any as any,
    argmax as argmax,
    argmin as argmin,
    argpartition as argpartition,
    argwhere as argwhere,
    array2string as array2string,
    array_equal as array_equal,
    array_equiv as array_equiv,
    array_repr as array_repr,
    array_str as array_str,
    bitwise_and as bitwise_and,
    bitwise_count as bitwise_count,
    bitwise_invert as bitwise_invert,
    bitwise_left_shift as bitwise_left_shift,
    bitwise_not as bitwise_not,
    bitwise_or as bitwise_or,
    bitwise_right_shift as bitwise_right_shift,
    bitwise_xor as bitwise_xor,
    can_cast as can_cast,
    common_type as common_type,
    count_nonzero as count_nonzero,
    diag_indices_from as diag_indices_from,
    digitize as digitize,
    einsum_path as einsum_path,
    empty_like as empty_like,
    equal as equal,
    flatnonzero as flatnonzero,
    format_float_positional as format_float_positional,
    format_float_scientific as format_float_scientific,
    gcd as gcd,
    greater as greater,
    greater_equal as greater_equal,
    histogram as histogram,
    histogram2d as histogram2d,
    histogram_bin_edges as histogram_bin_edges,
    histogramdd as histogramdd,
    invert as invert,
    isclose as isclose,
    iscomplex as iscomplex,
    iscomplexobj as iscomplexobj,
    isfinite as isfinite,
    isfortran as isfortran,
    isin as isin,
    isinf as isinf,
    isnan as isnan,
    isneginf as isneginf,
    isposinf as isposinf,
    isreal as isreal,
    isrealobj as isrealobj,
    ix_ as ix_,
    lcm as lcm,
    left_shift as left_shift,
    less as less,
    less_equal as less_equal,
    lexsort as lexsort,
    logical_and as logical_and,
    logical_not as logical_not,
    logical_or as logical_or,
    logical_xor as logical_xor,
    may_share_memory as may_share_memory,
    min_scalar_type as min_scalar_type,
    nanargmax as nanargmax,
    nanargmin as nanargmin,
    ndim as ndim,
    nonzero as nonzero,
    not_equal as not_equal,
    ones_like as ones_like,
    packbits as packbits,
    ravel_multi_index as ravel_multi_index,
    result_type as result_type,
    right_shift as right_shift,
    searchsorted as searchsorted,
    shape as shape,
    shares_memory as shares_memory,
    signbit as signbit,
    size as size,
    tril_indices_from as tril_indices_from,
    triu_indices_from as triu_indices_from,
    unpackbits as unpackbits,
    unravel_index as unravel_index,
    zeros_like as zeros_like,
)
from tapenet.ops.complex import (
    abs as abs,
    absolute as absolute,
    angle as angle,
    conj as conj,
    conjugate as conjugate,
    fabs as fabs,
    imag as imag,
    real as real,
    real_if_close as real_if_close,
)
from tapenet.ops.creation import (
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
from tapenet.ops.cumulative import (
    cumprod as cumprod,
    cumsum as cumsum,
    cumulative_prod as cumulative_prod,
    cumulative_sum as cumulative_sum,
)
from tapenet.ops.diagonals import (
    diag as diag,
    diagflat as diagflat,
    tril as tril,
    triu as triu,
)
from tapenet.ops.exponential import (
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
from tapenet.ops.floating import (
    copysign as copysign,
    frexp as frexp,
    ldexp as ldexp,
    modf as modf,
    nan_to_num as nan_to_num,
    nextafter as nextafter,
    spacing as spacing,
)
from tapenet.ops.functional import (
    apply_along_axis as apply_along_axis,
    apply_over_axes as apply_over_axes,
)
from tapenet.ops.indexing import (
    take as take,
    take_along_axis as take_along_axis,
)
from tapenet.ops.joining import (
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
from tapenet.ops.nan_functions import (
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
from tapenet.ops.order_statistics import (
    median as median,
    nanmedian as nanmedian,
    nanpercentile as nanpercentile,
    nanquantile as nanquantile,
    percentile as percentile,
    quantile as quantile,
)
from tapenet.ops.padding import (
    pad as pad,
)
from tapenet.ops.polynomials import (
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
from tapenet.ops.products import (
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
from tapenet.ops.ranges import (
    arange as arange,
    geomspace as geomspace,
    kaiser as kaiser,
    linspace as linspace,
    logspace as logspace,
)
from tapenet.ops.reduction import (
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
from tapenet.ops.refusals import (
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
from tapenet.ops.rounding import (
    around as around,
    ceil as ceil,
    fix as fix,
    floor as floor,
    heaviside as heaviside,
    rint as rint,
    round as round,
    sign as sign,
    trunc as trunc,
)
from tapenet.ops.selection import (
    choose as choose,
    compress as compress,
    extract as extract,
    piecewise as piecewise,
    select as select,
)
from tapenet.ops.shaping import (
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
from tapenet.ops.sorting import (
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
from tapenet.ops.special import (
    i0 as i0,
)
from tapenet.ops.statistics import (
    average as average,
    bincount as bincount,
    corrcoef as corrcoef,
    cov as cov,
)
from tapenet.ops.trigonometric import (
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
from tapenet.ops.vectors import (
    cross as cross,
    kron as kron,
    matvec as matvec,
    vecdot as vecdot,
    vecmat as vecmat,
)

__array_namespace_info__ = _namespace_info


def __getattr__(name: str) -> Any:
    if name in _own.GROUP_OF:
        return getattr(_np, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({name for name in globals() if not name.startswith("_")} | _own.GROUP_OF.keys())
