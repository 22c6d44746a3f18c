"""Every pass, alone, over one table of programs and random ones: the same answers, and never more work."""

from __future__ import annotations

import copy
import functools
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.program.backends import numpy_code
from tapenet.program.compiling.costs import VIEWS, cost_of
from tapenet.program.evaluating import evaluator
from tapenet.program.fusion.closing import opened
from tapenet.program.fusion.moments import with_sums_of_squares
from tapenet.program.instructions import Program
from tapenet.program.passes import PASSES, optimized
from tapenet.program.passes.places import with_places
from tests.fuzz.programs import programs
from tests.program.comparing import assert_same
from tests.program.passes.test_passes import names, recorded
from tests.transforms.programs import program_of

Array = Any
Subject = tuple[Program, list[Any]]  # with its inputs
RNG = np.random.default_rng(0)


def normal(*shape: int) -> Array:
    return RNG.normal(size=shape)


# ---- the programs ----


def network() -> Subject:
    def loss(images: Array, kernel: Array, weights: Array, labels: Array) -> Array:
        h = tn.nn.max_pool(tn.nn.relu(tn.nn.conv(images, kernel)), 2)
        return tn.nn.cross_entropy(tnp.reshape(h, (len(h), -1)) @ weights, labels)

    args = normal(3, 6, 6, 1), normal(3, 3, 1, 2), normal(8, 4), RNG.integers(0, 4, 3)
    return recorded(tn.value_and_grad(loss, (1, 2)), *args)


def recurrence() -> Subject:
    def loss(w: Array, u: Array, b: Array, xs: Sequence[Array]) -> Array:
        h = xs[0] @ u
        for x in xs[1:]:
            h = tnp.tanh(h @ w + x @ u + b)
        return tnp.sum(h * h)

    weights = normal(5, 5) / 3, normal(3, 5) / 3, normal(5)
    return recorded(tn.grad(loss, (0, 1, 2)), *weights, [normal(4, 3) for _ in range(6)])


def field() -> Subject:
    def moved(u: Array, v: Array, i: Array, j: Array) -> Array:
        i, j = i % u.shape[0], j % u.shape[1]
        return tnp.sum((u[i, j] * 2 + v[i, j]) ** 2)

    args = normal(6, 7), normal(6, 7), RNG.integers(-9, 9, (8, 1)), RNG.integers(-9, 9, (1, 9))
    return recorded(tn.value_and_grad(moved, (0, 1)), *args)


def likelihood() -> Subject:
    def minus_log(x: Array, y: Array) -> Array:
        factor = tnp.linalg.cholesky(tnp.exp(-((x[:, None] - x) ** 2)) + np.eye(9))
        return tnp.sum(tnp.linalg.solve(factor, y) ** 2) + 2 * tnp.sum(tnp.log(tnp.linalg.diagonal(tnp.tril(factor))))

    return recorded(tn.value_and_grad(minus_log), normal(9), normal(9, 1))


def moments() -> Subject:
    def scaled(x: Array) -> Array:
        return tnp.sum((x - tnp.mean(x, 1, keepdims=True)) / tnp.std(x, axis=1, keepdims=True)) + tnp.var(x[:, :64])

    return recorded(tn.value_and_grad(scaled), normal(70, 80))


def layers() -> Subject:
    def model(x: Array, w: Array, b: Array) -> Array:
        return tnp.mean(tnp.tanh(tn.nn.dense(x, w, b)) ** 2)

    return recorded(tn.grad(model, (1, 2)), normal(64, 256) / 16, normal(256, 300), normal(300))


def noise() -> Subject:
    def noisy(x: Array, rng: np.random.Generator) -> Array:
        kept = tn.nn.dropout(x, 0.5, rng)
        return kept * x if tnp.sum(x) > 0 else kept + rng.normal(size=3).sum()

    return recorded(noisy, np.abs(normal(12)), np.random.default_rng(1))


def training() -> Subject:
    optimizer = tn.optim.adam(0.1)

    def step(params: Array, state: Any, x: Array) -> Any:
        gradient = tn.grad(lambda p: tnp.sum((x @ p) ** 2 * 1.0 + tnp.negative(-p[0])))(params)
        return optimizer.update(gradient, state, params)

    return recorded(step, np.ones(3), optimizer.init(np.ones(3)), normal(5, 3))


def loop() -> Subject:
    def total(w: Array, xs: Array) -> Array:
        carry, ys = tn.scan(lambda c, x: (tnp.tanh(c * w + x), c * c), np.zeros(2), xs)
        return tnp.sum(carry) + tnp.sum(ys)

    return recorded(tn.grad(total), np.full(2, 0.5), normal(7, 2))


def spectrum() -> Subject:
    return recorded(tn.grad(lambda x: tnp.sum(tnp.abs(tnp.fft.rfft(x * 1.0, axis=0)) ** 2)), normal(8, 5))


def masks() -> Subject:
    f = tn.value_and_grad(lambda x: tnp.sum(x[x > 0] ** 2) + tnp.sum(tnp.sort(x)[:3]) * len(x))
    return recorded(f, normal(20))


def constants() -> Subject:
    """A program of which all inputs but one are constants."""
    program, inputs = network()
    held = dict(zip(program.inputs[1:], inputs[1:], strict=True))
    changed = attrs.evolve(program, inputs=program.inputs[:1], constants={**program.constants, **held})
    return changed, inputs[:1]


def random(seed: int) -> Subject:
    program, x = program_of(seed)
    return recorded(tn.hessian(lambda x: program.run(tnp, x).sum()), x)


SUBJECTS: dict[str, Callable[[], Subject]] = {
    f.__name__: f
    for f in (
        network,
        recurrence,
        field,
        likelihood,
        moments,
        layers,
        noise,
        training,
        loop,
        spectrum,
        masks,
        constants,
    )
} | {f"random {seed}": functools.partial(random, seed) for seed in range(6)}


@functools.cache
def subject(name: str) -> Subject:
    """A program, recorded once, and its inputs."""
    return SUBJECTS[name]()


# ---- what is held ----


def answers(program: Program, inputs: Sequence[Any]) -> tuple[Any, ...]:
    """What a program gives; it draws from copies of generators."""
    with np.errstate(all="ignore"):
        return tuple(evaluator(program)([copy.deepcopy(x) if hasattr(x, "bit_generator") else x for x in inputs]))


def work(program: Program) -> int:
    """Operations on numbers; each index of an element that is read or added there is checked, scaled and added."""
    places = 0
    for x in program:
        if x.name in ("gather", "scatter", "assemble"):
            arrays = [program.spaces[n] for n in x.operands]
            shapes = [a.shape or () for a in arrays if a.dtype is not None and a.dtype.kind in "iu"]
            places += 3 * len(shapes) * math.prod(np.broadcast_shapes(*shapes))
    return cost_of(program, 0.0).flops + places


def calls(program: Program) -> int:
    """Operations that are calls of a function which computes."""
    return sum(name not in VIEWS and name != "part" for name in names(program))


def assert_well_formed(program: Program) -> None:
    """Each value is written once, before it is read, and something is known of it."""
    known = {*program.inputs, *program.constants}
    assert len(known) == len(program.inputs) + len(program.constants)
    for instruction in program:
        assert known.issuperset(instruction.reads)
        if instruction.out >= 0:
            assert instruction.out not in known
            known.add(instruction.out)
    assert known.issuperset(program.outputs)
    assert known <= program.spaces.keys()


def without_biases(program: Program) -> Program:
    return opened(program, lambda x: x.primitive is not None and x.primitive.is_elementwise)


EVERY = [*dict.fromkeys(PASSES), with_sums_of_squares, without_biases, optimized]
WRITES_FORMULAS = (with_places, with_sums_of_squares, without_biases, optimized)  # of several cheaper operations


def assert_pass(apply: Callable[[Program], Program], program: Program, inputs: Sequence[Any]) -> None:
    """A pass gives the same answers, takes no more work, and finds nothing left where it is applied again."""
    changed = apply(program)
    assert_well_formed(changed)
    assert_same(answers(changed, inputs), answers(program, inputs), scale=2**4, floor=1.0)
    assert work(changed) <= work(program)
    assert apply in WRITES_FORMULAS or calls(changed) <= calls(program)
    assert [x.name for x in changed if x.guard is not None] == [x.name for x in program if x.guard is not None]
    again = apply(changed)
    assert work(again) <= work(changed)


@pytest.mark.parametrize("apply", EVERY, ids=lambda apply: apply.__name__)
@pytest.mark.parametrize("name", sorted(SUBJECTS))
def test_a_pass_gives_the_same_answers_with_no_more_work(apply: Any, name: str) -> None:
    assert_pass(apply, *subject(name))


@pytest.mark.parametrize("name", sorted(SUBJECTS))
def test_the_back_end_gives_what_the_evaluator_gives(name: str) -> None:
    program, inputs = subject(name)
    expected = answers(program, inputs)
    for changed in (program, optimized(program)):
        given = [copy.deepcopy(x) if hasattr(x, "bit_generator") else x for x in inputs]
        assert_same(tuple(numpy_code.compiled(changed)(given)), expected, scale=2**4, floor=1.0)


@settings(max_examples=25)
@given(program=programs(False))
def test_passes_over_random_calls(program: Any) -> None:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of empty arrays and infinities, as from NumPy itself
        try:
            made, inputs = recorded(lambda *xs: program.run(tnp, xs), *program.varied)
        except Exception:  # what cannot be recorded is for the tests of recordings
            return
        for apply in EVERY:
            assert_pass(apply, made, inputs)


def test_each_pass_finds_something_in_the_table() -> None:
    found = set()
    for name in SUBJECTS:
        program, _ = subject(name)
        for apply in (*PASSES, with_sums_of_squares, without_biases):
            changed = apply(program)
            if names(changed) != names(program):
                found.add(apply)
            program = changed
    assert found == {*PASSES, with_sums_of_squares, without_biases}
