"""`checkpointed_loop`: the derivative of a loop of many steps, in memory that does not grow with their number.

The tape gets one operation. Its forward function does the steps one after the other, on plain arrays, and keeps a few
carries; its pullback goes through the steps backward and computes the other carries again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from tapenet.core.argument_checks import checked_count, checked_function, checked_number
from tapenet.core.leaf_checks import described, dtype_of, plain_leaf
from tapenet.core.primitive import Array, as_numpy_number
from tapenet.core.pytrees import (
    Tree,
    TreeSpec,
    is_node,
    leaf_paths,
    leaf_paths_with_static,
    tree_flatten,
    tree_flatten_with_none,
    tree_flatten_with_static,
    tree_unflatten,
)
from tapenet.core.tensor import Tensor, resolve, unwrap
from tapenet.errors import ArgumentError, ArgumentTypeError, MissingFileError, ReplayError
from tapenet.program.loops.checkpointing.carries import Generators, bytes_of_leaves, states_of
from tapenet.program.loops.checkpointing.leaves import Loop, Run
from tapenet.program.loops.checkpointing.operations import LOOP
from tapenet.program.loops.checkpointing.plans import Plan
from tapenet.program.loops.leaf_places import with_leaves
from tapenet.program.recording.copies import with_values
from tapenet.program.recording.environment import Environment, environment_of
from tapenet.views.sizes import readable

_NAME = "checkpointed_loop"
Step = Callable[[Any, Any], Any]


def checkpointed_loop(
    step: Step,
    carry: Tree,
    n_or_xs: Any,
    *,
    memory: float | None = None,
    slots: int | None = None,
    disk: str | os.PathLike[str] | tuple[str | os.PathLike[str], int] | None = None,
) -> Tree:
    """Carry a value through a long loop, whose derivative takes little memory: `carry = step(carry, i)` for i < n.

    A backward walk needs the carry before each step, from the last to the first. Some are kept, and the others computed
    again from those, in the order that takes the least number of steps for the number that is kept (Revolve): with s
    carries and at most C(s + r, r) steps, no step is computed again more than r times. A million steps with s = 180 are
    computed three times and recorded once. Each step is recorded alone, so that it may branch on values.

    Args:
        step: `(carry, i) -> carry` or `(carry, x) -> carry`, of pytrees; the carry that it returns has the structure,
            shapes and dtypes of the one that it is given. Gradients flow to Tensors that it takes from around it. It
            is called again: draws from generators in the carry or around it are the same each time.
        carry: a pytree of arrays, numbers and generators, which the first step is given.
        n_or_xs: the number of steps, and step gets i = 0, 1, ...; or a pytree of arrays of one length along axis 0,
            and it gets x; or, for a number that is not known before, a function of the carry, which says whether there
            is a next step; or an iterator of any values, which are all kept, for they are needed again.
        memory: bytes that the derivative may take beside arguments and results: for carries, and for the values and
            cotangents of one step. What operations use inside is not counted.
        slots: the number of carries that are kept in memory, the first among them. By default as few as lead to at
            most 3 computations again; 100 where the number of steps is not known.
        disk: a folder for further carries, or a pair of it and their number. By default as many as lead to at most 2
            computations again. The files are removed when they have been used, on errors, and at exit.

    Returns:
        The carry of the last step; the one that came for 0 steps.

    Raises:
        ArgumentError: a carry that changes its structure, shapes or dtypes; xs of different lengths; memory that does
            not hold one step; a generator that is replaced or spawns others.
        MissingPackageError: where there is a derivative, checkpoint-schedules is not installed.
        FileError: the folder does not hold the carries, or a file changed.
        ReplayError: in a backward walk, what step takes from around it is another value than it was.

    Derivative: that of the loop, in both modes and of any order. Under `vmap` the number of steps must be known.
    Source: Griewank and Walther, ACM TOMS 26 (2000); Stumm and Walther, SIAM J. Sci. Comput. 31 (2009); Wang, Moin and
    Iaccarino, SIAM J. Sci. Comput. 31 (2009).

    >>> decay = lambda rate: checkpointed_loop(lambda y, i: y - 0.001 * rate * y, 1.0, 1000, slots=10)
    >>> float(np.round(tn.grad(decay)(1.0), 6))
    -0.368063
    """
    checked_function(_NAME, "step", step)
    plan = _checked_plan(memory, slots, disk)
    start = _Carry.of(carry)
    _check_memory(plan, start.arrays)
    kind = _Steps.of(n_or_xs)
    if kind.count == 0:
        return start.filled(start.arrays)
    stepping, around = _Function.of(step, 0)
    going = None
    if kind.condition is not None:
        going, others = _Function.of(kind.condition, len(around))
        around += others
    operands = [*start.arrays, *kind.stacks, *around]
    loop = _loop_of(stepping, going, start.without_arrays(), kind.without_arrays(), plan)
    return start.filled(LOOP(*operands, loop=loop))


# ---- arguments ----


def _checked_plan(memory: Any, slots: Any, disk: Any) -> Plan:
    if memory is not None:
        memory = int(checked_number(_NAME, "memory", memory, "[1, inf)", "a number of bytes"))
    if slots is not None:
        slots = checked_count(_NAME, "slots", slots)
    if disk is None:
        return Plan(memory, slots)
    number = None
    if isinstance(disk, tuple) and len(disk) == 2:
        disk, number = disk[0], checked_count(_NAME, "disk[1]", disk[1])
    if not isinstance(disk, str | os.PathLike) or isinstance(os.fspath(disk), bytes):
        raise ArgumentTypeError(
            f"{_NAME}: disk must be a folder, or a pair (folder, number of carries); got {described(disk)}."
        )
    folder = Path(disk)
    if not folder.is_dir():
        raise MissingFileError(f"{_NAME}: disk must be a folder that exists; got {str(folder)!r}.")
    return Plan(memory, slots, folder, number)


def _check_memory(plan: Plan, leaves: Sequence[Array]) -> None:
    needed = bytes_of_leaves(leaves)
    if plan.memory is not None and plan.memory < needed:
        raise ArgumentError(
            f"{_NAME}: memory must hold one carry, {readable(needed)}, and one recorded step; got "
            f"{readable(plan.memory)}."
        )


@attrs.frozen(eq=False)
class _Carry:
    """The first carry.

    Attributes:
        spec: its structure.
        leaves: its leaves, generators among them.
        places: of the arrays among leaves.
        arrays: its arrays and numbers.
    """

    spec: TreeSpec
    leaves: list[Any]
    places: list[int]
    arrays: list[Array]

    @classmethod
    def of(cls, tree: Tree) -> _Carry:
        """Check a carry and take it apart."""
        leaves, spec = tree_flatten_with_static(tree)
        leaves = [
            x if _is_generator(x) else _as_operand(tree, i, x, leaf_paths_with_static) for i, x in enumerate(leaves)
        ]
        places = [i for i, x in enumerate(leaves) if not _is_generator(x)]
        return cls(spec, leaves, places, [leaves[i] for i in places])

    @property
    def generators(self) -> list[Any]:
        return [x for x in self.leaves if _is_generator(x)]

    def without_arrays(self) -> _Carry:
        """Return what is to be filled, which holds no Tensors."""
        leaves = [x if _is_generator(x) else None for x in self.leaves]
        return _Carry(self.spec, leaves, self.places, [])

    def filled(self, arrays: Sequence[Array]) -> Tree:
        """Return a carry with these arrays."""
        leaves = list(self.leaves)
        for i, x in zip(self.places, arrays, strict=True):
            leaves[i] = x
        return tree_unflatten(self.spec, leaves)

    def checked(self, answer: Tree, given: Sequence[Array]) -> list[Array]:
        """Return the arrays of the carry that a step returned, which must be like those that it was given."""
        leaves, spec = tree_flatten_with_static(answer)
        if spec != self.spec:
            raise ArgumentError(
                f"{_NAME}: step must return a carry of the structure that it is given, {self.spec}; got {spec}."
            )
        for i, x in enumerate(self.leaves):
            if _is_generator(x) and leaves[i] is not x:
                raise ArgumentError(
                    f"{_NAME}: step must return {self._path(answer, i)}, the generator that it is given; got "
                    f"{described(leaves[i])}. Draw from that one."
                )
        found = [_as_array(leaves[i]) for i in self.places]
        for i, new, old in zip(self.places, found, given, strict=True):
            if new.shape != old.shape or new.dtype != old.dtype:
                raise ArgumentError(
                    f"{_NAME}: step must return {self._path(answer, i)} with the shape and dtype that it is given, "
                    f"{old.shape} and {old.dtype}; got {described(leaves[i])}."
                )
        return found

    def _path(self, tree: Tree, i: int) -> str:
        return leaf_paths_with_static(tree, "carry")[i]


def _is_generator(x: Any) -> bool:
    return isinstance(x, np.random.Generator | np.random.RandomState)


def _as_operand(tree: Tree, i: int, leaf: Any, paths: Callable[[Tree, str], list[str]], name: str = "carry") -> Array:
    """Return a leaf as an array, a NumPy scalar or a Tensor."""

    def path() -> str:
        return paths(tree, name)[i]

    leaf = plain_leaf(_NAME, path, leaf)
    dtype = dtype_of(leaf)
    if dtype is None or dtype.kind not in "biufc":
        raise ArgumentTypeError(f"{_NAME}: {path()} must be an array or a number; got {described(leaf)}.")
    return as_numpy_number(resolve(leaf)) if type(leaf) is not bool else np.bool_(leaf)


def _as_array(x: Any) -> Array:
    x = resolve(x)
    return x if hasattr(x, "dtype") else np.asarray(x)[()]


@attrs.frozen(eq=False)
class _Steps:
    """How many steps there are, and what each is given.

    Attributes:
        count: None where it is not known before.
        stacks, spec: of xs, the leaves and the structure; spec is None where step gets i.
        width: how many leaves of xs there are.
        condition: of the carry, whether there is a next step.
        items: of an iterator.
    """

    count: int | None
    stacks: list[Array]
    spec: TreeSpec | None = None
    width: int = 0
    condition: Callable[[Any], Any] | None = None
    items: _Items | None = None

    @classmethod
    def of(cls, n_or_xs: Any) -> _Steps:
        """Tell a number, a condition, an iterator and arrays apart."""
        if isinstance(n_or_xs, range):
            n_or_xs = np.asarray(n_or_xs)
        if hasattr(n_or_xs, "__index__") and np.ndim(n_or_xs) == 0 and not isinstance(n_or_xs, bool):
            return cls(checked_count(_NAME, "n_or_xs", n_or_xs, low=0), [])
        if hasattr(n_or_xs, "__next__"):
            return cls(None, [], items=_Items(n_or_xs))
        if callable(n_or_xs) and not is_node(type(n_or_xs)):
            return cls(None, [], condition=n_or_xs)
        leaves, spec = tree_flatten(n_or_xs)
        arrays = [_as_operand(n_or_xs, i, x, leaf_paths, "n_or_xs") for i, x in enumerate(leaves)]
        lengths = {np.shape(x)[:1] for x in arrays}
        if len(lengths) != 1 or lengths == {()}:
            shapes = ", ".join(str(np.shape(x)) for x in arrays) or described(n_or_xs)
            raise ArgumentError(
                f"{_NAME}: n_or_xs must be a number of steps, arrays of one length along axis 0, an iterator, or a "
                f"function of the carry; got {f'shapes {shapes}' if arrays else shapes}."
            )
        return cls(lengths.pop()[0], arrays, spec, len(arrays))

    def without_arrays(self) -> _Steps:
        """Return what tells what a step is given, which holds no Tensors."""
        return attrs.evolve(self, stacks=[], condition=None)

    def given(self, i: int, x: Sequence[Array]) -> Any:
        """Return what step i is given beside the carry."""
        if self.items is not None:
            return self.items.kept[i]
        return i if self.spec is None else tree_unflatten(self.spec, list(x))


@attrs.define(eq=False)
class _Items:
    """The values of an iterator, which are kept as they come."""

    source: Iterator[Any]
    kept: list[Any] = attrs.field(factory=list)

    def has(self, i: int) -> bool:
        """Return whether there is a value for step i."""
        if i < len(self.kept):
            return True
        for item in self.source:
            if any(type(resolve(x)) is Tensor for x in tree_flatten_with_none(item)[0]):
                raise ArgumentError(
                    f"{_NAME}: n_or_xs must be an iterator of plain values; got a Tensor from it at step {i}. Pass "
                    "arrays, stacked along axis 0, or a Tensor in the carry."
                )
            self.kept.append(item)
            return True
        return False


# ---- what step takes from around it ----


@attrs.frozen(eq=False)
class _Function:
    """A function, and what it takes from around it: Tensors, which are operands of the loop, and what must stay.

    It holds no Tensor, so that a tape which holds the loop is freed without a reference cycle: of a function that takes
    Tensors from around it a copy, with other values in their place.

    Attributes:
        function: itself, or the copy.
        environment: what is around it.
        spec, leaves: the structure of that, and its leaves.
        places: of the Tensors among leaves.
        first: the place of their values in what is around all functions.
    """

    function: Callable[..., Any]
    environment: Environment
    spec: TreeSpec
    leaves: list[Any]
    places: list[int]
    first: int

    @classmethod
    def of(cls, f: Callable[..., Any], first: int) -> tuple[_Function, list[Tensor]]:
        """Return it with the Tensors."""
        own = environment_of(f)
        leaves, spec = tree_flatten_with_none(own.values())
        leaves = [resolve(x) for x in leaves]
        places = [i for i, x in enumerate(leaves) if type(x) is Tensor]
        tensors = [leaves[i] for i in places]
        if not places:
            return cls(f, own, spec, leaves, places, first), []
        if own.writes:
            raise ArgumentError(
                f"{_NAME}: step must not write into what is around it where it takes a Tensor from there; got one that "
                f"does: {own.writes[0]}. Carry what changes."
            )
        leaves = with_leaves(leaves, places, [np.zeros(()) for _ in places])
        copy = with_values(f, own.places, tree_unflatten(spec, leaves))
        return cls(copy, environment_of(copy), spec, leaves, places, first), tensors

    def filled(self, around: Sequence[Array]) -> Callable[..., Any]:
        """Return the function with arrays in the place of Tensors."""
        if not self.places:
            return self.function
        own = around[self.first : self.first + len(self.places)]
        given = tree_unflatten(self.spec, with_leaves(self.leaves, self.places, own))
        return with_values(self.function, self.environment.places, given)

    def check(self) -> None:
        """Raise where something around it is not what it was when the loop ran."""
        if self.places or self.environment.writes:  # a copy holds what was there; else the function changes it itself
            return
        start = 0
        for place in self.environment.places:
            now = tree_flatten_with_none(place.read())[0]
            was = self.leaves[start : start + len(now)]
            start += len(now)
            if len(was) < len(now) or not all(map(_is_same, now, was)):
                raise ReplayError(
                    f"{_NAME}: step must find around it in the backward walk what was there when the loop ran; got "
                    f"another value of {place.name}. Pass it in the carry, or take the gradient before it changes."
                )


def _is_same(now: Any, was: Any) -> bool:
    now = unwrap(now)
    if now is was:
        return True
    is_number = isinstance(was, int | float | complex | str | np.generic)
    return is_number and type(now) is type(was) and bool(now == was or now != now)


def _loop_of(stepping: _Function, going: _Function | None, start: _Carry, kind: _Steps, plan: Plan) -> Loop:
    found = [*start.generators, *stepping.environment.generators, *(going.environment.generators if going else ())]
    generators = list({id(g): g for g in found}.values())

    def bound(around: Sequence[Array]) -> Run:
        function = stepping.filled(around)

        def run(carry: Sequence[Array], i: int, x: Sequence[Array]) -> list[Array]:
            spawned = _spawned(generators) if generators else None
            answer = function(start.filled(carry), kind.given(i, x))
            if spawned is not None and _spawned(generators) != spawned:
                raise ArgumentError(
                    f"{_NAME}: step must draw from the generators that it is given; got one that spawns others, which "
                    "would be others the next time. Spawn them before the loop."
                )
            return start.checked(answer, carry)

        return run

    def goes_on(i: int, carry: Sequence[Array], around: Sequence[Array]) -> bool:
        if kind.items is not None:
            return kind.items.has(i)
        assert going is not None
        return bool(going.filled(around)(start.filled(carry)))

    def check() -> None:
        for function in (stepping, going):
            if function is not None:
                function.check()

    states = states_of(generators)
    return Loop(bound, len(start.places), kind.width, kind.count, goes_on, generators, states, plan, check)


def _spawned(generators: Generators) -> list[int]:
    """Return how many others each generator has spawned."""
    seeds = [getattr(getattr(g, "bit_generator", None), "seed_seq", None) for g in generators]
    return [getattr(seed, "n_children_spawned", 0) for seed in seeds]
