"""The back end that is always there: a program as one straight Python function of direct calls.

Each operation is a line; a value that nothing reads any more is freed. Large elementwise results lie in memory that is
used again, or in that of an operand that is not needed after. Regions of large elementwise operations go block by block
through the cache, on several threads.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.primitive import PART, as_numpy_number
from tapenet.core.source_lines import line_of
from tapenet.kernels.memory import LARGE, empty
from tapenet.kernels.threads import share
from tapenet.program.backends.lines import line_at, with_lines
from tapenet.program.evaluating import GuardFailedError, check_read, evaluator
from tapenet.program.fusion.cells import Cells
from tapenet.program.fusion.closing import Closed
from tapenet.program.fusion.panels import Panels
from tapenet.program.fusion.reducing import Reduced
from tapenet.program.fusion.regions import Region, in_regions
from tapenet.program.fusion.stretches import Stretch
from tapenet.program.instructions import Instruction, Program, last_uses, must_run

Run = Callable[[Sequence[Any]], tuple[Any, ...]]
Step = Instruction | Region | Stretch | Closed | Reduced | Panels | Cells
Fused = Callable[[Any, Program], Callable[..., Any] | None]  # makes the function of the inputs of a region or a stretch

# Bytes of a value beyond which its operations are joined in a region.
JOINED = 2**18

# Elements of a block: its operands and scratch stay in the cache.
BLOCK = 2**13


def compiled(program: Program, donated: frozenset[int] = frozenset()) -> Run:
    """Return the function of a program's inputs, by NumPy.

    Args:
        donated: the numbers of inputs whose memory may be used for results.
    """
    return code_of(program, in_regions(program, lambda x: _is_large(x, program)), _in_blocks, donated)


def code_of(program: Program, steps: Sequence[Step], fused: Fused, donated: frozenset[int] = frozenset()) -> Run:
    """Return a Python function that does steps one after the other; `fused` makes those of regions."""
    flat = _flat(steps, program, fused)
    writer = _Writer(program, donated, *_needed_after(flat, program))
    for step in flat:
        if isinstance(step, Instruction):
            writer.instruction(step)
        else:
            writer.region(*step)
    return writer.function()


def _flat(steps: Sequence[Step], program: Program, fused: Fused) -> list[Any]:
    """Return instructions, and pairs of a region and its function; a region without one as its instructions.

    Stretches are as regions.
    """
    found: list[Any] = []
    for step in steps:
        made = None if isinstance(step, Instruction) else fused(step, program)
        if made is not None:
            found.append((step, made))
        else:
            found += (step,) if isinstance(step, Instruction) else step.instructions
    return found


def _needed_after(steps: Sequence[Any], program: Program) -> tuple[dict[int, frozenset[int]], set[int]]:
    """Return for large operations and updates the values that are needed after them, and those without later guards."""
    needed, later, unguarded = set(program.outputs), {}, set()
    is_guarded = False
    for step in reversed(steps):
        if isinstance(step, Instruction):
            if step.guard is not None:
                is_guarded = True
            elif _takes_donations(step) or program.spaces[step.out].nbytes >= LARGE:
                later[step.out] = frozenset(needed)
                if not is_guarded:
                    unguarded.add(step.out)
            is_guarded = is_guarded or must_run(step, program)
        needed.update(step.reads if isinstance(step, Instruction) else step[0].inputs)
    return later, unguarded


def _takes_donations(instruction: Instruction) -> bool:
    return instruction.primitive is not None and instruction.primitive.takes_donations


def _is_large(instruction: Instruction, program: Program) -> bool:
    """Return whether an operation is worth to be done block by block."""
    primitive, space = instruction.primitive, program.spaces.get(instruction.out)
    if primitive is None or space is None or space.shape is None or space.dtype is None or instruction.parameters:
        return False
    if instruction.errors:
        return False
    if not (isinstance(primitive.forward, np.ufunc) and primitive.forward.nout == 1 and space.is_array):
        return False
    if space.dtype.char not in "fd?" or space.nbytes < JOINED:
        return False
    return all(
        own.is_number or own.shape in ((), None, space.shape)
        for own in (program.spaces[n] for n in instruction.operands)
    )


# ---- regions, in blocks ----


def _in_blocks(region: Region, program: Program) -> Callable[..., Any] | None:
    """Return the function of a region that works block by block; None for one operation alone."""
    if len(region.instructions) < 2:
        return None
    shape = program.spaces[region.outputs[0]].shape
    assert shape is not None
    flat = [n for n in region.inputs if program.spaces[n].shape == shape]
    work = _block_function(region, program, flat)
    dtypes = [program.spaces[n].dtype for n in region.outputs]
    places = [n in flat for n in region.inputs]
    size = int(np.prod(shape, dtype=np.int64))
    each = (program.spaces[n].dtype for n in (*flat, *region.outputs))
    touched = sum(dtype.itemsize for dtype in each if dtype is not None) * size

    @functools.cache
    def reference() -> Run:
        own = attrs.evolve(program, instructions=region.instructions, inputs=region.inputs, outputs=region.outputs)
        return evaluator(own)

    def fused(*operands: Any) -> Any:
        arrays = [np.ascontiguousarray(x).reshape(-1) if own else x for x, own in zip(operands, places, strict=True)]
        outs = [empty(shape, dtype) for dtype in dtypes]
        flat_outs = [out.reshape(-1) for out in outs]
        met: list[str] = []
        with reporting_to(met):
            share(lambda part: work(part.start, part.stop, *arrays, *flat_outs), size, touched)
        if met:  # once for each operation, and not for each block
            outs = [*reference()(operands)]
        return outs[0] if len(outs) == 1 else outs

    return fused


@contextlib.contextmanager
def reporting_to(met: list[str]) -> Iterator[None]:
    """Let NumPy note here what exceptions it meets, of those that it is not to ignore."""
    state = np.geterr()
    calls = {name: "ignore" if how == "ignore" else "call" for name, how in state.items()}
    with np.errstate(**calls, call=lambda kind, flag: met.append(kind)):  # type: ignore[arg-type]  # literals
        yield


def _block_function(region: Region, program: Program, flat: Sequence[int]) -> Callable[..., None]:
    """Return the function that computes the elements from one place to another, of flat arrays."""
    names: dict[str, Any] = {"empty": np.empty}
    lines: list[str] = []
    free: dict[Any, list[str]] = {}
    made: list[tuple[str, np.dtype[Any]]] = []
    at = {n: f"a{n}[b:e]" if n in flat else f"a{n}" for n in region.inputs}
    uses = last_uses(region.instructions, region.outputs)
    for i, (instruction, dead) in enumerate(zip(region.instructions, uses, strict=True)):
        assert instruction.primitive is not None
        names[f"f{i}"] = instruction.primitive.forward
        operands = ", ".join(at[n] for n in instruction.operands)
        dtype = program.spaces[instruction.out].dtype
        assert dtype is not None
        if instruction.out in region.outputs:
            target = f"o{instruction.out}[b:e]"
        else:
            pool = free.setdefault(dtype, [])
            if not pool:
                made.append((f"s{len(made)}", dtype))
                pool.append(made[-1][0])
            target = f"{pool.pop()}[:e - b]"
        at[instruction.out] = target
        lines.append(f"f{i}({operands}, out={target})")
        for n in dead:
            if n in at and at[n].startswith("s"):
                free[program.spaces[n].dtype].append(at[n].partition("[")[0])
    for name, dtype in made:
        names[f"d_{name}"] = dtype
    arguments = ", ".join((*[f"a{n}" for n in region.inputs], *[f"o{n}" for n in region.outputs]))
    scratch = [f"    {name} = empty(min({BLOCK}, stop - start), d_{name})" for name, _ in made]
    body = [f"        {line}" for line in lines]
    text = [f"def work(start, stop, {arguments}):", *scratch, f"    for b in range(start, stop, {BLOCK}):"]
    text += [f"        e = min(b + {BLOCK}, stop)", *body]
    exec(compile("\n".join(text), "<region>", "exec"), names)
    work: Callable[..., None] = names["work"]
    return work


# ---- the function ----


@attrs.frozen(eq=False)
class _Line:
    """A line of the function: its text, what it is of, and the values that it reads and makes."""

    text: str
    step: Any
    reads: tuple[int, ...]
    outs: tuple[int, ...]


@attrs.define(eq=False)
class _Writer:
    """Writes the function of a program, line by line."""

    program: Program
    donated: frozenset[int]
    later: dict[int, frozenset[int]]
    unguarded: set[int]
    lines: list[_Line] = attrs.field(factory=list)
    names: dict[str, Any] = attrs.field(factory=dict)
    roots: dict[int, frozenset[int]] = attrs.field(factory=dict)  # of each value, those whose memory it may lie in
    own: set[int] = attrs.field(factory=set)  # values whose arrays the function made, and may write into
    counter: Any = attrs.field(factory=itertools.count)

    def instruction(self, instruction: Instruction) -> None:
        """Write a line for an operation or a guard."""
        if instruction.guard is not None:
            check = self.named(_guard_check(instruction))
            self._add(f"{check}({self._values(instruction.reads)})", instruction, instruction.reads, ())
            return
        out = instruction.out
        self._add(
            f"{self._reporting(instruction)}v{out} = {self._call(instruction)}", instruction, instruction.reads, (out,)
        )
        if must_run(instruction, self.program):
            self._add(f"if {self._differs(out)}: raise changed({instruction.name!r})", instruction, (out,), ())

    def _reporting(self, instruction: Instruction) -> str:
        """Return the beginning of a line that sets how floating-point exceptions are reported."""
        if not instruction.errors:
            return ""
        self.names["errstate"] = np.errstate
        return f"with errstate(**{self.named(dict(instruction.errors))}): "

    def region(
        self, region: Region | Stretch | Closed | Reduced | Panels | Cells, function: Callable[..., Any]
    ) -> None:
        """Write a line for a region or a stretch."""
        outs = ", ".join(f"v{n}" for n in region.outputs)
        self._add(
            f"{outs} = {self.named(function)}({self._values(region.inputs)})", region, region.inputs, region.outputs
        )
        self.own.update(region.outputs)
        self.roots.update({n: frozenset({n}) for n in region.outputs})

    def named(self, x: Any) -> str:
        """Return a name of the function's for an object."""
        name = f"g{next(self.counter)}"
        self.names[name] = x
        return name

    def _add(self, text: str, step: Any, reads: Sequence[int], outs: Sequence[int]) -> None:
        self.lines.append(_Line(text, step, tuple(reads), tuple(outs)))

    def _value(self, number: int) -> str:
        if number in self.program.constants:
            x = self.program.constants[number]
            if type(x) in (int, bool, type(None)):
                return repr(x) if type(x) is not int or x >= 0 else f"({x!r})"
            self.names[f"c{number}"] = x
            return f"c{number}"
        return f"v{number}"

    def _values(self, numbers: Sequence[int]) -> str:
        return ", ".join(map(self._value, numbers))

    def _call(self, instruction: Instruction) -> str:
        primitive = instruction.primitive
        assert primitive is not None
        if primitive is PART:
            return f"{self._value(instruction.operands[0])}[{instruction.parameters['index']}]"
        operands = [self._value(n) for n in instruction.operands]
        if not primitive.takes_numbers:
            numbers = [self.program.spaces[n].is_number for n in instruction.operands]
            self.names["as_numpy_number"] = as_numpy_number
            operands = [f"as_numpy_number({x})" if own else x for x, own in zip(operands, numbers, strict=True)]
        call = self.named(primitive.forward)
        space = self.program.spaces[instruction.out]
        self.roots[instruction.out] = self._roots(instruction)
        keywords = dict(instruction.parameters)
        if primitive.takes_donations and self.donated and self._gives_up(instruction):
            keywords["donate"] = True
        given = [f"{name}={self.named(value)}" for name, value in keywords.items()]
        is_ufunc = isinstance(primitive.forward, np.ufunc) and space.is_array and not given
        if is_ufunc and space.dtype is not None and space.shape and space.dtype.char in "fdFD":
            self.own.add(instruction.out)
            if self.program.spaces[instruction.out].nbytes >= LARGE:
                target = self._dead_operand(instruction)
                given = [
                    f"out=v{target}" if target is not None else f"out=empty({space.shape}, {self.named(space.dtype)})"
                ]
        return f"{call}({', '.join((*operands, *given))})"

    def _roots(self, instruction: Instruction) -> frozenset[int]:
        """Return the values in whose memory a result may lie: that of an elementwise operation is its own."""
        primitive = instruction.primitive
        assert primitive is not None
        if isinstance(primitive.forward, np.ufunc):
            return frozenset({instruction.out})
        own = (self.roots.get(n, frozenset({n})) for n in instruction.operands)
        # Memory of others is not asked for, and in a long recurrence each value may lie in that of all before it.
        return frozenset([n for n in frozenset({instruction.out}).union(*own) if self._may_be_given_up(n)])

    def _may_be_given_up(self, number: int) -> bool:
        return number in self.donated or self.program.spaces[number].nbytes >= LARGE

    def _dead_operand(self, instruction: Instruction) -> int | None:
        """Return an operand that nothing needs after, of the same shape and dtype, to write the result into."""
        space = self.program.spaces[instruction.out]
        later = self.later.get(instruction.out, frozenset())
        alive = frozenset[int]().union(*(self.roots.get(n, frozenset({n})) for n in later))
        for n in instruction.operands:
            own = self.program.spaces[n]
            if n in self.own and n not in alive and (own.shape, own.dtype) == (space.shape, space.dtype):
                self.own.discard(n)
                return n
        return None

    def _gives_up(self, instruction: Instruction) -> bool:
        """Return whether an optimizer's update may write into parameters and states: they are donated, for good."""
        later, operands = self.later[instruction.out], instruction.operands
        written, uses = [operands[i] for i in instruction.parameters["written"]], Counter(operands)
        others = later - {instruction.out}
        alive = frozenset[int]().union(*(self.roots.get(n, frozenset({n})) for n in others))
        is_free = all(n in self.donated and n not in alive and uses[n] == 1 for n in written)
        return is_free and instruction.out in self.unguarded

    def _differs(self, number: int) -> str:
        space = self.program.spaces[number]
        self.names.setdefault("changed", _changed)
        if space.shape is None:
            return (
                f"[(x.shape, x.dtype) for x in v{number}] != {self.named([*space.parts])}" if space.parts else "False"
            )
        if space.is_number or space.dtype is None:
            return f"type(v{number}) is not {self.named(_PYTHON_S[space.dtype.kind])}"  # type: ignore[union-attr]
        return f"v{number}.shape != {space.shape} or v{number}.dtype != {self.named(space.dtype)}"

    def function(self) -> Run:
        """Return the function that was written."""
        program = self.program
        seen = set(program.outputs) | set(program.constants)
        body: list[tuple[str, Any]] = []
        for line in reversed(self.lines):
            dead = [n for n in dict.fromkeys((*line.reads, *line.outs)) if n not in seen]
            seen.update(dead)
            if dead:
                body.append((f"    del {', '.join(f'v{n}' for n in dead)}", line.step))
            body.append((f"    {line.text}", line.step))
        body.reverse()
        inputs = "".join(f"v{n}, " for n in program.inputs)
        first = f"    {inputs}= inputs" if inputs else "    pass"
        outputs = "".join(f"{self._value(n)}, " for n in program.outputs)
        text = "\n".join(["def run(inputs):", first, *[text for text, _ in body], f"    return ({outputs})"])
        self.names["empty"] = empty
        exec(compile(text, "<compiled program>", "exec"), self.names)
        return _with_notes(self.names["run"], [step for _, step in body])


_PYTHON_S = {"b": bool, "i": int, "f": float, "c": complex}
_FIRST_LINE = 3  # of the body


def _with_notes(run: Any, steps: Sequence[Any]) -> Run:
    """Return the function, with errors that name the operation and the line that it was recorded in."""
    written = run.__code__
    places = _places_of(steps)
    files = {file for file, _ in places if file}
    if len(files) == 1:  # of several, a function has the lines of none
        numbers: list[int] = []
        for _, line in places:  # what has no line belongs to the one before
            numbers.append(line or (numbers[-1] if numbers else 0))
        first = next(line for line in numbers if line)
        numbers = [line or first for line in numbers]
        run.__code__ = with_lines(written, files.pop(), [first, first, *numbers, numbers[-1]])
    code = run.__code__

    def noted(inputs: Sequence[Any]) -> tuple[Any, ...]:
        try:
            outputs: tuple[Any, ...] = run(inputs)
            return outputs
        except GuardFailedError:
            raise
        except Exception as error:
            trace = error.__traceback__
            while trace is not None and trace.tb_frame.f_code is not code:
                trace = trace.tb_next
            place = -1 if trace is None else line_at(written, trace.tb_lasti) - _FIRST_LINE
            _note(error, steps[place] if 0 <= place < len(steps) else None)
            raise

    return noted


def _places_of(steps: Sequence[Any]) -> list[tuple[str, int]]:
    """Return the file and the line that each step was recorded in; neither where that is not known."""
    known: dict[Any, tuple[str, int]] = {None: ("", 0)}
    places = []
    for step in steps:
        own: Sequence[Instruction] = (step,) if isinstance(step, Instruction) else step.instructions
        location = next((x.location for x in own if x.location is not None), None)
        key = (id(location[0]), location[1]) if isinstance(location, tuple) else location
        if key not in known:  # a walk records many operations in one place, whose line takes a search
            known[key] = _place_of(location)
        places.append(known[key])
    return places


def _place_of(location: Any) -> tuple[str, int]:
    """Return the file and the line of a location."""
    file, _, line = line_of(location).rpartition(":")
    return (file, int(line)) if line.isdecimal() else ("", 0)


def _note(error: Exception, step: Any) -> None:
    if isinstance(step, Instruction):
        error.add_note(f"In a compiled function, at {step.line}: {step.name}.")


def _changed(name: str) -> GuardFailedError:
    return GuardFailedError(f"{name} gave another shape or dtype")


def _guard_check(instruction: Instruction) -> Callable[..., None]:
    """Return the function that repeats what a guard reads."""
    guard, names = instruction.guard, tuple(instruction.keywords)
    assert guard is not None
    count = len(instruction.operands)
    if guard.function is bool and count == 1 and not names:
        answer = guard.answer

        def check_bool(x: Any) -> None:
            if bool(x) is not answer:
                raise GuardFailedError(f"{guard.name} gave another answer")

        return check_bool

    def check(*values: Any) -> None:
        check_read(guard, values[:count], dict(zip(names, values[count:], strict=True)))

    return check
