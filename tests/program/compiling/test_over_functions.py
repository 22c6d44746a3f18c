"""Every function and every derivative, compiled: over NumPy's functions, the registry and random programs."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tests.fuzz.programs import programs
from tests.numpy import subjects_arrangement, subjects_elementwise, subjects_formulas, subjects_reductions  # noqa: F401
from tests.numpy.subjects import SUBJECTS, Subject, named
from tests.program.comparing import BACKENDS, assert_compiles, assert_same, compiled_quietly, derivatives, varied
from tests.samples import SAMPLES, Sample
from tests.transforms.programs import program_of

Array = Any
FACTORS = (1.0, 1 + 2**-7, 1 - 2**-7)
EAGER = {"delete"}  # its places tell the shape of what it gives
SCALARS = {"i0", "piecewise"}  # of an array of shape () they give an array on no tape, and a scalar on a tape


@pytest.mark.parametrize("subject", named(SUBJECTS))
@settings(max_examples=2)
@given(data=st.data())
def test_functions_of_numpy_compile(subject: Subject, data: st.DataObject) -> None:
    arrays = tuple(np.asarray(x) for x in data.draw(subject.arrays))
    calls = [varied(arrays, factor) for factor in FACTORS]

    def f(*xs: Array) -> Array:
        return subject.call(tnp, *xs)

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'where' used without 'out'")
        made, results = compiled_quietly(f, *calls)
        for call, result in zip(calls, results, strict=True):
            assert_same(result, f(*call), 2**4, subject.name not in SCALARS)
    assert bool(made.programs) or subject.name in EAGER


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", sorted(SAMPLES))
@settings(max_examples=1)
@given(data=st.data())
def test_derivatives_of_primitives_compile(name: str, backend: Any, data: st.DataObject) -> None:
    sample: Sample = data.draw(SAMPLES[name])
    calls = [varied([np.asarray(x) for x in sample.arrays], factor) for factor in FACTORS]
    assert_compiles(derivatives(sample.function), *calls, backend=backend, scale=2**8, floor=1.0)


TRANSFORMS = {
    "value": lambda f: f,
    "gradient": lambda f: tn.value_and_grad(lambda x: f(x).sum()),
    "hessian": lambda f: tn.hessian(lambda x: f(x).sum()),
    "jacobian": tn.jacobian,
    "jacobian forward": tn.jacfwd,
    "mapped gradient": lambda f: lambda x: tn.vmap(tn.grad(lambda x: f(x).sum()))(np.stack([x, 0.5 * x])),
    "checkpointed": lambda f: tn.grad(lambda x: tn.checkpoint(f)(x).sum()),
    "gradient of compiled": lambda f: tn.grad(lambda x: tn.compile(f)(x).sum()),
    "product": lambda f: lambda x: tn.hvp(lambda x: f(x).sum())(x, x),
    "tape": lambda f: lambda x: _by_tape(f, x),
}


def _by_tape(f: Any, x: Array) -> Any:
    with tn.GradientTape() as tape:
        watched = tape.watch(x)
        y = f(watched).sum()
        gradient = tape.gradient(y, watched)
    return y, tape.gradient(gradient.sum(), watched, unconnected="zero")


@pytest.mark.parametrize("transform", sorted(TRANSFORMS))
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_transforms_of_random_programs_compile(transform: str, seed: int) -> None:
    program, x = program_of(seed)
    f = TRANSFORMS[transform](lambda x: program.run(tnp, x))
    assert_compiles(f, *[(x * factor,) for factor in FACTORS], scale=2**10)


@settings(max_examples=30)
@given(program=programs(False))
def test_random_calls_compile(program: Any) -> None:
    def f(*xs: Array) -> Array:
        return program.run(tnp, xs)

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of empty arrays and infinities, as from NumPy itself
        try:
            expected = f(*program.varied)
        except Exception:  # what eager code refuses is for the tests of eager code
            return
        _, results = compiled_quietly(f, *[program.varied] * 3)
    for result in results:
        assert_same(result, expected, 2**6)
