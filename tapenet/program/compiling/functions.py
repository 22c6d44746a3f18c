"""`compile`: a function becomes programs, one for each signature and each way that it goes."""

from __future__ import annotations

import functools
import sys
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, Generic, ParamSpec, TypeVar

import attrs
from numpy.random import Generator

from tapenet.core.argument_checks import check_transform, checked_choice, checked_flag, shown
from tapenet.core.pytrees import tree_flatten_with_static, tree_unflatten
from tapenet.core.recorder import INSTRUMENTS
from tapenet.core.source_lines import warn_at_user_line
from tapenet.core.tensor import NUMBERS, Tensor, resolve
from tapenet.errors import ArgumentError, ArgumentTypeError, CompileWarning
from tapenet.kernels.layouts import Layout
from tapenet.kernels.memory import sparing
from tapenet.program.backends import llvm_code, numpy_code
from tapenet.program.compiling.bound import BoundFunction
from tapenet.program.compiling.calls import Call, StaticArguments, looked_up
from tapenet.program.compiling.costs import Cost, cost_of
from tapenet.program.compiling.lowered import Lowered, argument_paths
from tapenet.program.compiling.signatures import number_key, number_of
from tapenet.program.compiling.specializing import is_specialized
from tapenet.program.compiling.variants import (
    MOST_PROGRAMS,
    Around,
    Run,
    Signature,
    Variant,
    are_alike,
    changing,
    choices_of_varying,
    forget_containers,
    same_programs,
    same_ways,
)
from tapenet.program.instructions import Program
from tapenet.program.passes import optimized
from tapenet.program.recording.environment import (
    Environment,
    environment_of,
    surroundings_of,
    with_surroundings,
)
from tapenet.program.recording.generators import SharedStreams, saved
from tapenet.program.recording.recorder import RECORDING, RefusedError, UnsupportedError
from tapenet.program.recording.tracing import (
    Recorded,
    RepeatedEffectError,
    needs_confirmation,
    owned_result,
    record,
    same_constants,
)
from tapenet.transforms.calls import name_of
from tapenet.transforms.transformed import is_found_by_name

P = ParamSpec("P")
Value = TypeVar("Value")


class CompiledFunction(Generic[P, Value]):
    """A function that records and runs programs; made by `compile`.

    Attributes:
        programs: those recorded so far.
    """

    __qualname__: str

    def __init__(
        self,
        f: Callable[P, Value],
        backend: Callable[[Program, frozenset[int]], Run],
        static_argnames: frozenset[str],
        donate: tuple[int, ...],
        fullgraph: bool,
        options: dict[str, Any],
        ahead: bool = False,
    ) -> None:
        if hasattr(f, "__name__"):
            functools.update_wrapper(self, f, updated=())
        self._f: Callable[..., Any] = f
        self._static = StaticArguments.of(f, static_argnames)
        self._donate = donate
        self._fullgraph = fullgraph
        self._backend = backend
        self._options = options
        self._ahead = ahead
        self._around: Around | None = None
        self._arounds: tuple[Around, ...] = ()  # the last ones, the latest first
        self._said_that_it_changes = False
        self._changes = 0  # of what is around it, without a run of a program between
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<compiled function {name_of(self._f)}, {len(self.programs)} programs>"

    def __copy__(self) -> CompiledFunction[P, Value]:
        return self

    def __deepcopy__(self, memo: Any) -> CompiledFunction[P, Value]:
        return self  # as functions are

    def __reduce__(self) -> Any:
        if is_found_by_name(self):  # as behind a decorator
            return self.__qualname__
        return (compile_ahead, (self._f,)) if self._ahead else (_made_again, (self._f, self._options))

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Return the compiled method of an instance, where the function is one of a class."""
        if instance is None or isinstance(self._f, staticmethod):
            return self
        return BoundFunction(self, instance)

    @property
    def inlined(self) -> Callable[..., Any]:
        """The function itself, which runs where the call is part of another recording."""
        return self._f

    @property
    def programs(self) -> tuple[Program, ...]:
        """The programs recorded so far."""
        known = [known for around in self._arounds for known in around.signatures.values()]
        return tuple([variant.program for own in known for variant in own.variants])

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Value:
        """Run the program of these arguments; record it where there is none."""
        if RECORDING.get() is not None:
            return self._f(*args, **kwargs)
        if INSTRUMENTS.get() is not None or _is_debugged():
            return self._eagerly(*args, **kwargs)
        call = self._call(args, kwargs)
        if call is None:
            return self._f(*args, **kwargs)
        known = call.known
        if known is not None:
            if known.eager:
                return self._eagerly(*args, **kwargs)
            found, result = known.answer(call.leaves)
            if found:
                call.around.ran = True
                return result
        return self._by_program(call) if self._ahead else self._recorded(call)

    def _eagerly(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the function itself gives, in arrays of the caller's."""
        return owned_result(functools.partial(self._f, *args, **kwargs))

    def _by_program(self, call: Call) -> Any:
        """Record a call as often as its program needs, and return what the program gives."""
        for _ in range(2):
            restore = saved(call.generators)
            result = self._recorded(call)
            known = call.around.signatures[call.key]
            if known.eager:
                return result
            restore()
            found, result = known.answer(call.leaves)
            if found:
                return result
        return self._recorded(call)

    def lower(self, *args: P.args, **kwargs: P.kwargs) -> Lowered:
        """Return the program of these arguments, recorded now where there is none; `print` it, or write it in C.

        Raises:
            ArgumentError: the function runs eagerly for them; says why.
        """
        variant, call = self._variant_for("lower", args, kwargs)
        places = call.around.environment.places
        paths = argument_paths(self._f, tree_unflatten(call.spec, call.leaves), places)
        pairs = zip(variant.program.inputs, variant.recorded.inputs, strict=False)  # what is live comes last
        return Lowered.of(variant.program, {number: paths[place] for number, place in pairs})

    def cost(self, *args: P.args, **kwargs: P.kwargs) -> Cost:
        """Return what the program of these arguments costs."""
        variant, _ = self._variant_for("cost", args, kwargs)
        return cost_of(variant.program, variant.seconds)

    # ---- recording ----

    def _variant_for(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Variant, Call]:
        call = self._call(args, kwargs)
        if call is None:
            raise ArgumentError(f"{name_of(self._f)}.{method}: arguments must be arrays off any open tape.")
        for _ in range(2):
            known = call.around.signatures.get(call.key)
            if known is None or not known.eager:
                variant = None if known is None else next((x for x in known.variants if x.fits(call.leaves)), None)
                if variant is not None:
                    return variant, call
                restore = saved(call.generators)
                self._recorded(call)
                restore()
        known = call.around.signatures[call.key]
        raise ArgumentError(
            f"{name_of(self._f)}.{method}: the function must be one that compiles; it runs eagerly: {known.eager}."
        )

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        """Return a call split into leaves; None for one that a surrounding recording handles."""
        own = self._around
        if own is None or not own.environment.is_current():
            own = self._now_around()
        else:
            own.change = ""
        around = own.environment
        if around.recordings and any(recording.is_open for recording in around.recordings):
            return None
        static, args, kwargs = self._static.split(args, kwargs)
        leaves, spec = tree_flatten_with_static((args, kwargs, around.values()), none_is_leaf=True, in_order=True)
        last = own.last
        if last is not None and last.is_of(leaves, spec):
            return Call(last.key, own, last, len(last.variants), leaves, spec, static, [], args, kwargs, "")
        kinds = {*map(type, leaves)}
        for i, leaf in enumerate(leaves) if Tensor in kinds else ():
            if type(leaf) is Tensor:
                leaves[i] = resolve(leaf)
                if type(leaves[i]) is Tensor:
                    return None
        generators = [i for i, x in enumerate(leaves) if type(x) is Generator] if Generator in kinds else []
        key, known, reason = looked_up(own, leaves, spec, static, generators)
        if known is not None and not known.are_surroundings_current():
            known = own.signatures[key] = Signature(changes=known.changes + 1, eager=known.eager)
        elif known is not None and not self._static.names:
            own.last = known
            if known.spec is None:
                known.key, known.spec, known.layout = key, spec, Layout.of(leaves)
        count = 0 if known is None else len(known.variants)
        return Call(key, own, known, count, leaves, spec, static, [leaves[i] for i in generators], args, kwargs, reason)

    def _now_around(self) -> Around:
        """Return what is around the function now, which may have been there before."""
        found = next((x for x in self._arounds if x.environment.is_current()), None)
        if found is None:
            found = Around(environment_of(self._f))
            last = self._around
            if last is not None:
                self._changes = 0 if last.ran else self._changes + 1
                found.change = last.environment.changed() if self._changes >= MOST_PROGRAMS else ""
        with self._lock:
            self._arounds = (found, *[x for x in self._arounds if x is not found][: MOST_PROGRAMS - 1])
            self._around = found
        return found

    def _recorded(self, call: Call) -> Any:
        """Record a call, keep its program, and return its result; run it eagerly where that cannot be."""
        self._check_donated(call)
        known = call.around.signatures.setdefault(call.key, Signature())
        environment = call.around.environment
        if known.surroundings is None:
            known.surroundings = surroundings_of((call.args, call.kwargs), call.static, environment.names)
        reasons = (call.reason, *environment.writes, *known.surroundings.writes, changing(call.around, known))
        reason = next(filter(None, reasons), "")
        if not reason and len(known.variants) >= MOST_PROGRAMS:
            reason = (
                f"it went more than {MOST_PROGRAMS} ways for arguments of one signature. Write tnp.where for a branch, "
                "and pass numbers that vary as arrays"
            )
        environment = with_surroundings(environment, known.surroundings)
        streams = SharedStreams.now()
        restore = call.saved(environment, streams)
        if not reason:
            for numbers in choices_of_varying(known, call.leaves, environment):
                try:
                    trouble, result = self._attempt(known, call, numbers, environment, streams, restore)
                except RepeatedEffectError as error:
                    trouble, result = str(error), error.result
                    forget_containers(call.around, known)
                except RefusedError:
                    raise
                except Exception as error:
                    reason = _reason(error)
                    restore()
                    continue
                if trouble:
                    self._set_eager(known, trouble)
                return result
        if self._fullgraph:
            self._set_eager(known, reason)
        args, kwargs = call.whole()
        result = self._eagerly(*args, **kwargs)  # raises where the function itself does
        if not call.around.environment.is_current():
            forget_containers(call.around, known)
        self._set_eager(known, reason, lasting=not call.around.change)
        return result

    def _check_donated(self, call: Call) -> None:
        """Raise where what is given up is not a positional argument."""
        count = len(call.args)
        named = [place % count for place in self._donate if -count <= place < count]
        if len({*named}) < len(self._donate):
            raise ArgumentError(
                f"compile: donate_argnums must name positional arguments, of which there are {count}, once each; "
                f"got {', '.join(map(str, self._donate))}."
            )

    def _attempt(
        self,
        known: Signature,
        call: Call,
        varying: frozenset[int],
        environment: Environment,
        streams: SharedStreams,
        restore: Callable[[], None],
    ) -> tuple[str, Any]:
        """Record a call; return why such calls are to run eagerly, empty where they are not, and its result."""
        start = time.perf_counter()
        with sparing():
            made = record(
                self._f,
                environment,
                call.leaves,
                call.spec,
                streams,
                varying,
                call.merge,
                defers=not call.generators and not self._donate,
            )
            if varying and (environment.tests_classes or not _is_known_without(known, call.leaves, made)):
                self._check_numbers(call, made, environment, restore)
        with self._lock:
            known.varying = varying
            trouble, variant = self._known_as(made, known, call, environment)
            if variant is not None:
                variant.seconds += time.perf_counter() - start
        if made.is_deferred and variant is not None and variant.run is not None:  # it has values left to compute
            found, result = variant.answer(call.leaves)
            if found:
                return trouble, result
        return trouble, made.result

    def _known_as(
        self, made: Recorded, known: Signature, call: Call, environment: Environment
    ) -> tuple[str, Variant | None]:
        """Keep a recorded call, or confirm one by it; return what is against that, and the variant that it is now."""
        leaves = enumerate(call.leaves)
        numbers = tuple([(i, number_key(x)) for i, x in leaves if type(x) in NUMBERS and i not in known.varying])
        waiting = (x for x in known.variants if x.run is None and x.numbers == numbers)
        variant = next((x for x in waiting if same_ways(x.recorded, made)), None)
        if variant is not None:
            trouble = same_constants(variant.recorded, made)
            if trouble:
                return trouble, None
            variant.run = self._compiled(variant.program, variant.recorded, variant.donated)
            variant.recorded = attrs.evolve(variant.recorded, constants=())  # no array is held longer than needed
            return "", variant
        later = known.variants[call.count :]  # recorded since this call looked for one
        if any(x.numbers == numbers and same_programs(x.recorded, made) for x in later):
            return "", None  # another thread was faster
        program, given_up = optimized(made.program), self._given_up(call)
        is_open = needs_confirmation(made, environment.known_numbers(call.leaves))
        run = None if is_open else self._compiled(program, made, given_up)
        kept = attrs.evolve(made, values=(), given=(), constants=() if run is not None else made.constants)
        known.variants.append(Variant(kept, numbers, run, program, 0.0, given_up))
        return "", known.variants[-1]

    def _check_numbers(self, call: Call, made: Recorded, environment: Environment, restore: Callable[[], None]) -> None:
        """Raise where numbers that are inputs change the function: it may ask for their class, or hash them."""
        drawn = call.saved(environment, SharedStreams.now())
        restore()
        args, kwargs = call.whole()
        try:
            expected = self._f(*args, **kwargs)
        finally:
            drawn()
        if not are_alike(expected, made.result):
            raise UnsupportedError("a number that varies decides in a way that cannot be seen; make it static")

    def _compiled(self, program: Program, recorded: Recorded, donated: frozenset[int]) -> Run:
        """Return the function of a program's inputs."""
        numbers = zip(recorded.inputs, program.inputs, strict=False)  # what is live comes last, and is not given up
        return self._backend(program, frozenset(number for place, number in numbers if place in donated))

    def _given_up(self, call: Call) -> frozenset[int]:
        """Return the places of leaves whose memory results may lie in."""
        if not self._donate:
            return frozenset()
        counts = [len(tree_flatten_with_static(x, none_is_leaf=True)[0]) for x in call.args]
        named = {place % len(counts) for place in self._donate}
        return frozenset(n for i in named for n in range(sum(counts[:i]), sum(counts[: i + 1])))

    def _set_eager(self, known: Signature, reason: str, lasting: bool = True) -> None:
        """Note that calls run eagerly, for good or this one alone, and say so once."""
        text = f"compile: {name_of(self._f)} runs eagerly for arguments of this signature: {reason}."
        if self._fullgraph:
            raise ArgumentError(text)
        if lasting:
            known.eager = reason
        elif self._said_that_it_changes:
            return
        else:
            self._said_that_it_changes = True
        warn_at_user_line(text, CompileWarning)


def _is_known_without(known: Signature, leaves: Sequence[Any], made: Recorded) -> bool:
    """Return whether a program with some numbers as inputs is a known one with these as constants, if computed."""
    inputs = {*made.inputs}
    for variant in known.variants:
        numbers = {place: number_of(key) for place, key in variant.numbers if place in inputs}
        others = all(number_key(leaves[place]) == key for place, key in variant.numbers if place not in inputs)
        if others and is_specialized(variant.recorded, made, numbers):
            return True
    return False


def _reason(error: Exception) -> str:
    text = str(error).rstrip(".")
    return text if isinstance(error, UnsupportedError) else f"{type(error).__name__}: {text}"


def _is_debugged() -> bool:
    """Return whether a debugger steps through this thread."""
    trace = sys.gettrace()
    if trace is None:
        return False
    module = str(getattr(type(getattr(trace, "__self__", trace)), "__module__", ""))
    return module.partition(".")[0] in ("bdb", "pdb", "pydevd", "_pydevd_bundle", "debugpy", "IPython")


# ---- the transform ----


def _several(name: str, given: Any, kind: type, wanted: str) -> tuple[Any, ...]:
    """Return one thing, or several, as a tuple."""
    several = (given,) if isinstance(given, kind) else given
    if not isinstance(several, Collection) or not all(isinstance(x, kind) and type(x) is not bool for x in several):
        raise ArgumentTypeError(f"compile: {name} must be {wanted}; got {shown(given)}.")
    return tuple(several)


BACKENDS: dict[str, Callable[[Program, frozenset[int]], Run]] = {
    "numpy": numpy_code.compiled,
    "llvm": llvm_code.compiled,
}


def compile(
    f: Callable[P, Value],
    *,
    backend: str = "numpy",
    static_argnames: str | Sequence[str] = (),
    donate_argnums: int | Sequence[int] = (),
    fullgraph: bool = False,
) -> CompiledFunction[P, Value]:
    """Make a function that records what f computes, and runs the recorded program in later calls.

    A program belongs to a *signature*: the structure, shapes and dtypes of the arguments. Branches and conversions that
    depend on values are *guards* of it; a call for which one fails records another program. Arrays that f takes from
    around it are read at each call. f may be anything that is made of arrays: `tn.value_and_grad(loss)`, a whole
    training step with its optimizer.

    Args:
        f: a function of pytrees of arrays, numbers and generators of random numbers.
        backend: what runs programs: "numpy", or "llvm", which compiles elementwise operations to machine code and
            needs llvmlite: `pip install "tapenet[compile]"`.
        static_argnames: parameters that are given to f as they are; their values are hashable and belong to the
            signature. Strings, None and booleans are static in any case. A Python number is, until it is seen to vary.
        donate_argnums: positions of arguments whose memory the program may use for its results. The caller must not
            use them afterwards.
        fullgraph: whether to raise where the function would run eagerly.

    Returns:
        The compiled function. Its `programs` are those recorded so far; `lower(*args)` gives the program of these
        arguments, to print, and `cost(*args)` its operations on numbers, bytes and the seconds it took to compile.
        Results are equal to f's to rounding, and share no memory with each other or the arguments. On Tensors of an
        open tape, inside another compiled function, under `tn.checks()` and in a debugger f itself runs.

    Raises:
        MissingPackageError: the package that a backend needs is not installed.
        ArgumentError: f writes into an argument, or draws random numbers in a way that could not be repeated: from a
            generator that is not an argument.

    Warns:
        CompileWarning: f runs eagerly for arguments of a signature; says why, once. It does where it writes into what
            is around it, returns something other than arrays, numbers and text, or went more than 8 ways.

    >>> step = compile(tn.grad(lambda w, x: tnp.sum(tnp.tanh(x @ w))))
    >>> step(np.zeros(2), np.ones((3, 2)))
    array([3., 3.])
    """
    check_transform("compile", f)
    checked_choice("compile", "backend", backend, BACKENDS)
    if backend == "llvm":
        llvm_code.check_installed()
    names = _several("static_argnames", static_argnames, str, "names")
    places = _several("donate_argnums", donate_argnums, int, "positions")
    fullgraph = checked_flag("compile", "fullgraph", fullgraph)
    options = {"backend": backend, "static_argnames": names, "donate_argnums": places, "fullgraph": fullgraph}
    return CompiledFunction(f, BACKENDS[backend], frozenset(names), places, fullgraph, options)


def _made_again(f: Callable[..., Any], options: dict[str, Any]) -> Any:
    return compile(f, **options)


def compile_ahead(f: Callable[P, Value]) -> CompiledFunction[P, Value]:
    """Compile a function whose results are always those of its program, the first one too, to the last bit.

    So they do not depend on which calls came before. The first call of a signature records f, twice where it keeps
    constants that must be confirmed, and then runs the program.
    """
    return CompiledFunction(f, BACKENDS["numpy"], frozenset(), (), False, {}, ahead=True)
