"""Direct convolution equals the other ways, exactly on integers, with the same bits for any number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
from tapenet.kernels import direct
from tapenet.kernels.convolution import convolve, convolve_input, convolve_kernel

pytest.importorskip("llvmlite")
machine_code = pytest.importorskip("tapenet.kernels.machine_code")

Array = Any

pytestmark = [
    pytest.mark.skipif(not machine_code.processor().vector_size, reason="a processor without vectors"),
    pytest.mark.usefixtures("llvm_backend"),
]


def all_three(x: Array, kernel: Array, t: Array, geometry: dict[str, Any]) -> list[Array]:
    return [
        convolve(x, kernel, **geometry),
        convolve_input(t, kernel, input_size=x.shape[1:3], **geometry),
        convolve_kernel(x, t, kernel_size=kernel.shape[:2], **geometry),
    ]


def operands(draw: st.DrawFn) -> tuple[Array, Array, Array, dict[str, Any]]:
    """Arrays of small integers, of which sums are exact, and a geometry."""
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    groups = draw(st.sampled_from([1, 1, 2]))
    window = draw(st.sampled_from([(1, 2), (2, 1), (3, 3), (5, 5), (2, 4)]))
    stride, dilation = (draw(st.tuples(st.integers(1, 2), st.integers(1, 2))) for _ in range(2))
    padding = draw(st.sampled_from([((0, 0), (0, 0)), ((1, 2), (0, 3))]))
    channels = draw(st.sampled_from([1, 3, 8, 20] if groups == 1 else [8, 20]))
    features = draw(st.sampled_from([8, 16, 17, 33, 50, 100]))
    count = draw(st.sampled_from([1, 2, 7]))
    reach = [(w - 1) * d + 1 for w, d in zip(window, dilation, strict=True)]
    size = [draw(st.sampled_from([r, r + 1, r + 9])) for r in reach]
    outputs = [(n + sum(p) - r) // s + 1 for n, p, r, s in zip(size, padding, reach, stride, strict=True)]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shapes = (
        (count, *size, channels * groups),
        (*window, channels, features * groups),
        (count, *outputs, features * groups),
    )
    x, kernel, t = (rng.integers(-3, 4, shape).astype(dtype) for shape in shapes)
    return x, kernel, t, {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


@settings(max_examples=60, deadline=None)
@given(st.composite(operands)())
def test_it_is_exact_on_integers(case: Any) -> None:
    x, kernel, t, geometry = case
    assert direct.direct_for(kernel.shape, x.dtype, geometry["groups"]) is not None
    found = all_three(x, kernel, t, geometry)
    before = tn.use_backend("numpy")
    expected = all_three(x, kernel, t, geometry)
    tn.use_backend(before)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype
        assert ours.flags.c_contiguous


@pytest.mark.parametrize("padding", [((0, 0), (0, 0)), ((2, 2), (1, 2))])
def test_the_bits_are_the_same_for_any_number_of_threads(padding: Any) -> None:
    rng = np.random.default_rng(0)
    geometry = {"stride": (1, 1), "padding": padding, "dilation": (1, 1), "groups": 1}
    x, kernel = rng.random((16, 20, 20, 8), np.float32), rng.random((5, 5, 8, 64), np.float32)
    t = convolve(x, kernel, **geometry)
    before, found = tn.num_threads(), set()
    for count in (1, 2, 3, 5):
        tn.set_num_threads(count)
        found.add(b"".join(a.tobytes() for a in all_three(x, kernel, t, geometry)))
    tn.set_num_threads(before)
    assert len(found) == 1


def test_warnings_are_those_of_products() -> None:
    geometry = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
    x, kernel = np.full((2, 6, 6, 3), 3e38, np.float32), np.full((2, 2, 3, 8), 2, np.float32)
    with pytest.warns(RuntimeWarning, match="overflow"):
        convolve(x, kernel, **geometry)
    x[...] = np.inf
    np.testing.assert_array_equal(convolve(x, kernel, **geometry), np.inf)
    kernel[0] = -2
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
        convolve(x, kernel, **geometry)


def test_other_kernels_are_left_to_the_other_ways() -> None:
    single, double = np.dtype(np.float32), np.dtype(np.longdouble)
    assert direct.direct_for((1, 1, 8, 8), single, 1) is None
    assert direct.direct_for((3, 3, 8, 8), double, 1) is None
    assert direct.direct_for((3, 3, 1, 64), single, 64) is None
    assert direct.direct_for((9, 9, 512, 512), single, 1) is None
