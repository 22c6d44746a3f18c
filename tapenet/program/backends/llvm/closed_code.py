"""The calls of closed products: blocks of a product, of the region after it and of sums, one after the other."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Collection, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.kernels.gemm import INVALID, Block, Gemm, Strides, gemm_for
from tapenet.kernels.machine_code import Library, compile_module, processor
from tapenet.kernels.memory import address, empty
from tapenet.kernels.products import WORTH_SHARING
from tapenet.kernels.teams import At, Following, Native, Plan, Step, done, free_team
from tapenet.kernels.threads import parts_of
from tapenet.program.backends.llvm.exceptions import States, is_to_be_repeated, states_of
from tapenet.program.backends.llvm.kernel_code import MET, Kernel
from tapenet.program.fusion.closing import Closed, blocks_of
from tapenet.program.instructions import Program

# How many plans of a product are kept: it has more only where its factors lie in memory in many ways.
PLANS = 16


@attrs.frozen(eq=False)
class _Closed:
    """What functions of closed products and of closed convolutions share.

    Attributes:
        step: what it computes.
        program: that the step is of.
        kernel: computes the region.
        native: calls the kernel.
        library: what holds it.
        contiguous: the values that machine code makes.
        reference: computes the step by NumPy.
    """

    step: Closed
    program: Program
    kernel: Kernel
    native: Native
    library: Library
    contiguous: Collection[int]
    reference: Callable[[Sequence[Any]], Any]

    @functools.cached_property
    def written(self) -> list[Any]:
        """The numbers, shapes and dtypes of what the kernel writes."""
        return [(n, self.program.shape_of(n), self.program.spaces[n].dtype) for n in self.step.region.outputs]

    @functools.cached_property
    def replacing(self) -> int | None:
        """The number of what the kernel writes to the memory of the product; None where that is needed elsewhere.

        The kernel reads each vector before it writes it, but the last vector of a row may overlap the one before.
        """
        product = self.step.product.out
        if product in self.step.outputs or self.kernel.columns % self.kernel.lanes:
            return None
        kind = self.program.shape_of(product), self.program.spaces[product].dtype
        return next((n for n, *own in self.written if tuple(own) == kind), None)

    @functools.cached_property
    def states(self) -> States:
        """How NumPy reports exceptions of the operations."""
        return states_of(self.step.instructions)

    def operands(self, values: dict[int, Any]) -> tuple[Any, ...]:
        """Return what the kernel takes, in C order, after making the arrays that it writes to."""
        region = self.step.region
        for n in self.kernel.operands:
            if n not in self.contiguous and not values[n].flags.c_contiguous:
                values[n] = np.ascontiguousarray(values[n])
        for n, shape, dtype in self.written:
            values[n] = values[self.step.product.out] if n == self.replacing else empty(shape, dtype)
        arrays = [values[n] for n in (*self.kernel.operands, *region.outputs)]
        return (*arrays, *(float(values[n]) for n in self.kernel.scalars))

    def results(self, values: dict[int, Any]) -> Any:
        """Return the results among values."""
        outs = [values[n] for n in self.step.outputs]
        return outs[0] if len(outs) == 1 else outs


@attrs.frozen(eq=False)
class ClosedProduct(_Closed):
    """The function of a closed product of matrices.

    Attributes:
        gemm: makes the product.
        known: the blocks, by the number of parts.
        plans: by the number of parts and the strides of both factors and of the product.
    """

    gemm: Gemm
    known: dict[int, Any] = attrs.field(factory=dict)
    plans: dict[tuple[int, Strides], Plan] = attrs.field(factory=dict)

    @functools.cached_property
    def shape(self) -> tuple[int, int]:
        """The rows and columns of the product."""
        rows, columns = self.program.shape_of(self.step.product.out)
        return rows, columns

    def blocks(self) -> Any:
        """Return for each thread's part its blocks."""
        rows, columns = self.shape
        by_columns = bool(self.step.sums) or rows < columns
        work = rows * columns * self.program.shape_of(self.step.product.operands[0])[1]
        parts = len(parts_of(columns if by_columns else rows, work, WORTH_SHARING))
        if parts not in self.known:
            tile = 8, max(48, self.kernel.lanes)
            self.known[parts] = blocks_of(rows, columns, self.gemm.dtype.itemsize, parts, tile, by_columns)
        return self.known[parts]

    def __call__(self, *given: Any) -> Any:
        values = dict(zip(self.step.inputs, given, strict=True))
        product, dtype = self.step.product, self.gemm.dtype
        x, y = (values[n] for n in product.operands)
        values[product.out] = empty(self.shape, dtype)
        if not self.gemm.fits(x, y, values[product.out]):
            return self.reference(given)
        values |= {added.out: empty(self.program.shape_of(added.out), dtype) for added in self.step.sums}
        met = self._run(x, y, values, self.operands(values))
        if is_to_be_repeated(met // MET, self.states):
            return self.reference(given)
        self.gemm.report(met % MET)
        return self.results(values)

    def _run(self, x: Any, y: Any, values: dict[int, Any], arrays: tuple[Any, ...]) -> int:
        """Do all blocks, and return the exceptions that products met, and MET times what kernels met."""
        blocks = self.blocks()
        product = values[self.step.product.out]
        summed = [address(values[n]) for added in self.step.sums for n in (added.operands[0], added.out)]
        with free_team() as team:
            if team is not None:
                plan = self._plan((x.strides, y.strides, product.strides), x.shape[1], blocks)
                return team.run_plan(plan, [address(x), address(y), address(product), id(arrays), *summed])
            alone = [
                step
                for top, bottom, left, right in itertools.chain.from_iterable(blocks)
                for step in (
                    self.gemm.step(x[top:bottom], y[:, left:right], product[top:bottom, left:right]),
                    *self._following((top, bottom, left, right), id(arrays), summed),
                )
            ]
            return done([alone])

    def _plan(self, strides: Strides, inner: int, blocks: Sequence[Sequence[Block]]) -> Plan:
        """Return the plan of all blocks, whose addresses are those of the factors, the product, and what follows."""
        key = len(blocks), strides
        plan = self.plans.get(key)
        if plan is None:
            if len(self.plans) >= PLANS:
                self.plans.clear()
            summed = [At(4 + i, 0) for i in range(2 * len(self.step.sums))]
            plan = self.plans[key] = Plan.of(
                [
                    [
                        step
                        for block in own
                        for step in (
                            self.gemm.planned(strides, inner, block, i),
                            *self._following(block, At(3, 0), summed),
                        )
                    ]
                    for i, own in enumerate(blocks)
                ]
            )
        return plan

    def _following(self, block: Block, arrays: Any, summed: Sequence[Any]) -> list[Step]:
        """Return the steps after a block of the product: of the region, and of the sums."""
        *_, left, right = block
        rows, columns = self.shape
        pairs = zip(summed[::2], summed[1::2], strict=True)
        adding = _sum(self.gemm.dtype.char)
        return [(self.native, arrays, *block), *[(adding, *pair, rows, left, right, columns) for pair in pairs]]


@attrs.frozen(eq=False)
class ClosedConvolution(_Closed):
    """The function of a closed convolution, or of its transpose."""

    def __call__(self, *given: Any) -> Any:
        values = dict(zip(self.step.inputs, given, strict=True))
        product = self.step.product
        assert product.primitive is not None
        columns = self.kernel.columns
        # Where the product is not kept, nobody can look there for what an exception came from.
        again = 0 if self.replacing is None else INVALID
        begun: list[tuple[Following, tuple[Any, ...]]] = []

        def following(y: Any) -> Following:
            values[product.out] = y
            arrays = self.operands(values)
            step = functools.partial(_rows_step, self.native, id(arrays), columns)
            begun.append((Following(step, again), arrays))
            return begun[-1][0]

        operands = (values[n] for n in product.operands)
        values[product.out] = product.primitive.forward(*operands, **product.parameters, following=following)
        met = begun[-1][0].met
        is_again = met & again or is_to_be_repeated(met // MET, self.states)
        return self.reference(given) if is_again else self.results(values)


def _rows_step(native: Native, arrays: int, columns: int, rows: slice) -> Step:
    return native, arrays, rows.start, rows.stop, 0, columns


def closed_code(
    step: Closed,
    program: Program,
    kernel: Kernel,
    library: Library,
    name: str,
    contiguous: Collection[int],
    reference: Callable[[Sequence[Any]], Any],
) -> Callable[..., Any]:
    """Return the function of a closed product or convolution, whose region's kernel is in a library by a name."""
    native = Native(library.address(f"{name}.entry"), "qqqqq")
    shared = (step, program, kernel, native, library, contiguous, reference)
    if step.product.name != "matmul":
        return ClosedConvolution(*shared)
    dtype = program.spaces[step.product.out].dtype
    gemm = None if dtype is None else gemm_for(dtype)
    assert gemm is not None
    return ClosedProduct(*shared, gemm)


@functools.cache
def _sum(char: str) -> Native:
    """Return the function that adds up the rows of some columns."""
    text = sum_text(char, max(processor().vector_size, 16) // np.dtype(char).itemsize)
    library = compile_module(lambda: text, text)
    return Native(library.address("sum_rows"), "qqqqqq", kept=library)


# Vectors whose sums are made at a time: one sum alone waits for each addition.
AT_ONCE = 4


def sum_text(char: str, lanes: int) -> str:
    """Return LLVM's text of a function that adds up rows, each sum in their order.

    Several vectors of columns are added up at a time, then one, then single elements.
    """
    element = {"f": "float", "d": "double"}[char]
    several = _sum_loop(element, "several", AT_ONCE, lanes, before="entry", start="%left", after="one.columns")
    one = _sum_loop(element, "one", 1, lanes, before="several.columns", start="%several.j", after="element.columns")
    rest = _sum_loop(element, "element", 1, 1, before="one.columns", start="%one.j", after="end")
    return _SUM.format(loops=several + one + rest)


def _sum_loop(element: str, name: str, count: int, width: int, *, before: str, start: str, after: str) -> str:
    """Return the loop over columns of one width, of which `count` vectors are added up at a time."""
    kind, size = f"<{width} x {element}>" if width > 1 else element, {"float": 4, "double": 8}[element]
    zero = "zeroinitializer" if width > 1 else "0.0"
    sums = [f"%{name}.s{i} = phi {kind} [ {zero}, %{name}.start ], [ %{name}.n{i}, %{name}.add ]" for i in range(count)]
    adds, stores = [], []
    for i in range(count):
        adds += [
            f"%{name}.c{i} = add i64 %{name}.place, {i * width}",
            f"%{name}.p{i} = getelementptr {element}, ptr %x, i64 %{name}.c{i}",
            f"%{name}.x{i} = load {kind}, ptr %{name}.p{i}, align {size}",
            f"%{name}.n{i} = fadd {kind} %{name}.s{i}, %{name}.x{i}",
        ]
        stores += [
            f"%{name}.d{i} = add i64 %{name}.j, {i * width}",
            f"%{name}.o{i} = getelementptr {element}, ptr %out, i64 %{name}.d{i}",
            f"store {kind} %{name}.s{i}, ptr %{name}.o{i}, align {size}",
        ]
    parts = {"sums": sums, "adds": adds, "stores": stores}
    texts = {key: "\n  ".join(lines) for key, lines in parts.items()}
    return _SUM_LOOP.format(name=name, step=count * width, before=before, start=start, after=after, **texts)


_SUM = """
define i32 @sum_rows(ptr %x, ptr %out, i64 %rows, i64 %left, i64 %right, i64 %columns) {{
entry:
  br label %several.columns
{loops}
end:
  ret i32 0
}}
"""

_SUM_LOOP = """
{name}.columns:
  %{name}.j = phi i64 [ {start}, %{before} ], [ %{name}.next, %{name}.done ]
  %{name}.next = add i64 %{name}.j, {step}
  %{name}.fits = icmp sle i64 %{name}.next, %right
  br i1 %{name}.fits, label %{name}.start, label %{after}
{name}.start:
  br label %{name}.rows
{name}.rows:
  %{name}.r = phi i64 [ 0, %{name}.start ], [ %{name}.r.next, %{name}.add ]
  {sums}
  %{name}.more = icmp slt i64 %{name}.r, %rows
  br i1 %{name}.more, label %{name}.add, label %{name}.done
{name}.add:
  %{name}.row = mul i64 %{name}.r, %columns
  %{name}.place = add i64 %{name}.row, %{name}.j
  {adds}
  %{name}.r.next = add i64 %{name}.r, 1
  br label %{name}.rows
{name}.done:
  {stores}
  br label %{name}.columns
"""
