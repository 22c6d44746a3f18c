"""The Python function of panels: arrays for results, the table of its calls, and sums over the parts of panels."""

from __future__ import annotations

import ctypes
import functools
import itertools
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.kernels.gemm import report_exceptions
from tapenet.kernels.machine_code import Library
from tapenet.kernels.memory import empty, zeros
from tapenet.kernels.teams import Native, shared
from tapenet.program.backends.llvm.kernel_code import Kernel, kernel_of
from tapenet.program.backends.llvm.panel_code import AT_ONCE, UNIT, driver_library, product_address
from tapenet.program.backends.llvm.step_calls import Call
from tapenet.program.backends.llvm.stretch_runner import FAR, REPORTED
from tapenet.program.fusion.panels import Panels
from tapenet.program.fusion.regions import Region
from tapenet.program.fusion.vector_products import Product
from tapenet.program.instructions import Program

# Bytes of a panel of a matrix whose rows lie in order, which stays in the first cache, and of one whose columns do, in
# the second: in short pieces of columns it would be read slowly. Measured: a fifth of the time for 20,000 x 200.
PANEL_OF_ROWS, PANEL_OF_COLUMNS = 2**14, 2**18

# Bytes of the part of a matrix that has sums of its own, which a thread makes, and the most parts.
PART, MOST_PARTS = 2**20, 64

# Bytes from which on the interpreter's lock is released.
LONG = 2**20

# Layouts of a matrix that tables are kept for.
_MOST_TABLES = 64


def kernel_along(region: Region, program: Program, length: int) -> Kernel | None:
    """Return the kernel of a region that can be cut along an axis of its values of this length; None without one."""
    shapes = {program.spaces[x.out].shape for x in region.instructions}
    if len(shapes) > 1:
        return None
    shape = program.shape_of(region.outputs[0])
    kernel = kernel_of(region, program, keeps_rows=len(shape) > 1 and shape[-1] == length)
    return kernel if kernel is not None and kernel.columns == length else None


@attrs.frozen(eq=False)
class Parts:
    """How an axis is cut: into so many parts, of so many rows each but the last one."""

    count: int
    rows: int

    @classmethod
    def of(cls, length: int, size: int) -> Parts:
        """Cut an axis of a matrix of `size` bytes."""
        wanted = max(1, min(MOST_PARTS, size // PART))
        rows = -(-length // (wanted * UNIT)) * UNIT
        count = -(-length // rows)
        if count > 1 and length - (count - 1) * rows < UNIT:
            count -= 1
        return cls(count, rows)


@attrs.frozen(eq=False)
class _Tables:
    """Tables of panels, for each layout of the matrix.

    Attributes:
        step: what the tables are of.
        program: that the step is of.
        kernels: of the regions.
        functions: the addresses of these.
        places: of arrays and numbers among those that are given, by their numbers.
        arrays: how many arrays there are.
        parts: how the axis is cut.
        known: the tables and their addresses, by the strides of the matrix; None for one that is to be copied.
    """

    step: Panels
    program: Program
    kernels: Sequence[Kernel]
    functions: Sequence[int]
    places: Mapping[int, int]
    arrays: int
    parts: Parts
    known: dict[tuple[int, ...], tuple[Any, int] | None] = attrs.field(factory=dict)

    def laid(self, matrix: Any) -> tuple[Any, int]:
        """Return a matrix, or a copy whose memory can be used, and the address of its table."""
        found = self._table(matrix.strides)
        if found is None:
            matrix = np.ascontiguousarray(matrix)
            found = self._table(matrix.strides)
        assert found is not None
        return matrix, found[1]

    def _table(self, strides: tuple[int, ...]) -> tuple[Any, int] | None:
        if strides not in self.known:
            if len(self.known) >= _MOST_TABLES:
                self.known.clear()
            words = self._words(strides)
            table = None if words is None else np.array(words, np.int64)
            self.known[strides] = None if table is None else (table, table.ctypes.data)
        return self.known[strides]

    def _words(self, strides: tuple[int, ...]) -> list[int] | None:
        """Return the table for a layout; None where neither rows nor columns lie in order."""
        shape, axis = self.program.shape_of(self.step.matrix), self.step.axis
        length, width = shape[axis], shape[1 - axis]
        char = np.dtype(self.program.spaces[self.step.matrix].dtype).char
        size = np.dtype(char).itemsize
        if any(stride % size for stride in strides):
            return None
        along, across = strides[axis] // size, strides[1 - axis] // size
        has_rows, has_columns = across == 1 or width == 1, along == 1 or length == 1
        if not has_rows and not has_columns:
            return None
        by_rows = has_rows and (width >= length or not has_columns)
        panel = max(1, (PANEL_OF_ROWS if by_rows else PANEL_OF_COLUMNS) // (UNIT * width * size)) * UNIT
        calls = list(self._calls(char, by_rows, along if by_rows else across, length, width))
        count = max(self.places.values()) + 1
        head = [count, self.arrays, length, self.parts.rows, panel, self.parts.count, len(calls)]
        return [*head, *itertools.chain.from_iterable([function, len(words), *words] for function, words in calls)]

    def _calls(
        self, char: str, by_rows: bool, stride: int, length: int, width: int
    ) -> Iterator[tuple[int, Sequence[int]]]:
        """Return the functions that are called for each panel, with their words."""
        matrix = (self.places[self.step.matrix], stride, width)

        def products(own: Sequence[Product], is_forward: bool) -> Iterator[tuple[int, Sequence[int]]]:
            for reports in (True, False):
                chosen = (x for x in own if x.reports == reports)
                vectors = [words for x in chosen for words in self._vectors(x, is_forward, length, width)]
                for group in _groups(vectors, AT_ONCE):
                    function = product_address(char, len(group), is_forward=is_forward, by_rows=by_rows)
                    words = itertools.chain.from_iterable(group)
                    yield function, (*matrix, REPORTED if reports else 0, *words)

        yield from products(self.step.forward, True)
        for kernel, function, region in zip(self.kernels, self.functions, self.step.regions, strict=True):
            numbers = (*kernel.operands, *region.outputs, *kernel.scalars)
            yield function, [self.places[n] for n in numbers]
        for x in self.step.totals:
            yield driver_library().address(f"total_{char}"), (self.places[x.operands[0]], self.places[x.out])
        yield from products(self.step.across, False)

    def _vectors(self, product: Product, is_forward: bool, length: int, width: int) -> Iterator[tuple[int, ...]]:
        """Return the words of each vector of a product."""
        given, made = (width, length) if is_forward else (length, width)
        places = self.places[product.vectors], self.places[product.instruction.out]
        of_part = 0 if is_forward else product.count * width
        for i in range(product.count):
            yield (places[0], i * given, places[1], i * made, of_part)


def _groups(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[i : i + size] for i in range(0, len(items), size))


def panels_function(
    step: Panels,
    program: Program,
    kernels: Sequence[Kernel],
    names: Sequence[str],
    library: Library | None,
    contiguous: Collection[int],
) -> Callable[..., Any]:
    """Return the Python function of panels.

    Args:
        step: what it computes.
        program: that the step is of.
        kernels: of its regions.
        names: of their functions for panels, in a library.
        library: None where there are no regions.
        contiguous: the values that machine code makes.
    """
    functions = [] if library is None else [library.address(name) for name in names]
    return _Function(step, program, kernels, functions, library).written(contiguous)


@attrs.frozen(eq=False)
class _Function:
    """Writes the Python function of panels.

    Attributes:
        step: what it computes.
        program: that the step is of.
        kernels: of its regions.
        functions: the addresses of these.
        library: what holds these.
    """

    step: Panels
    program: Program
    kernels: Sequence[Kernel]
    functions: Sequence[int]
    library: Library | None

    @functools.cached_property
    def along(self) -> list[int]:
        """The values that are made as long as the axis."""
        return [x.instruction.out for x in self.step.forward] + [n for x in self.step.regions for n in x.outputs]

    @functools.cached_property
    def across(self) -> list[int]:
        """The values that are sums over the axis."""
        return [x.instruction.out for x in self.step.across]

    @functools.cached_property
    def read(self) -> list[int]:
        """The arrays that are read, beside the matrix."""
        vectors = [x.vectors for x in (*self.step.forward, *self.step.across)]
        operands = [n for kernel in self.kernels for n in kernel.operands]
        made = {*self.along, *self.step.views}
        return [n for n in dict.fromkeys((*vectors, *operands)) if n not in made]

    def written(self, contiguous: Collection[int]) -> Callable[..., Any]:
        """Return the function."""
        step, program = self.step, self.program
        dtype, shape = program.spaces[step.matrix].dtype, program.shape_of(step.matrix)
        assert dtype is not None
        touched = math.prod(shape) * dtype.itemsize
        parts = Parts.of(step.length, touched)
        totals = [x.out for x in step.totals]
        arrays = [step.matrix, *self.read, *self.along, *self.across, *totals]
        scalars = list(dict.fromkeys(n for kernel in self.kernels for n in kernel.scalars))
        places = {n: i for i, n in enumerate((*arrays, *scalars))}
        places |= {n: places[root] for n, root in step.views.items()}
        tables = _Tables(step, program, self.kernels, self.functions, places, len(arrays), parts)
        call = Call(step, program, {"laid": tables.laid, "library": self.library, "report": report_exceptions})
        call.names.update({"empty": empty, "zeros": zeros, "dtype": dtype, "add": np.add.reduce, "full": np.full})
        called = {**{n: f"t{i}" for i, n in enumerate(self.along)}, **call.own}
        matrix = called[step.matrix]
        lines = [*call.beginning(self.read, contiguous, ()), f"    {matrix}, table = laid({matrix})"]
        for n in self.along:
            lines.append(f"    {called[n]} = empty({program.shape_of(n)}, {call.dtype(n)})")
        for n in self.across:
            own = program.shape_of(n)
            lines.append(f"    {called[n]} = zeros({own if parts.count == 1 else (parts.count, *own)}, dtype)")
        lines += [f"    {called[n]} = zeros(({parts.count},), dtype)" for n in totals]
        given = [*(called[n] for n in arrays), *(f"float({called[n]})" for n in scalars)]
        lines += [f"    values = ({', '.join(given)},)", *_lines_of_run(call.names, parts.count, touched)]
        if parts.count > 1:
            lines += [f"    {called[n]} = add({called[n]}, axis=0)" for n in self.across]
        for x in step.totals:
            name, space = called[x.out], program.spaces[x.out]
            total = f"add({name})" if parts.count > 1 else f"{name}[0]"
            total = f"{total} / {step.length}" if x.name == "mean" else total
            lines.append(f"    {name} = full({space.shape}, {total})" if space.is_array else f"    {name} = {total}")
        lines.append(f"    again = met >= {FAR} and is_to_be_repeated(met // {FAR}, states)")
        lines.append(f"    if met & {REPORTED} and not again: report(dtype, met)")
        return call.function([*lines, "    if again:"])


def _lines_of_run(names: dict[str, Any], parts: int, touched: int) -> list[str]:
    """Return the lines that do all panels, on several threads where they touch so many bytes; note their names."""
    address = driver_library().address("panels")
    prototype = ctypes.CFUNCTYPE if touched >= LONG else ctypes.PYFUNCTYPE
    kinds = (ctypes.c_void_p, ctypes.py_object, ctypes.c_int64, ctypes.c_int64)
    names["run"] = prototype(ctypes.c_int32, *kinds)(address)
    if parts == 1:
        return ["    met = run(table, values, 0, 1)"]
    names.update({"shared": shared, "native": Native(address, "qqqq")})
    part = "part.start, part.stop"
    return [
        f"    met = shared(lambda part: (native, table, id(values), {part}),",
        f"        lambda part: run(table, values, {part}), {parts}, {touched})",
    ]
