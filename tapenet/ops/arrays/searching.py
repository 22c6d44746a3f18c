"""The places of elements, tests of whole arrays, and counts. They have no derivative, and give plain arrays."""

from __future__ import annotations

import numpy as np

from tapenet.core.batch_rules import along_axis, over_operand, refused
from tapenet.core.nondifferentiable import nondifferentiable, of_lists

# ---- tests of whole arrays ----

allclose = nondifferentiable(
    np.allclose,
    doc="""Tell whether |a - b| <= atol + rtol |b| everywhere.

    No derivative: the result is a plain truth.

    >>> tnp.allclose(np.array([1.0, 2.0]), np.array([1.0, 2.0 + 1e-12]))
    True
    """,
)
array_equal = nondifferentiable(
    np.array_equal,
    doc="""Tell whether two arrays have the same shape and equal elements.

    No derivative: the result is a plain truth.

    >>> tnp.array_equal(np.ones(2), np.ones(3))
    False
    """,
)
array_equiv = nondifferentiable(
    np.array_equiv,
    doc="""Tell whether two arrays broadcast against each other and have equal elements then.

    No derivative: the result is a plain truth.

    >>> tnp.array_equiv(np.ones((2, 3)), 1.0)
    True
    """,
)
all = nondifferentiable(
    np.all,
    batch=along_axis,
    doc="""Tell whether all elements are nonzero, along axes.

    No derivative: the result is plain truths.

    >>> tnp.all(np.array([[1.0, 0.0], [1.0, 1.0]]), axis=1)
    array([False,  True])
    """,
)
any = nondifferentiable(
    np.any,
    batch=along_axis,
    doc="""Tell whether some element is nonzero, along axes.

    No derivative: the result is plain truths.

    >>> tnp.any(np.array([[1.0, 0.0], [0.0, 0.0]]), axis=1)
    array([ True, False])
    """,
)

# ---- places ----

argmax = nondifferentiable(
    np.argmax,
    batch=along_axis,
    shape_depends_on="shapes",
    doc="""Find the place of the largest element, the first of equal ones.

    No derivative: the result is plain integers. `max` and `take_along_axis` give the element with its derivative.

    >>> int(tnp.argmax(np.array([1.0, 3.0, 2.0])))
    1
    """,
)
argmin = nondifferentiable(
    np.argmin,
    batch=along_axis,
    shape_depends_on="shapes",
    doc="""Find the place of the smallest element, the first of equal ones.

    No derivative: the result is plain integers. `min` and `take_along_axis` give the element with its derivative.

    >>> int(tnp.argmin(np.array([2.0, 1.0, 3.0])))
    1
    """,
)
argsort = nondifferentiable(np.argsort, batch=along_axis, shape_depends_on="shapes")
argpartition = nondifferentiable(
    np.argpartition,
    batch=along_axis,
    doc="""Find an order that partitions an array: place kth gets the element that sorting puts there.

    No derivative: the result is plain integers. `partition` gives the elements with their derivative.

    >>> int(tnp.argpartition(np.array([3.0, 1.0, 2.0]), 0)[0])
    1
    """,
)
argwhere = nondifferentiable(
    np.argwhere,
    batch=refused,
    doc="""Find the indices of nonzero elements, one row for each.

    No derivative: the result is plain integers. `vmap` refuses it, as the number of rows depends on values.

    >>> tnp.argwhere(np.array([0.0, 2.0]))
    array([[1]])
    """,
)
nonzero = nondifferentiable(
    np.nonzero,
    batch=refused,
    doc="""Find the indices of nonzero elements, one array for each axis.

    No derivative: the result is plain integers. `vmap` refuses it, as the lengths depend on values.

    >>> tnp.nonzero(np.array([0.0, 2.0]))
    (array([1]),)
    """,
)
flatnonzero = nondifferentiable(
    np.flatnonzero,
    batch=refused,
    doc="""Find the places of nonzero elements in the flat array.

    No derivative: the result is plain integers. `vmap` refuses it, as the length depends on values.

    >>> tnp.flatnonzero(np.array([[0.0, 2.0], [3.0, 0.0]]))
    array([1, 2])
    """,
)
count_nonzero = nondifferentiable(
    np.count_nonzero,
    batch=along_axis,
    doc="""Count nonzero elements, along axes.

    No derivative: the result is plain integers.

    >>> int(tnp.count_nonzero(np.array([0.0, 2.0, 3.0])))
    2
    """,
)
searchsorted = nondifferentiable(
    np.searchsorted,
    batch=over_operand(1),
    doc="""Find where each element of v belongs in the sorted vector a.

    No derivative: the result is plain integers.

    >>> tnp.searchsorted(np.array([1.0, 2.0]), np.array([0.5, 1.5]))
    array([0, 1])
    """,
)
digitize = nondifferentiable(
    np.digitize,
    batch=over_operand(0),
    doc="""Find the bin that each element belongs to, from the edges of the bins.

    No derivative: the result is plain integers.

    >>> tnp.digitize(np.array([0.5, 1.5]), [0.0, 1.0, 2.0])
    array([1, 2])
    """,
)
nanargmax = nondifferentiable(
    np.nanargmax,
    batch=along_axis,
    doc="""Find the place of the largest element that is not NaN.

    No derivative: the result is plain integers. `nanmax` and `take_along_axis` give the element with its derivative.

    >>> int(tnp.nanargmax(np.array([np.nan, 1.0, 3.0])))
    2
    """,
)
nanargmin = nondifferentiable(
    np.nanargmin,
    batch=along_axis,
    doc="""Find the place of the smallest element that is not NaN.

    No derivative: the result is plain integers. `nanmin` and `take_along_axis` give the element with its derivative.

    >>> int(tnp.nanargmin(np.array([np.nan, 1.0, 3.0])))
    1
    """,
)
lexsort = of_lists(
    np.lexsort,
    doc="""Find the order that sorts by several keys, the last one first.

    No derivative: the result is plain integers.

    >>> tnp.lexsort((np.array([2.0, 1.0]), np.array([0, 0])))
    array([1, 0])
    """,
)
isin = of_lists(
    np.isin,
    doc="""Tell which elements are among the test elements.

    No derivative: the result is a plain array of truths.

    >>> tnp.isin(np.array([1.0, 2.0]), [2.0, 3.0])
    array([False,  True])
    """,
)

# ---- counts ----

histogram_bin_edges = nondifferentiable(
    np.histogram_bin_edges,
    doc="""Compute the edges of the bins that `histogram` counts in.

    No derivative: the result is a plain array.

    >>> tnp.histogram_bin_edges(np.array([0.0, 1.0]), bins=2)
    array([0. , 0.5, 1. ])
    """,
)
histogram = of_lists(
    np.histogram,
    refuses="weights",
    doc="""Count the elements in each bin, or sum their weights; return the counts and the edges of the bins.

    No derivative: the results are plain arrays. Weights must not be a Tensor. Write
    tnp.bincount(tnp.digitize(x, edges), weights), which has a derivative by the weights.

    >>> tnp.histogram(np.array([0.0, 0.1, 1.0]), bins=2)[0]
    array([2, 1])
    """,
)
histogram2d = of_lists(
    np.histogram2d,
    refuses="weights",
    doc="""Count points of the plane in the bins of a grid; return the counts and the edges along both axes.

    No derivative: the results are plain arrays. Weights must not be a Tensor. Write tnp.bincount with the numbers of
    the bins, which has a derivative by the weights.

    >>> tnp.histogram2d(np.array([0.0, 1.0]), np.array([0.0, 1.0]), bins=2)[0]
    array([[1., 0.],
           [0., 1.]])
    """,
)
histogramdd = of_lists(
    np.histogramdd,
    refuses="weights",
    doc="""Count points in the bins of a grid of any dimension; return the counts and the edges along each axis.

    No derivative: the results are plain arrays. Weights must not be a Tensor. Write tnp.bincount with the numbers of
    the bins, which has a derivative by the weights.

    >>> tnp.histogramdd(np.array([[0.0], [1.0]]), bins=2)[0]
    array([1., 1.])
    """,
)
