"""A relu before a maximum of windows becomes one after it, and so does its mask in the gradient.

The relu of the largest is the largest relu. There are fewer windows than places, four times with windows of 2x2. In the
gradient, the places of the maxima get what the mask of the windows leaves: where the largest is not positive, nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from tapenet.program.instructions import Instruction, Program, Space, readers_of
from tapenet.program.passes.rewriting import Rewriter

POOL, RESIDUAL, SCATTER = "max_pool", "residual of max_pool", "pool_scatter"


@attrs.frozen(eq=False)
class _Match:
    """A relu that only pools read, and what its mask in the gradient is applied to."""

    relu: Instruction
    pool: Instruction
    masked: tuple[tuple[Instruction, Instruction, Instruction], ...]  # of the mask, the scatter, and the choice


def with_relu_after_pool(program: Program) -> Program:
    """Return a program that pools first, and takes the relu of the maxima."""
    if not any(x.name == POOL for x in program.instructions):
        return program
    places = readers_of(x.reads for x in program.instructions)
    readers = {n: [program.instructions[i] for i in own] for n, own in places.items()}
    matches = [m for x in program.instructions if x.name == "relu" and (m := _match(program, readers, x)) is not None]
    if not matches:
        return program
    exchange = _Exchange(Rewriter.of(program))
    for match in matches:
        exchange.add(match)
    return exchange.program()


def _match(program: Program, readers: Mapping[int, Sequence[Instruction]], relu: Instruction) -> _Match | None:
    if relu.out in program.outputs or relu.parameters:
        return None
    of = readers.get(relu.out, [])
    pools = [x for x in of if x.name == POOL]
    if len(pools) != 1 or any(amount for pair in pools[0].parameters["padding"] for amount in pair):
        return None
    residuals = {x.out for x in of if x.name == RESIDUAL and x.parameters == pools[0].parameters}
    masks = [x for x in of if x.name == "greater" and _is_zero(program, x.operands[1]) and x.operands[0] == relu.out]
    if len(of) != 1 + len(residuals) + len(masks) or residuals.intersection(program.outputs):
        return None
    found = [_masked(program, readers, mask, residuals) for mask in masks]
    scatters = {x.out for pair in found if pair is not None for x in pair[:1]}
    if any(x is None for x in found) or any(r.out not in scatters for n in residuals for r in readers.get(n, [])):
        return None
    masked = tuple([(mask, *pair) for mask, pair in zip(masks, found, strict=True) if pair is not None])
    return _Match(relu, pools[0], masked)


def _masked(
    program: Program, readers: Mapping[int, Sequence[Instruction]], mask: Instruction, residuals: set[int]
) -> tuple[Instruction, Instruction] | None:
    """Return the scatter that a mask is applied to, and the choice between it and zero; None where it is another."""
    chosen = readers.get(mask.out, [])
    if len(chosen) != 1 or chosen[0].name != "where" or mask.out in program.outputs:
        return None
    choice = chosen[0]
    condition, value, other = choice.operands
    if condition != mask.out or not _is_zero(program, other) or value in program.outputs:
        return None
    makers = [x for n in residuals for x in readers.get(n, []) if x.out == value and x.name == SCATTER]
    if len(makers) != 1 or len(readers[value]) != 1 or makers[0].operands[1] not in residuals:
        return None
    return makers[0], choice


def _is_zero(program: Program, number: int) -> bool:
    x = program.constants.get(number)
    return type(x) in (int, float) and x == 0


@attrs.define(eq=False)
class _Exchange:
    """New instructions in the places of others.

    Attributes:
        rewriter: of the program.
        replaced: what stands in the place of an instruction, by the number of its value.
        pooled: of each relu, what is pooled instead.
    """

    rewriter: Rewriter
    replaced: dict[int, list[Instruction]] = attrs.field(factory=dict)
    pooled: dict[int, int] = attrs.field(factory=dict)

    def _copy(self, of: Instruction, operands: tuple[int, ...], space: Space) -> Instruction:
        """Return the same operation of other values."""
        assert of.primitive is not None
        return self.rewriter.new(of, of.primitive, operands, space, of.parameters)

    def add(self, match: _Match) -> None:
        """Rewrite one match."""
        relu, pool = match.relu, match.pool
        (source,) = relu.operands
        self.pooled[relu.out] = source
        self.replaced[relu.out] = []
        first = self._copy(pool, (source,), self.rewriter.spaces[pool.out])
        self.replaced[pool.out] = [first, attrs.evolve(relu, operands=(first.out,), out=pool.out)]
        for mask, scatter, choice in match.masked:
            cotangent, residual = scatter.operands
            space = self.rewriter.spaces[cotangent]
            truths = attrs.evolve(self.rewriter.spaces[mask.out], shape=space.shape)
            above = self._copy(mask, (pool.out, mask.operands[1]), truths)
            kept = self._copy(choice, (above.out, cotangent, choice.operands[2]), space)
            last = attrs.evolve(scatter, operands=(kept.out, residual), out=choice.out)
            self.replaced |= {mask.out: [], scatter.out: [], choice.out: [above, kept, last]}

    def program(self) -> Program:
        """Return the program with all that was rewritten."""
        made: list[Instruction] = []
        for instruction in self.rewriter.program.instructions:
            if instruction.out in self.replaced:
                made += self.replaced[instruction.out]
            elif instruction.name == RESIDUAL and instruction.operands[0] in self.pooled:
                made.append(attrs.evolve(instruction, operands=(self.pooled[instruction.operands[0]],)))
            else:
                made.append(instruction)
        return self.rewriter.after(made)
