"""Variances, standard deviations and norms as sums of squares: NumPy's values, in passes that write nothing."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.program.backends.llvm import fusing
from tapenet.program.fusion.moments import MOMENTS, with_sums_of_squares
from tapenet.program.fusion.reducing import Reduced, with_reductions
from tapenet.program.passes import optimized
from tests.program.comparing import assert_compiles
from tests.program.passes.test_passes import recorded

pytest.importorskip("llvmlite")

Array = Any
RNG = np.random.default_rng(0)
FUNCTIONS: dict[str, Callable[..., Any]] = {"var": tnp.var, "std": tnp.std, "norm": tnp.linalg.norm, "prod": tnp.prod}


def program_of(f: Any, *args: Array) -> Any:
    return with_sums_of_squares(optimized(recorded(f, *args)[0]))


@given(data=st.data())
def test_moments_along_axes_and_their_gradients(data: st.DataObject) -> None:
    char, name = data.draw(st.sampled_from("fd")), data.draw(st.sampled_from(sorted(FUNCTIONS)))
    shape = data.draw(st.sampled_from([(4096,), (5001,), (70, 101), (64, 64), (4, 33, 40), (130, 32), (2, 3)]))
    axes: list[Any] = [None, -1, 0, tuple(range(len(shape)))]
    axes += [tuple(range(1, len(shape)))] * (len(shape) == 3)
    keywords = {"axis": data.draw(st.sampled_from(axes[: 3 if name == "norm" else None]))}
    keywords["keepdims"] = data.draw(st.booleans())
    if name in ("var", "std"):
        keywords["ddof"] = data.draw(st.sampled_from([0, 1, 0.5]))
    # Products stay near 1.
    x = (1 + RNG.normal(size=shape) / 256 if name == "prod" else RNG.normal(size=shape)).astype(char)

    def f(x: Array) -> Any:
        return FUNCTIONS[name](x * x * x, **keywords)

    scale = {"prod": 512, "norm": 16}.get(name, 64)
    assert_compiles(f, (x,), (x[::-1],), backend="llvm", scale=scale)
    if name != "prod":
        assert_compiles(tn.grad(lambda x: tnp.sum(f(x) * 2)), (x,), (-x,), backend="llvm", scale=64, floor=1.0)


@pytest.mark.parametrize("name", sorted(MOMENTS))
def test_a_moment_closes_a_region(name: str) -> None:
    program = program_of(lambda x: FUNCTIONS[name](x, axis=1), RNG.normal(size=(70, 80)))
    steps = with_reductions(fusing.steps_of(program), program, lambda reduced: True)
    *_, reduced = (step for step in steps if isinstance(step, Reduced))
    assert not reduced.region.outputs
    assert [x.instruction.name for x in reduced.reductions] == ["sum"]


def test_a_gradient_shares_the_mean() -> None:
    program = program_of(tn.value_and_grad(lambda x: tnp.var(tnp.exp(x))), RNG.normal(size=(70, 80)))
    assert [x.name for x in program.instructions].count("mean") == 1
    assert "conjugate" not in [x.name for x in program.instructions]  # of real numbers


def test_small_and_degenerate_moments_are_numpys() -> None:
    small, wide = RNG.normal(size=(20, 20)), RNG.normal(size=(1, 5000))
    cases: list[tuple[Any, Array]] = [
        (lambda x: tnp.var(x, axis=0), small),
        (lambda x: tnp.var(x, axis=0, ddof=1), wide),
        (lambda x: tnp.var(x, dtype=np.float32), RNG.normal(size=5000)),
        (lambda x: tnp.std(x + 1j), RNG.normal(size=5000)),
    ]
    for f, x in cases:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of no degrees of freedom
            assert {x.name for x in program_of(f, x).instructions} & MOMENTS
    made = tn.compile(lambda x: tnp.var(x, axis=0, ddof=1), backend="llvm")
    with np.errstate(invalid="ignore"), pytest.warns(RuntimeWarning, match="Degrees of freedom"):
        assert np.isnan(made(wide)).all()


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
@pytest.mark.parametrize("spoiled", [np.nan, np.inf, -np.inf])
def test_nan_and_infinities_are_numpys(name: str, spoiled: float) -> None:
    x = 1 + RNG.normal(size=(67, 70)) / 256
    x[30, 68] = spoiled

    def f(x: Array) -> Any:
        return FUNCTIONS[name](x * 2 - 1, axis=1), FUNCTIONS[name](x * 2 - 1)

    with np.errstate(invalid="ignore"):  # NumPy's infinity less itself
        assert_compiles(f, (x,), (x,), backend="llvm", scale=512)
