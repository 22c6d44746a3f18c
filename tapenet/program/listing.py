"""Programs as text: a line for each operation and guard, and the bodies of loops below."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

from tapenet.core.primitive import PART

if TYPE_CHECKING:
    from tapenet.program.instructions import Instruction, Program

# Columns of a line; characters of a parameter, or of a constant, that is written out.
WIDTH, SHORT = 110, 60

_KEPT = "\0"  # a space at which no line is cut
_PLAIN = (int, float, complex, bool, str, type(None))


def listing(program: Program, origins: Mapping[int, str] | None = None) -> str:
    """Return a program as text.

    Args:
        program: to list.
        origins: of inputs, what they are called in the function, by number.
    """
    bodies: list[Program] = []
    lines = _Listing(program, bodies, origins or {}).lines("program")
    for number, body in enumerate(bodies):  # which grows
        lines += ["", *_Listing(body, bodies, {}).lines(f"body{number}")]
    return "\n".join(lines)


@attrs.define(eq=False)
class _Listing:
    """The lines of one program.

    Attributes:
        program: to list.
        bodies: of loops, which are listed after it.
        origins: of inputs, what they are called in the function.
        parts: by the number of a tuple, those of its parts that are read, by index.
        names: what each value is called: constants by their value where that is short.
    """

    program: Program
    bodies: list[Program]
    origins: Mapping[int, str]
    parts: dict[int, dict[int, int]] = attrs.field(factory=dict, init=False)
    names: dict[int, str] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        program = self.program
        written = {x.out for x in program.instructions}
        for x in program.instructions:
            if x.primitive is PART and x.operands[0] in written:
                self.parts.setdefault(x.operands[0], {})[x.parameters["index"]] = x.out
        self.names = {n: _plain(x) for n, x in program.constants.items() if _is_plain(x)}
        arrays = [n for n in program.constants if n not in self.names]
        self.names |= {n: f"c{i}" for i, n in enumerate(arrays)}
        made = [n for x in program.instructions if x.out >= 0 for n in self._values(x)]
        self.names |= {n: f"v{i}" for i, n in enumerate((*program.inputs, *made))}

    def _values(self, x: Instruction) -> Sequence[int]:
        """Return the numbers of the values that an operation's line shows."""
        if x.out in self.parts:
            return tuple(dict.fromkeys(self.parts[x.out].values()))
        return () if self._is_shown_with_its_tuple(x) else (x.out,)

    def _is_shown_with_its_tuple(self, x: Instruction) -> bool:
        return x.primitive is PART and x.out in self.parts.get(x.operands[0], {}).values()

    def lines(self, head: str) -> list[str]:
        """Return the lines, of which the first begins with `head`."""
        program = self.program
        inputs = [f"{self._declared(n)}{self._origin(n)}" for n in program.inputs]
        lines = _wrapped(f"{head}({', '.join(inputs)})", 0)
        for n, x in program.constants.items():
            if not _is_plain(x):
                lines += _wrapped(f"constant {self._declared(n)} = {_short(x)}", 2)
        for instruction in program.instructions:
            if not self._is_shown_with_its_tuple(instruction):
                lines += _wrapped(self._line(instruction), 2)
        return [*lines, *_wrapped(f"return {', '.join(self.names[n] for n in program.outputs)}", 2)]

    def _origin(self, number: int) -> str:
        return f" = {self.origins[number]}".replace(" ", _KEPT) if number in self.origins else ""

    def _declared(self, number: int) -> str:
        return f"{self.names[number]}: {self.program.spaces[number]}".replace(" ", _KEPT)

    def _line(self, instruction: Instruction) -> str:
        call = f"{instruction.name}({', '.join(self._arguments(instruction))})"
        if instruction.guard is not None:
            return f"{call} gave {_short(instruction.guard.answer)}"
        if instruction.out not in self.parts:
            return f"{self._declared(instruction.out)} = {call}"
        own = self.parts[instruction.out]
        parts = (self._declared(own[i]) if i in own else "_" for i in range(max(own) + 1))
        return f"{', '.join(parts)} = {call}"

    def _arguments(self, instruction: Instruction) -> Iterator[str]:
        yield from (self.names[n] for n in instruction.operands)
        yield from (f"{name}={self.names[n]}" for name, n in instruction.keywords.items())
        for name, value in instruction.parameters.items():
            yield f"{name}={self._body(value) if hasattr(value, 'program') else _short(value)}"

    def _body(self, step: Any) -> str:
        """Return what the body of a loop is called, and its steps."""
        self.bodies.append(step.program)
        return f"body{len(self.bodies) - 1} ({step.count} steps{', the last first' if step.reverse else ''})"


def _is_plain(x: Any) -> bool:
    return isinstance(x, (*_PLAIN, np.generic))


def _plain(x: Any) -> str:
    return str(x) if isinstance(x, np.generic) else repr(x)


def _short(x: Any) -> str:
    """Return a value as text; its class where it is long."""
    text = str(x) if isinstance(x, np.dtype) else np.array2string(x, separator=", ") if _is_small(x) else repr(x)
    is_short = len(text) <= SHORT and "\n" not in text
    return text if is_short else "..." if isinstance(x, np.ndarray) else f"<{type(x).__name__}>"


def _is_small(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.size < 8


def _wrapped(text: str, indent: int) -> list[str]:
    """Return a line, or the lines that it is cut into at spaces."""
    margin, hanging = " " * indent, " " * (indent + 4)
    lines = textwrap.wrap(
        text, WIDTH, initial_indent=margin, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace(_KEPT, " ") for line in lines]
