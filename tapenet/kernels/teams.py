"""Teams: compiled functions called by several threads at once, without the interpreter and without its lock.

A helper that waits in the interpreter takes 50 to 100 microseconds to come: the system wakes it, and then it waits for
the interpreter's lock, half the time that a product of a training step takes. So helpers of a team that have come stay
for a fraction of a millisecond, in machine code, and look for the next call. Calls follow each other so closely within
the step of a network, and nowhere else: the time that is spent on looking is bounded.

A call consists of parts, and a part of calls of compiled functions, one after the other. Threads take parts as they
come: the calling one, and helpers. So a call makes progress where no helper can be started or all are busy. It returns
when all parts are done. What a part computes does not depend on which thread does it.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import itertools
import operator
import os
import struct
import threading
from array import array
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import attrs
import numpy as np

from tapenet.kernels import backends, threads
from tapenet.kernels.processors import num_threads

# How often a helper looks for the next call before it leaves, how often the calling thread looks for the end of one
# before it offers its processor to others, and how often a helper looks between two such offers. Between looks the
# processor pauses, some 20 nanoseconds.
LOOKS, PATIENCE, BETWEEN = 2**13, 2**10, 2**6

# Eightfold bytes from one counter to the next: each has a line of the cache of its own.
_LINE = 8
_DONE, _PRESENT, _MET, _TABLE, _YIELD, _LEAVE = (i * _LINE for i in range(1, 7))


@attrs.frozen(eq=False)
class Native:
    """A compiled function that returns an `i32`.

    Attributes:
        address: of the function.
        kinds: of its arguments: "q" for each integer and each address, "d" for each float64.
        flag: what is returned in place of anything but 0; 0 to return what the function does.
        kept: what holds the function's code, where nothing else does.
    """

    address: int
    kinds: str
    flag: int = 0
    kept: Any = None

    @functools.cached_property
    def format(self) -> struct.Struct:
        """How a call is written down: its length, what calls the function, its address, and the arguments."""
        return struct.Struct(f"=qqq{self.kinds}")

    @functools.cached_property
    def caller(self) -> int:
        """The address of what reads the arguments of a call and makes it."""
        return int(_library(self.kinds, self.flag).address("call"))

    @functools.cached_property
    def call(self) -> Callable[..., int]:
        """The function, as Python calls it."""
        kinds = [ctypes.c_int64 if kind == "q" else ctypes.c_double for kind in self.kinds]
        function: Callable[..., int] = ctypes.CFUNCTYPE(ctypes.c_int32, *kinds)(self.address)
        return (lambda *arguments: self.flag if function(*arguments) else 0) if self.flag else function


Step = tuple[Any, ...]  # a Native and its arguments
Parts = Sequence[Sequence[Step]]


class At(NamedTuple):
    """An argument of a plan's step: so many bytes behind one of the addresses that each call has."""

    which: int
    offset: int


@attrs.frozen(eq=False)
class Plan:
    """Parts that are written down once, for calls that differ in addresses alone.

    Attributes:
        words: the calls of all parts, one after the other.
        firsts: where each part begins, in bytes.
        moved: which words an address of the call is added to, and the number of that address.
        parts: what is written down.
        kept: what holds the memory of other addresses.
    """

    words: array[int]
    firsts: list[int]
    moved: list[tuple[int, int]]
    parts: Parts
    kept: Any

    def run(self, addresses: Sequence[int]) -> int:
        """Do all parts with these addresses in this thread alone, and return what `Team.run_plan` does."""
        met = 0
        for native, *arguments in itertools.chain.from_iterable(self.parts):
            met |= native.call(*[addresses[x.which] + x.offset if type(x) is At else x for x in arguments])
        return met

    @classmethod
    def of(cls, parts: Parts, kept: Any = None) -> Plan:
        """Write parts down, some of whose arguments are `At`."""
        written, firsts, moved = [], [], []
        length = 0
        for steps in parts:
            firsts.append(length)
            for native, *arguments in steps:
                first = length // 8 + _BEFORE_ARGUMENTS
                moved += [(first + i, x.which) for i, x in enumerate(arguments) if type(x) is At]
                written.append(_written((native, *[x.offset if type(x) is At else x for x in arguments])))
                length += len(written[-1])
            written.append(_END)
            length += len(_END)
        return cls(array("q", b"".join(written)), firsts, moved, parts, kept)


class Team:
    """Threads, and the memory that they find calls in."""

    def __init__(self) -> None:
        self.lock = threading.Lock()  # one call at a time
        memory = np.zeros(8 * _LINE, np.int64)
        address = memory.ctypes.data
        self._memory = memory[-(address // 8) % _LINE :]
        self._address = self._memory.ctypes.data
        self._memory[_YIELD] = _address_of_yield()
        self._calls = 0
        self._run, self._serve = _functions()
        threads.before_asking(self.dismiss)

    def run(self, parts: Parts) -> int:
        """Do all parts, on as many threads as there are, and return what the functions returned, joined by or."""
        texts = [b"".join([*map(_written, steps), _END]) for steps in parts]
        text = ctypes.create_string_buffer(b"".join(texts))
        first = ctypes.addressof(text)
        table = (ctypes.c_int64 * len(parts))()
        for i, own in enumerate(texts):
            table[i] = first
            first += len(own)
        return self._do(ctypes.addressof(table), len(parts))

    def run_plan(self, plan: Plan, addresses: Sequence[int]) -> int:
        """Do all parts of a plan with these addresses, as `run` does parts."""
        # Arrays of Python's: NumPy's take several times as long to change a few words.
        words = plan.words[:]
        for place, which in plan.moved:
            words[place] += addresses[which]
        start, _ = words.buffer_info()
        table = array("q", [start + first for first in plan.firsts])
        return self._do(table.buffer_info()[0], len(table))

    def _do(self, table: int, count: int) -> int:
        """Do the parts that a table holds the addresses of."""
        # Less than none are present where a signal's handler raised between asking for helpers and counting them.
        missing = min(num_threads(), count) - 1 - max(0, int(self._memory[_PRESENT]))
        asked = threads.ask_for_help(self, missing) if missing > 0 else 0
        self._calls += 1
        return int(self._run(self._address, table, count, self._calls, asked))

    def help(self) -> None:
        """Do parts of calls until none has come for a while: what a helper does."""
        self._serve(self._address)

    def dismiss(self) -> None:
        """Let helpers leave for other work at once."""
        self._memory[_LEAVE] = 1


# Eightfold bytes of a call before its arguments.
_BEFORE_ARGUMENTS = 3


def _written(step: Step) -> bytes:
    native, *arguments = step
    form = native.format
    return bytes(form.pack(form.size, native.caller, native.address, *arguments))


_END = struct.pack("=q", 0)


@attrs.define(eq=False)
class Following:
    """A compiled function that is called on some rows of an array after the other, once they are written.

    Attributes:
        step: returns its call for some rows.
        again: exceptions of what is followed after which all is computed again, and reported then.
        met: what the calls returned, joined by or.
    """

    step: Callable[[slice], Step]
    again: int = 0
    met: int = 0

    def after(self, count: int, size: int) -> None:
        """Call it for all rows of a whole array that has been written, of so many bytes."""
        self.met |= done([[self.step(part)] for part in threads.parts_of(count, size)])


@attrs.define
class _Now:
    team: Team | None = None


_now = _Now()


class FreeTeam:
    """See `free_team`. A generator would take three times as long to enter."""

    __slots__ = ("_team",)

    def __enter__(self) -> Team | None:
        self._team: Team | None = None
        if threads.is_working() or num_threads() == 1 or not has_teams():
            return None
        if _now.team is None:
            _now.team = Team()
        if _now.team.lock.acquire(blocking=False):
            self._team = _now.team
        return self._team

    def __exit__(self, *raised: object) -> None:
        if self._team is not None:
            self._team.lock.release()


def free_team() -> FreeTeam:
    """Give the team for one call; None where there is none, it is in use, or this thread does a part of other work."""
    return FreeTeam()


def shared(step: Callable[[slice], Step], alone: Callable[[slice], int], count: int, size: int) -> int:
    """Share the call of one compiled function among threads, as `threads.share` shares work; join its results by or.

    Args:
        step: returns the function and its arguments for a slice of range(count).
        alone: calls the function for a slice, where there is no team.
        count, size: as for `threads.share`.
    """
    parts = threads.parts_of(count, size)
    if len(parts) > 1:
        with free_team() as team:
            if team is not None:
                return team.run([[step(part)] for part in parts])
    results: list[int] = []
    threads.share(lambda part: results.append(alone(part)), count, size)
    return functools.reduce(operator.or_, results, 0)


def done(parts: Parts) -> int:
    """Do all parts, by the team or else by this thread alone, and return what functions returned, joined by or."""
    if len(parts) > 1:
        with free_team() as team:
            if team is not None:
                return team.run(parts)
    return functools.reduce(operator.or_, (native.call(*rest) for steps in parts for native, *rest in steps), 0)


def has_teams() -> bool:
    """Return whether there is code for teams on this processor."""
    return backends.has_machine_code() and _has_vectors()


@functools.cache
def _has_vectors() -> bool:
    return bool(_machine_code().processor().vector_size > 0)


def _after_fork() -> None:
    """Start over in a child process, which has no helpers."""
    _now.team = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


# ---- machine code ----


def _machine_code() -> Any:
    # Imported at the first call: it needs llvmlite, and modules that importing tapenet does not.
    return importlib.import_module("tapenet.kernels.machine_code")


def _address_of_yield() -> int:
    """Return the address of the system's function that offers the processor to other threads; 0 without one."""
    try:
        library = ctypes.CDLL(None) if os.name == "posix" else ctypes.CDLL("kernel32")
        function = library.sched_yield if os.name == "posix" else library.SwitchToThread
        return int(ctypes.cast(function, ctypes.c_void_p).value or 0)
    except (OSError, AttributeError):
        return 0


@functools.cache
def _functions() -> tuple[Callable[..., int], Callable[..., None]]:
    """Return what does the parts of a call, and what helpers do."""
    text = _MODULE.format(
        done=_DONE,
        present=_PRESENT,
        met=_MET,
        table=_TABLE,
        yields=_YIELD,
        leave=_LEAVE,
        looks=LOOKS,
        patience=PATIENCE,
        between=BETWEEN - 1,
    )
    library = _kept(_machine_code().compile_module(lambda: text, text))
    length, pointer = ctypes.c_int64, ctypes.c_void_p
    run = ctypes.CFUNCTYPE(ctypes.c_int32, pointer, pointer, length, length, length)(library.address("run"))
    serve = ctypes.CFUNCTYPE(None, pointer)(library.address("serve"))
    return run, serve


@functools.cache
def _library(kinds: str, flag: int) -> Any:
    """Return the code that reads arguments of these kinds and calls a function with them."""
    text = _caller(kinds, flag)
    return _kept(_machine_code().compile_module(lambda: text, text))


def _kept(library: Any) -> Any:
    """Return a library whose code stays to the end of the process: a helper may still run it when modules go."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(library.engine))
    return library


def _caller(kinds: str, flag: int) -> str:
    types = ["i64" if kind == "q" else "double" for kind in kinds]
    lines = []
    for i, kind in enumerate(types):
        lines.append(f"%at{i} = getelementptr i64, ptr %call, i64 {3 + i}")
        lines.append(f"%a{i} = load {kind}, ptr %at{i}, align 8")
    given = ", ".join(f"{kind} %a{i}" for i, kind in enumerate(types))
    end = f"%is.set = icmp ne i32 %result, 0\n  %flag = select i1 %is.set, i32 {flag}, i32 0\n  ret i32 %flag"
    body = "\n  ".join(lines)
    return f"""
define i32 @call(ptr %call) {{
  %at = getelementptr i64, ptr %call, i64 2
  %function = load ptr, ptr %at
  {body}
  %result = call i32 %function({given})
  {end if flag else "ret i32 %result"}
}}
"""


# A word holds the number of the call and how many of its parts no thread has taken: who takes one changes it, if it is
# still what it was when the table of the parts was read. So no thread takes a part of one call for that of another.
_MODULE = """
declare void @llvm.x86.sse2.pause()

define internal void @take(ptr %state) {{
entry:
  %table.at = getelementptr i64, ptr %state, i64 {table}
  %met.at = getelementptr i64, ptr %state, i64 {met}
  %done.at = getelementptr i64, ptr %state, i64 {done}
  br label %look
look:
  %word = load atomic i64, ptr %state acquire, align 8
  %left = and i64 %word, 65535
  %is.none = icmp eq i64 %left, 0
  br i1 %is.none, label %end, label %try
try:
  %table.now = load atomic i64, ptr %table.at monotonic, align 8
  %next = sub i64 %word, 1
  %pair = cmpxchg ptr %state, i64 %word, i64 %next acq_rel monotonic
  %is.mine = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %is.mine, label %part, label %look
part:
  %table = inttoptr i64 %table.now to ptr
  %place = sub i64 %left, 1
  %first.at = getelementptr ptr, ptr %table, i64 %place
  %first = load ptr, ptr %first.at
  br label %step
step:
  %call = phi ptr [ %first, %part ], [ %call.next, %made ]
  %met = phi i32 [ 0, %part ], [ %met.next, %made ]
  %length = load i64, ptr %call
  %is.last = icmp eq i64 %length, 0
  br i1 %is.last, label %finish, label %made
made:
  %caller.at = getelementptr i64, ptr %call, i64 1
  %caller = load ptr, ptr %caller.at
  %own = call i32 %caller(ptr %call)
  %met.next = or i32 %met, %own
  %call.next = getelementptr i8, ptr %call, i64 %length
  br label %step
finish:
  %met.wide = zext i32 %met to i64
  %met.before = atomicrmw or ptr %met.at, i64 %met.wide monotonic
  %done.before = atomicrmw add ptr %done.at, i64 1 release
  br label %look
end:
  ret void
}}

define i32 @run(ptr %state, ptr %table, i64 %count, i64 %number, i64 %asked) {{
entry:
  %table.at = getelementptr i64, ptr %state, i64 {table}
  %met.at = getelementptr i64, ptr %state, i64 {met}
  %done.at = getelementptr i64, ptr %state, i64 {done}
  %present.at = getelementptr i64, ptr %state, i64 {present}
  %yield.at = getelementptr i64, ptr %state, i64 {yields}
  %leave.at = getelementptr i64, ptr %state, i64 {leave}
  %present.before = atomicrmw add ptr %present.at, i64 %asked monotonic
  store atomic i64 0, ptr %leave.at monotonic, align 8
  store atomic i64 0, ptr %met.at monotonic, align 8
  store atomic i64 0, ptr %done.at monotonic, align 8
  %table.now = ptrtoint ptr %table to i64
  store atomic i64 %table.now, ptr %table.at monotonic, align 8
  %high = shl i64 %number, 16
  %word = or i64 %high, %count
  store atomic i64 %word, ptr %state release, align 8
  call void @take(ptr %state)
  %yield = load ptr, ptr %yield.at
  %has.yield = icmp ne ptr %yield, null
  br label %look
look:
  %looks = phi i64 [ 0, %entry ], [ %looks.next, %pause ], [ %looks, %offer ]
  %done = load atomic i64, ptr %done.at acquire, align 8
  %is.done = icmp eq i64 %done, %count
  br i1 %is.done, label %end, label %wait
wait:
  %is.long = icmp sge i64 %looks, {patience}
  %offers = and i1 %is.long, %has.yield
  br i1 %offers, label %offer, label %pause
offer:
  %ignored = call i32 %yield()
  br label %look
pause:
  call void @llvm.x86.sse2.pause()
  %looks.next = add i64 %looks, 1
  br label %look
end:
  %met.wide = load atomic i64, ptr %met.at monotonic, align 8
  %met = trunc i64 %met.wide to i32
  ret i32 %met
}}

define void @serve(ptr %state) {{
entry:
  %present.at = getelementptr i64, ptr %state, i64 {present}
  %leave.at = getelementptr i64, ptr %state, i64 {leave}
  %yield.at = getelementptr i64, ptr %state, i64 {yields}
  %yield = load ptr, ptr %yield.at
  %has.yield = icmp ne ptr %yield, null
  br label %work
work:
  call void @take(ptr %state)
  br label %look
look:
  %looks = phi i64 [ 0, %work ], [ %looks.next, %wait ], [ %looks.next, %offer ]
  %word = load atomic i64, ptr %state acquire, align 8
  %left = and i64 %word, 65535
  %is.work = icmp ne i64 %left, 0
  br i1 %is.work, label %work, label %pause
pause:
  call void @llvm.x86.sse2.pause()
  %looks.next = add i64 %looks, 1
  %leaves = load atomic i64, ptr %leave.at monotonic, align 8
  %is.wanted = icmp ne i64 %leaves, 0
  %is.long = icmp sge i64 %looks.next, {looks}
  %is.over = or i1 %is.long, %is.wanted
  br i1 %is.over, label %leave, label %wait
wait:
  %rest = and i64 %looks.next, {between}
  %is.turn = icmp eq i64 %rest, 0
  %offers = and i1 %is.turn, %has.yield
  br i1 %offers, label %offer, label %look
offer:
  %ignored = call i32 %yield()
  br label %look
leave:
  %present.before = atomicrmw sub ptr %present.at, i64 1 monotonic
  ret void
}}
"""
