"""Panels: products of vectors with one matrix, which is read once, some of its rows after the other.

The gradient of a linear model is X^T f(X w). Three functions would read X twice, and its Hessian-vector product three
times, from memory that is far. Here a panel of rows is read, multiplied by the vectors, what is elementwise on these
rows is computed, and the panel, which is still in the first cache, is multiplied by the result and added up.

Rows of the panels are those of the matrix or its columns, so that the same holds for products with X^T. Vectors are
arrays of one axis, the columns of arrays of one column, and the rows of arrays of a few.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

import attrs

from tapenet.program.fusion.cells import AnyStep
from tapenet.program.fusion.regions import Region, Step, inputs_of, made_by, read_by, whole_reads
from tapenet.program.fusion.vector_products import Product, products_of
from tapenet.program.instructions import Instruction, Program, is_pure, must_run

# Reductions of all elements of a vector, which are made with it.
TOTALS = frozenset({"sum", "mean"})

# Steps after the first product in which others are looked for.
REACH = 64

# Products with a matrix, one after the other, that others were looked for in vain: the steps of a recurrence wait for
# each other, and to look takes time.
MOST_FAILURES = 16


@attrs.frozen(eq=False)
class Panels:
    """Products with one matrix and the regions between them.

    Attributes:
        matrix: the number of the matrix.
        axis: of the matrix, along which it is cut into panels.
        length: of this axis.
        forward: products whose results are as long as this axis.
        regions: read these, and others of that length, element by element.
        across: products of values of that length, which sum over the axis.
        totals: sums and means of all elements of such values.
        views: of values of that length in another shape: the value that each is a view of.
        instructions: of all, and the transposes that they read, in order.
        inputs: the numbers of the values that they read from elsewhere.
        outputs: the numbers of the values that are needed elsewhere.
    """

    matrix: int
    axis: int
    length: int
    forward: tuple[Product, ...]
    regions: tuple[Region, ...]
    across: tuple[Product, ...]
    totals: tuple[Instruction, ...]
    views: Mapping[int, int]
    instructions: tuple[Instruction, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def with_panels(
    steps: Sequence[AnyStep], program: Program, can_compute: Callable[[Region, int], bool]
) -> list[AnyStep | Panels]:
    """Return the steps of a program with products with one matrix joined, where they do not wait for each other.

    Args:
        can_compute: whether machine code computes a region of values as long as an axis, cut along that.
    """
    products = products_of(steps, program)
    shared = Counter(product.matrix for product in products.values())
    if max(shared.values(), default=0) < 2:
        return list(steps)
    makers = {x.out: x for x in steps if isinstance(x, Instruction) and x.name == "transpose"}
    uses = _Uses.of(steps, program)
    failures = Counter[int]()
    found: list[AnyStep | Panels] = []
    pending = deque(steps)
    while pending:
        step = pending.popleft()
        product = products.get(id(step))
        if product is None or shared[product.matrix] < 2 or failures[product.matrix] >= MOST_FAILURES:
            found.append(step)
            continue
        window = [step, *(pending.popleft() for _ in range(min(REACH, len(pending))))]
        split = _best_split(product, window, products, program, can_compute)
        failures[product.matrix] = failures[product.matrix] + 1 if split is None else 0
        if split is None:
            found.append(step)
            pending.extendleft(reversed(window[1:]))
            continue
        joined, views = split.joined(makers, uses, can_compute)
        found += (*split.early, joined)
        pending.extendleft(reversed((*views, *split.late)))
    return _without_unread(found, program)


# ---- which steps are done together ----


@attrs.define(eq=False)
class _Split:
    """Steps in three groups: those to be done before panels, those that they consist of, and those to be done after.

    Attributes:
        matrix: the number of the matrix.
        axis: along which it is cut.
        program: that the steps are of.
        inside: the values that panels make, as long as the axis.
        between: the regions, and views of one axis, in order.
        roots: of views, the values that these are of.
        after: the values that are there when all panels are done.
        wanted: the regions that may be a part of panels; None for all.
    """

    matrix: int
    axis: int
    program: Program
    wanted: Collection[int] | None = None
    early: list[AnyStep] = attrs.field(factory=list)
    late: list[AnyStep] = attrs.field(factory=list)
    forward: list[Product] = attrs.field(factory=list)
    between: list[Step] = attrs.field(factory=list)
    across: list[Product] = attrs.field(factory=list)
    totals: list[Instruction] = attrs.field(factory=list)
    roots: dict[int, int] = attrs.field(factory=dict)
    inside: set[int] = attrs.field(factory=set)
    after: set[int] = attrs.field(factory=set)

    @property
    def length(self) -> int:
        """The length of the axis."""
        return self.program.shape_of(self.matrix)[self.axis]

    @property
    def regions(self) -> list[Region]:
        """The regions, in order."""
        return [step for step in self.between if isinstance(step, Region)]

    def add(self, step: AnyStep, product: Product | None, can_compute: Callable[[Region, int], bool]) -> bool:
        """Put a step into its group; return whether later ones may be moved before it."""
        reads = read_by(step)
        if self.after.isdisjoint(reads) and self._takes(step, product, can_compute):
            return True
        if self.after.isdisjoint(reads) and self.inside.isdisjoint(reads):
            self.early.append(step)
            return True
        self.late.append(step)
        self.after.update(made_by(step))
        return not isinstance(step, Instruction) or (is_pure(step) and not must_run(step, self.program))

    def _takes(self, step: AnyStep, product: Product | None, can_compute: Callable[[Region, int], bool]) -> bool:
        """Add a step to the panels where it can be a part of them."""
        if isinstance(step, Region):
            is_wanted = self.wanted is None or id(step) in self.wanted
            if not is_wanted or not self._is_along(step) or not can_compute(step, self.length):
                return False
            self.between.append(step)
            self.inside.update(step.outputs)
            return True
        if not isinstance(step, Instruction):
            return False
        if self._is_view(step):
            self.between.append(step)
            self.inside.add(step.out)
            self.roots[step.out] = self.roots.get(step.operands[0], step.operands[0])
            return True
        if self._is_total(step):
            self.totals.append(step)
            self.after.add(step.out)
            return True
        if product is None or product.matrix != self.matrix:
            return False
        if product.axis == self.axis:
            self.across.append(product)
            self.after.add(step.out)
            return True
        if product.vectors in self.inside:
            return False
        self.forward.append(product)
        self.inside.add(step.out)
        return True

    def _is_view(self, x: Instruction) -> bool:
        """Return whether an operation shows one value that panels make, of the length of the axis, in another shape."""
        if x.name != "reshape" or x.operands[0] not in self.inside:
            return False
        return math.prod(self.program.shape_of(x.out)) == self.length

    def _is_total(self, x: Instruction) -> bool:
        """Return whether an operation adds up one value that panels make, of the length of the axis."""
        if x.name not in TOTALS or x.operands[0] not in self.inside or set(x.parameters) - {"axis", "keepdims"}:
            return False
        own, out = self.program.spaces[x.operands[0]], self.program.spaces[x.out]
        sizes = [math.prod(space.shape or ()) for space in (own, out)]
        return sizes == [self.length, 1] and own.dtype == out.dtype == self.program.spaces[self.matrix].dtype

    def _is_along(self, region: Region) -> bool:
        """Return whether a region reads what panels make, element by element, and nothing of the matrix."""
        if self.inside.isdisjoint(region.inputs) or self.matrix in region.inputs:
            return False
        shape = self.program.spaces[region.outputs[0]].shape
        own = self.inside & {*region.inputs}
        whole = {n for x in region.instructions for n in whole_reads(x)}
        return own.isdisjoint(whole) and all(self.program.spaces[n].shape == shape for n in own)

    @property
    def size(self) -> int:
        """How many products there are."""
        return len(self.forward) + len(self.across)

    def joined(
        self, makers: Mapping[int, Instruction], uses: _Uses, can_compute: Callable[[Region, int], bool]
    ) -> tuple[Panels, list[Instruction]]:
        """Return the panels, and the views that steps after them read."""
        regions = tuple(self._joined_regions(uses, can_compute))
        first, last = ([x.instruction for x in own] for own in (self.forward, self.across))
        between = [x for step in self.between for x in (step.instructions if isinstance(step, Region) else (step,))]
        instructions = (*_turns([*self.forward, *self.across], makers), *first, *between, *self.totals, *last)
        along = (*(x.out for x in first), *(n for region in regions for n in region.outputs))
        members: list[AnyStep] = [*first, *self.between, *self.totals, *last]
        views = [x for x in self.between if isinstance(x, Instruction)]
        for view in reversed(views):
            if uses.are_beyond(view.out, members):
                members.remove(view)
        outputs = (*(n for n in along if uses.are_beyond(n, members)), *(x.out for x in (*self.totals, *last)))
        panels = Panels(
            self.matrix,
            self.axis,
            self.length,
            tuple(self.forward),
            regions,
            tuple(self.across),
            tuple(self.totals),
            self.roots,
            instructions,
            inputs_of(instructions),
            outputs,
        )
        return panels, [view for view in views if view not in members]

    def _joined_regions(self, uses: _Uses, can_compute: Callable[[Region, int], bool]) -> Iterator[Region]:
        """Return the regions, of one shape as one where machine code computes that."""
        last: list[Region] = []
        for region in self.regions:
            made = {n for own in last for n in own.outputs}
            reads_view = not made.isdisjoint(self.roots.get(n, -1) for n in region.inputs)
            if last and (reads_view or not can_compute(_one_region([*last, region], uses), self.length)):
                yield _one_region(last, uses)
                last = []
            last.append(region)
        if last:
            yield _one_region(last, uses)


@attrs.frozen(eq=False)
class _Uses:
    """Which steps read a value."""

    readers: Mapping[int, Sequence[int]]
    outputs: frozenset[int]

    @classmethod
    def of(cls, steps: Iterable[AnyStep], program: Program) -> _Uses:
        readers: dict[int, list[int]] = {}
        for step in steps:
            for n in dict.fromkeys(read_by(step)):
                readers.setdefault(n, []).append(id(step))
        return cls(readers, frozenset(program.outputs))

    def are_beyond(self, number: int, members: Sequence[AnyStep]) -> bool:
        """Return whether a value is read outside some steps."""
        return number in self.outputs or not {id(x) for x in members}.issuperset(self.readers.get(number, ()))


def _best_split(
    product: Product,
    window: Sequence[AnyStep],
    products: Mapping[int, Product],
    program: Program,
    can_compute: Callable[[Region, int], bool],
) -> _Split | None:
    """Return how steps are split so that most products are done in panels; None where that are less than two."""

    def split(axis: int, wanted: Collection[int] | None, can_compute: Callable[[Region, int], bool]) -> _Split:
        found = _Split(product.matrix, axis, program, wanted)
        is_open = True
        for step in window:
            if is_open:
                is_open = found.add(step, products.get(id(step)), can_compute)
            else:
                found.late.append(step)
        return found

    def best_of(can_compute: Callable[[Region, int], bool]) -> _Split:
        return max(
            (split(axis, None, can_compute) for axis in (1 - product.axis, product.axis)), key=lambda found: found.size
        )

    # Machine code is written for those regions only that may be of use.
    if best_of(lambda region, length: True).size < 2:
        return None
    best = best_of(can_compute)
    if best.size < 2:
        return None
    wanted = _wanted_of(best)
    return best if len(wanted) == len(best.regions) else split(best.axis, wanted, can_compute)


def _wanted_of(split: _Split) -> set[int]:
    """Return the identities of the regions that products and sums read; others are done with what else reads them."""
    numbers, found = {x.vectors for x in split.across} | {x.operands[0] for x in split.totals}, set()
    for step in reversed(split.between):
        if not numbers.isdisjoint(made_by(step)):
            numbers.update(read_by(step))
            if isinstance(step, Region):
                found.add(id(step))
    return found


def _turns(products: Sequence[Product], makers: Mapping[int, Instruction]) -> list[Instruction]:
    """Return the transposes of the matrix that products read, in order; vectors are read as they are given."""
    found: dict[int, Instruction] = {}
    for n in [n for x in products for n in x.instruction.operands if n != x.vectors]:
        chain = []
        while n in makers and n not in found:
            chain.append(makers[n])
            n = makers[n].operands[0]
        found.update({x.out: x for x in reversed(chain)})
    return list(found.values())


def _one_region(regions: Sequence[Region], uses: _Uses) -> Region:
    """Return what regions compute as one of them."""
    if len(regions) == 1:
        return regions[0]
    instructions = tuple([x for region in regions for x in region.instructions])
    outputs = [n for region in regions for n in region.outputs if uses.are_beyond(n, regions)]
    return Region(instructions, inputs_of(instructions), tuple(outputs))


def _without_unread(steps: Sequence[AnyStep | Panels], program: Program) -> list[AnyStep | Panels]:
    """Return steps without transposes that only panels read, which take the matrix as it lies."""
    read = {*program.outputs}
    for step in steps:
        read.update(read_by(step))
    return [x for x in steps if not (isinstance(x, Instruction) and x.name == "transpose" and x.out not in read)]
