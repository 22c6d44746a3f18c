"""What a compiled function takes from around it, in whatever way its code reads it: always what is there now."""

from __future__ import annotations

import argparse
import array
import collections
import contextvars
import enum
import functools
import itertools
import random
import sys
import threading
import types
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.errors import CompileWarning
from tests.program.comparing import assert_same

Array = Any
Case = tuple[Callable[[Array], Any], Callable[[], Any]]  # a function, and what changes something that it reads
X = np.array([0.5, -1.5, 2.0])


class Holder:
    """An object that is not a pytree, with attributes of many kinds."""

    scale_of_class = 2.0

    def __init__(self) -> None:
        self.number = 2.0
        self.numbers = [1.0, 2.0]
        self.mixed: dict[str, Any] = {"array": np.ones(3), "number": 2.0}
        self.inner: Any = None
        self.small = np.float32(2.0)
        self.point = np.array(2.0)
        self.table = np.array([1.0, 2.0, 3.0])
        self.pair = (1.0, np.array([2.0]))
        self.fixed = np.broadcast_to(2.0, (3,))

    def bump(self) -> None:
        self.number += 1.0

    @property
    def by_property(self) -> float:
        return self.number

    def __getitem__(self, key: Any) -> float:
        return self.number

    def __getattr__(self, name: str) -> float:
        if name.startswith("_"):
            raise AttributeError(name)
        return self.number

    def __len__(self) -> int:
        return int(self.number)

    def __iter__(self) -> Any:
        yield self.number

    def __float__(self) -> float:
        return self.number

    def __call__(self, x: Array) -> Array:
        return x * self.number


class Factor:
    """What takes over a multiplication."""

    __array_ufunc__ = None

    def __init__(self) -> None:
        self.number = 2.0

    def __rmul__(self, x: Array) -> Array:
        return x * self.number


class Mode(enum.Enum):
    DOUBLE = 2
    TRIPLE = 3


NUMBER = 2.0


def bump_global() -> None:
    globals()["NUMBER"] += 1.0


def reads_attribute(read: Callable[[Any], Any], make: Callable[[], Any] = Holder) -> Callable[[], Case]:
    def case() -> Case:
        holder = make()

        def change() -> None:
            holder.number += 1.0

        return (lambda x: x * read(holder)), change

    return case


def with_holder(f: Callable[[Any, Array], Any], change: Callable[[Any], Any]) -> Callable[[], Case]:
    def case() -> Case:
        holder = Holder()
        return (lambda x: f(holder, x)), lambda: change(holder)

    return case


def with_container(make: Callable[[], Any], f: Callable[[Any, Array], Any], change: Any) -> Callable[[], Case]:
    def case() -> Case:
        container = make()
        return (lambda x: f(container, x)), lambda: change(container)

    return case


def defaults() -> Case:
    def f(x: Array, factor: float = 2.0, *, offset: float = 1.0) -> Array:
        return x * factor + offset

    def change() -> None:
        assert f.__defaults__ is not None
        f.__defaults__ = (f.__defaults__[0] + 1.0,)
        f.__kwdefaults__ = {"offset": f.__defaults__[0]}

    return f, change


def keyword_default_in_place() -> Case:
    def f(x: Array, *, factor: float = 2.0) -> Array:
        return x * factor

    def change() -> None:
        assert f.__kwdefaults__ is not None
        f.__kwdefaults__["factor"] += 1.0

    return f, change


def code() -> Case:
    def f(x: Array) -> Array:
        return x * 2

    def other(x: Array) -> Array:
        return x * 3

    def change() -> None:
        f.__code__, other.__code__ = other.__code__, f.__code__

    return f, change


def attribute_of_function() -> Case:
    def f(x: Array) -> Array:
        return x * f.factor  # type: ignore[attr-defined]  # an attribute of a function

    f.factor = 2.0  # type: ignore[attr-defined]  # as above

    def change() -> None:
        f.factor += 1.0  # type: ignore[attr-defined]  # as above

    return f, change


def cached() -> Case:
    factors = [2.0]

    @functools.lru_cache
    def factor(n: int) -> float:
        return n * factors[0]

    def change() -> None:
        factors[0] += 1.0
        factor.cache_clear()

    return (lambda x: x * factor(3)), change


def context() -> Case:
    factor = contextvars.ContextVar("factor", default=2.0)
    return (lambda x: x * factor.get()), lambda: factor.set(factor.get() + 1.0)


def local_of_a_thread() -> Case:
    held = threading.local()
    held.number = 2.0

    def change() -> None:
        held.number += 1.0

    return (lambda x: x * held.number), change


def builtin() -> Case:
    operation: Any = abs

    def change() -> None:
        nonlocal operation
        operation = sum if operation is abs else abs

    return (lambda x: operation(x) * x), change


def rule(make: Callable[[Callable[[], Any]], Any], start: Any) -> Callable[[], Case]:
    def case() -> Case:
        factors = [start]

        def change() -> None:
            factors[0] = factors[0] + 1

        operation = make(lambda: factors[0])
        return tn.grad(lambda x: tnp.sum(operation(x) * x)), change

    return case


def rule_with_point(make: Callable[[Callable[[], Any]], Any]) -> Callable[[], Case]:
    def case() -> Case:
        factor = np.array(2.0)

        def change() -> None:
            factor[...] += 1

        operation = make(lambda: factor)
        return tn.grad(lambda x: tnp.sum(operation(x))), change

    return case


def by_jvp(factor: Callable[[], Any]) -> Any:
    return tn.custom_jvp(tnp.tanh, lambda primals, tangents: (tnp.tanh(primals[0]), tangents[0] * factor()))


def by_vjp(factor: Callable[[], Any]) -> Any:
    return tn.custom_vjp(tnp.tanh, lambda x: (tnp.tanh(x), x), lambda kept, t: (t * kept * factor(),))


def by_primitive(factor: Callable[[], Any]) -> Any:
    return tn.extend.primitive(lambda x: np.tanh(x), lambda t, x: t * x * factor(), name="own")


def wrapped() -> Case:
    factors = [2.0]

    def scaled(g: Any) -> Any:
        @functools.wraps(g)
        def around(*args: Any) -> Any:
            return g(*args) * factors[0]

        return around

    @scaled
    def f(x: Array) -> Array:
        return x * 3

    return f, lambda: factors.__setitem__(0, factors[0] + 1)


def keywords_of_partial() -> Case:
    f = functools.partial(lambda x, factor: x * factor, factor=2.0)
    return f, lambda: f.keywords.update(factor=f.keywords["factor"] + 1.0)


def containers_of_partial() -> Case:
    f = functools.partial(lambda values, x: x * values["a"], {"a": 2.0})
    return f, lambda: f.args[0].update(a=f.args[0]["a"] + 1.0)


@attrs.define
class Settings:
    number: float = 2.0
    mode: Any = None


def settings() -> Case:
    own = Settings()

    def change() -> None:
        own.mode = None if own.mode else Mode.TRIPLE

    return (lambda x: x * (2.0 if own.mode is None else 3.0)), change


class Slotted:
    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 2.0


class Base:
    def scaled(self, x: Array) -> Array:
        return x * self.factor  # type: ignore[attr-defined]  # set from outside


class Derived(Base):
    factor = 2.0

    def scaled(self, x: Array) -> Array:
        return super().scaled(x) + 1

    @staticmethod
    def doubled(x: Array) -> Array:
        return x * 2

    @property
    def three(self) -> float:
        return 3.0

    def tripled(self, factor: float, x: Array) -> Array:
        return x * factor * self.factor

    thrice = functools.partialmethod(tripled, 3.0)


def replaced(name: str, make: Callable[[], Any], f: Callable[[Any, Array], Any]) -> Callable[[], Case]:
    def case() -> Case:
        kind = type("Kind", (Derived,), {"__module__": __name__})
        own = kind()

        def change() -> None:
            setattr(kind, name, make())

        return (lambda x: f(own, x)), change

    return case


def on_instance(name: str, make: Callable[[], Any], f: Callable[[Any, Array], Any]) -> Callable[[], Case]:
    def case() -> Case:
        own = Derived()
        return (lambda x: f(own, x)), lambda: setattr(own, name, make())

    return case


def found_later(own: Any, x: Array) -> Array:
    try:
        return x * own.later
    except AttributeError:
        return x


def global_found_later() -> Case:
    globals().pop("LATER", None)

    def f(x: Array) -> Array:
        try:
            return x * LATER  # type: ignore[name-defined]
        except NameError:
            return x

    return f, lambda: globals().update(LATER=globals().get("LATER", 1.0) + 1.0)


def in_module(read: Callable[[Any, Array], Any], change: Callable[[Any], Any]) -> Callable[[], Case]:
    def case() -> Case:
        module = types.ModuleType("module_of_a_test")
        module.number = 2.0  # type: ignore[attr-defined]  # a module made here
        module.scaled = lambda x: x * 2  # type: ignore[attr-defined]  # as above
        sys.modules["module_of_a_test"] = module
        return (lambda x: read(module, x)), lambda: change(module)

    return case


def imported(_: Any, x: Array) -> Array:
    from module_of_a_test import number  # type: ignore[import-not-found]  # as above

    return x * number


def weakly_held() -> Case:
    holder = Holder()
    reference = weakref.ref(holder)

    def change() -> None:
        holder.number += 1.0

    return (lambda x: x * reference().number), change  # type: ignore[union-attr]  # it is alive


def append(values: Any) -> None:
    values.append(values[-1] + 1.0)


def at_first(values: Any) -> None:
    values[0] = values[0] + 1


def inner_number(holder: Any) -> None:
    holder.inner.number += 1.0


def with_inner() -> Case:
    holder = Holder()
    holder.inner = types.SimpleNamespace(number=2.0)
    return (lambda x: x * holder.inner.number), lambda: inner_number(holder)


def bump_in_mixed(holder: Any) -> None:
    holder.mixed["number"] += 1.0


def double(name: str) -> Callable[[Any], None]:
    return lambda holder: setattr(holder, name, getattr(holder, name) * 2)


def write_point(holder: Any) -> None:
    holder.point[...] += 1.0


def replace_fixed(holder: Any) -> None:
    holder.fixed = np.broadcast_to(holder.fixed[0] + 1, (3,))


CASES: dict[str, Callable[[], Case]] = {
    "attribute in a slot": reads_attribute(lambda own: own.number, Slotted),
    "attribute of another package's object": reads_attribute(
        lambda own: own.number, lambda: argparse.Namespace(number=2.0)
    ),
    "attribute that an inherited method reads": replaced("factor", lambda: 3.0, lambda own, x: own.scaled(x)),
    "replaced method": replaced("scaled", lambda: lambda self, x: x * 7, lambda own, x: own.scaled(x)),
    "replaced static method": replaced("doubled", lambda: staticmethod(lambda x: x * 7), lambda own, x: own.doubled(x)),
    "replaced property": replaced("three", lambda: property(lambda self: 7.0), lambda own, x: x * own.three),
    "method with arguments": replaced("factor", lambda: 3.0, lambda own, x: own.thrice(x)),
    "method of an object alone": on_instance("scaled", lambda: lambda x: x * 7, lambda own, x: own.scaled(x)),
    "attribute that comes later": on_instance("later", lambda: 7.0, found_later),
    "attribute that is asked for": on_instance(
        "later", lambda: 7.0, lambda own, x: x * own.later if hasattr(own, "later") else x
    ),
    "global that comes later": global_found_later,
    "number in a module": in_module(lambda module, x: x * module.number, lambda module: double("number")(module)),
    "function in a module": in_module(
        lambda module, x: module.scaled(x), lambda module: setattr(module, "scaled", lambda x: x * 3)
    ),
    "number imported inside": in_module(imported, lambda module: double("number")(module)),
    "weak reference": weakly_held,
    "chain of mappings": with_container(
        lambda: collections.ChainMap({}, {"a": 2.0}),
        lambda values, x: x * values["a"],
        lambda values: values.maps[1].update(a=values["a"] + 1),
    ),
    "attribute": reads_attribute(lambda holder: holder.number),
    "attribute by name": reads_attribute(lambda holder: getattr(holder, "num" + "ber")),
    "vars": reads_attribute(lambda holder: vars(holder)["number"]),
    "vars of a plain namespace": reads_attribute(
        lambda own: vars(own)["number"], lambda: types.SimpleNamespace(number=2.0)
    ),
    "vars of a parser's namespace": reads_attribute(
        lambda own: vars(own)["number"], lambda: argparse.Namespace(number=2.0)
    ),
    "property": reads_attribute(lambda holder: holder.by_property),
    "getitem": reads_attribute(lambda holder: holder["any"]),
    "getattr": reads_attribute(lambda holder: holder.unknown),
    "len": reads_attribute(len),
    "iteration": reads_attribute(lambda holder: sum(holder)),
    "float": reads_attribute(float),
    "call": with_holder(lambda holder, x: holder(x), Holder.bump),
    "operator": with_container(
        Factor, lambda factor, x: x * factor, lambda factor: setattr(factor, "number", factor.number + 1)
    ),
    "attribute of a class": with_holder(
        lambda holder, x: x * holder.scale_of_class,
        lambda _: setattr(Holder, "scale_of_class", Holder.scale_of_class + 1),
    ),
    "attribute of an attribute": with_inner,
    "list in an attribute": with_holder(
        lambda holder, x: x * sum(holder.numbers), lambda holder: append(holder.numbers)
    ),
    "number beside an array": with_holder(lambda holder, x: x * holder.mixed["number"], bump_in_mixed),
    "scalar of NumPy's": with_holder(lambda holder, x: x * holder.small, double("small")),
    "array without axes": with_holder(lambda holder, x: x * holder.point, write_point),
    "number of an array": with_holder(lambda holder, x: x * holder.table[1], lambda holder: at_first(holder.table[1:])),
    "sum of an array": with_holder(
        lambda holder, x: x * float(np.sum(holder.table)), lambda holder: at_first(holder.table)
    ),
    "choice of an array": with_holder(
        lambda holder, x: x * holder.table[np.array([0, 2, 1])], lambda holder: at_first(holder.table)
    ),
    "number of an array that is not contiguous": with_container(
        lambda: [np.ones((4, 4), ">f4")[::2, ::2], "text", None, Holder()],
        lambda values, x: x * float(values[0][1, 1]),
        lambda values: at_first(values[0][1:, 1]),
    ),
    "number of an array in a tuple": with_holder(
        lambda holder, x: x * holder.pair[1][0], lambda holder: at_first(holder.pair[1])
    ),
    "read-only array": with_holder(lambda holder, x: x * holder.fixed, replace_fixed),
    "global": lambda: ((lambda x: x * NUMBER), bump_global),
    "globals()": lambda: ((lambda x: x * globals()["NUM" + "BER"]), bump_global),
    "defaults": defaults,
    "keyword default in place": keyword_default_in_place,
    "keywords of a partial function": keywords_of_partial,
    "containers of a partial function": containers_of_partial,
    "code": code,
    "attribute of a function": attribute_of_function,
    "cached function": cached,
    "wrapped function": wrapped,
    "context": context,
    "local of a thread": local_of_a_thread,
    "builtin function": builtin,
    "setting that is None": settings,
    "list": with_container(lambda: [1.0, 2.0], lambda values, x: x * sum(values), append),
    "deque": with_container(lambda: collections.deque([1.0, 2.0]), lambda values, x: x * values[-1], append),
    "bytearray": with_container(lambda: bytearray(b"ab"), lambda values, x: x * values[0], at_first),
    "array.array": with_container(lambda: array.array("d", [1.0, 2.0]), lambda values, x: x * values[0], at_first),
    "set": with_container(
        lambda: {1, 2}, lambda values, x: x * sum(values), lambda values: values.add(max(values) + 1)
    ),
    "counter": with_container(
        lambda: collections.Counter("aab"), lambda values, x: x * values["a"], lambda values: values.update("a")
    ),
    "order of a dict": with_container(
        lambda: {"a": 1.0, "b": 2.0},
        lambda values, x: functools.reduce(lambda y, key: y * 2 + values[key], values, x),
        lambda values: values.update(a=values.pop(next(iter(values)))),
    ),
    "list in a tuple": with_container(
        lambda: ([1.0],), lambda values, x: x * values[0][0], lambda values: at_first(values[0])
    ),
    "function in a deque": with_container(
        lambda: collections.deque([Holder()]), lambda values, x: values[0](x), lambda values: values[0].bump()
    ),
    "mapping proxy": with_container(
        lambda: [types.MappingProxyType(held := {"a": 1.0}), held],
        lambda values, x: x * values[0]["a"],
        lambda values: values[1].update(a=values[1]["a"] + 1),
    ),
    "rule of custom_jvp": rule(by_jvp, 2.0),
    "rule of custom_vjp": rule(by_vjp, 2.0),
    "rule of a primitive": rule(by_primitive, 2.0),
    "array in a rule of custom_jvp": rule(by_jvp, np.full(3, 2.0)),
    "array in a rule of custom_vjp": rule(by_vjp, np.full(3, 2.0)),
    "array in a rule of a primitive": rule(by_primitive, np.full(3, 2.0)),
    "array without axes in a rule of custom_jvp": rule_with_point(by_jvp),
    "array without axes in a rule of custom_vjp": rule_with_point(by_vjp),
}


@pytest.mark.filterwarnings("ignore::tapenet.errors.CompileWarning")
@pytest.mark.parametrize("before", [1, 3])
@pytest.mark.parametrize("name", CASES)
def test_what_is_read_is_what_is_there_now(name: str, before: int) -> None:
    f, change = CASES[name]()
    made = tn.compile(f)
    for calls in (before, 1, 3, 1):
        for _ in range(calls):
            assert_same(made(X), f(X))
        change()


# ---- what moves when it is read ----


def counted(start: int) -> Any:
    while True:
        yield start
        start += 1


STREAMS: dict[str, Callable[[], Any]] = {
    "iterator of a list": lambda: iter([1.0, 2.0, 3.0, 4.0]),
    "generator": lambda: counted(1),
    "count": lambda: itertools.count(1),
    "zip": lambda: (a * b for a, b in zip(itertools.count(1), itertools.count(2), strict=False)),
}


@pytest.mark.parametrize("name", STREAMS)
def test_an_iterator_around_a_function_moves_on_at_each_call(name: str) -> None:
    ours, theirs = STREAMS[name](), STREAMS[name]()
    made = tn.compile(lambda x: x * next(ours))
    with pytest.warns(CompileWarning, match="advances the iterator ours"):
        assert_same(made(X), X * next(theirs))
    for _ in range(3):
        assert_same(made(X), X * next(theirs))


def test_a_tape_around_a_function_is_walked_at_each_call() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        y = tnp.tanh(x) * 2
    made = tn.compile(lambda a: tape.replay(a, y))
    with pytest.warns(CompileWarning, match="walks over the tape tape"):
        assert_same(made(X), np.tanh(X) * 2)
    for factor in (2.0, 3.0):
        assert_same(made(X * factor), np.tanh(X * factor) * 2)


class Drawing:
    def __init__(self, rng: Any) -> None:
        self.rng = rng
        self.held = {"rng": rng}

    def __iter__(self) -> Any:
        yield self.rng.random()


DRAWS: dict[str, Callable[[Any], Callable[[Array], Any]]] = {
    "variable": lambda rng: lambda x: x * rng.random(),
    "attribute": lambda rng: (lambda own: lambda x: x * own.rng.random())(Drawing(rng)),
    "container in an attribute": lambda rng: (lambda own: lambda x: x * own.held["rng"].random())(Drawing(rng)),
    "method of iteration": lambda rng: (lambda own: lambda x: x * sum(own))(Drawing(rng)),
    "mapping proxy": lambda rng: (lambda own: lambda x: x * own["rng"].random())(types.MappingProxyType({"rng": rng})),
    "function in a container": lambda rng: (lambda own: lambda x: x * own["a"][0]())({"a": (lambda: rng.random(),)}),
    "partial function": lambda rng: functools.partial(lambda rng, x: x * rng.random(), rng),
}


@pytest.mark.parametrize("make", [lambda: np.random.default_rng(0), lambda: random.Random(0)])
@pytest.mark.parametrize("name", DRAWS)
def test_draws_from_a_stream_around_a_function_are_refused(name: str, make: Callable[[], Any]) -> None:
    with pytest.raises(tn.ArgumentError, match="a generator that is drawn from must be an argument"):
        tn.compile(DRAWS[name](make()))(X)


def test_a_stream_around_a_function_that_draws_nothing_is_no_trouble() -> None:
    rng = random.Random(0)
    made = tn.compile(lambda x: x * (2 if rng else 3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3):
            assert_same(made(X), 2 * X)
    assert len(made.programs) == 1
