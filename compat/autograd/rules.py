"""Functions that are recorded as one operation, and the rules of their derivatives.

A rule is kept by its function, and looked up when a walk needs it. A call is a `tapenet.custom_vjp` of the arguments
that hold boxes: so rules take part in every transform, and are differentiated themselves for a higher order.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from itertools import count
from typing import Any

import tapenet as tn
from compat.autograd.basics import subval, subvals
from compat.autograd.boxes import getval, holds_box, plain
from compat.autograd.vspaces import SparseObject, vspace
from compat.autograd.wrap_util import get_name, wraps
from tapenet.errors import ArgumentTypeError, MissingRuleError

Function = Callable[..., Any]

primitive_vjps: dict[Function, Function] = {}
primitive_jvps: dict[Function, Function] = {}
notrace_primitives: defaultdict[Any, set[Function]] = defaultdict(set)


# ---- functions ----


def primitive(f_raw: Function) -> Function:
    """Return a function that is recorded as one operation, whose derivatives `defvjp` and `defjvp` declare.

    It gets plain values. An argument that is a list, tuple or dict with boxes in it is differentiated as a whole.

    Raises:
        MissingRuleError: from a walk, a derivative that was not declared; it is a NotImplementedError.
    """

    @wraps(f_raw)
    def f_wrapped(*args: Any, **kwargs: Any) -> Any:
        argnums = tuple([i for i, x in enumerate(args) if holds_box(x)])
        if not argnums:
            return f_raw(*args, **kwargs)
        if _is_notrace(f_wrapped):
            return f_raw(*map(plain, args), **kwargs)
        return _recorded(f_wrapped, f_raw, args, kwargs, argnums)

    f_wrapped.__dict__.update(fun=f_raw, _is_autograd_primitive=True)  # autograd's attributes
    return f_wrapped


def without_rules(found: Any, theirs: Any) -> Any:
    """Return a function of tapenet's; of one that refuses Tensors the primitive, for which users declare rules.

    Args:
        found: tapenet's function.
        theirs: SciPy's of that name.
    """
    instead = getattr(found, "instead", None)
    if instead is None or theirs is None:
        return found
    wrapped = primitive(theirs)
    wrapped.instead = instead  # type: ignore[attr-defined]  # for the error where no rule is declared
    return wrapped


def notrace_primitive(f_raw: Function) -> Function:
    """Return a function that computes with plain values, and returns one."""

    @wraps(f_raw)
    def f_wrapped(*args: Any, **kwargs: Any) -> Any:
        return f_raw(*map(getval, args), **kwargs)

    return f_wrapped


def register_notrace(trace_type: Any, primitive_fun: Function) -> None:
    """Let a primitive compute with plain values, and return one."""
    notrace_primitives[trace_type].add(primitive_fun)


def _is_notrace(function: Function) -> bool:
    return any(function in functions for functions in notrace_primitives.values())


def _recorded(
    function: Function, f_raw: Function, args: tuple[Any, ...], kwargs: dict[str, Any], argnums: tuple[int, ...]
) -> Any:
    """Record a call as one operation of the arguments that hold boxes."""

    def all_of(boxed: Sequence[Any]) -> tuple[Any, ...]:
        return subvals(args, zip(argnums, boxed, strict=True))

    @wraps(f_raw)
    def call(*boxed: Any) -> Any:
        return f_raw(*all_of([plain(x) for x in boxed]), **kwargs)

    def forward(*boxed: Any) -> tuple[Any, Any]:
        # A walk that is recorded runs this with Tensors: then the call is an operation there, as its rule reads it.
        ans = function(*all_of(boxed), **kwargs)
        return ans, (ans, boxed)

    def backward(residuals: Any, g: Any) -> tuple[Any, ...]:
        ans, boxed = residuals
        try:
            maker = primitive_vjps[function]
        except KeyError:
            raise _missing("VJP", function, argnums) from None
        answer = maker(argnums, ans, all_of(boxed), kwargs)(g)
        return tuple(_cotangent(part, x) for part, x in zip(answer, boxed, strict=True))

    def push(boxed: Any, tangents: Any) -> tuple[Any, Any]:
        try:
            maker = primitive_jvps[function]
        except KeyError:
            raise _missing("JVP", function, argnums) from None
        arguments = all_of(boxed)
        ans = function(*arguments, **kwargs)
        return ans, _tangent(_dense(maker(argnums, tangents, ans, arguments, kwargs)), ans)

    rule = push if function in primitive_jvps else None
    return tn.custom_vjp(call, forward, backward, jvp=rule)(*[args[i] for i in argnums])


def _missing(kind: str, function: Function, argnums: Iterable[int]) -> MissingRuleError:
    name, numbers = get_name(function), tuple(argnums)
    instead = f" {advice}" if (advice := getattr(function, "instead", "")) else ""
    return MissingRuleError(
        f"{kind} of {name} wrt argnums {numbers} not defined. Declare it: def{kind.lower()}({name}, ...).{instead}"
    )


def _dense(g: Any) -> Any:
    return g.mut_add(g.vs.zeros()) if type(g) is SparseObject else g


def _cotangent(g: Any, x: Any) -> Any:
    """Return a rule's answer as the cotangent of x: autograd's rules may leave the dtype to NumPy."""
    g = _dense(g)
    return tn.tree.map(_as_like, g, x) if isinstance(x, tuple | list | dict) else _as_like(g, x)


def _tangent(g: Any, ans: Any) -> Any:
    """Return a rule's tangent without that of integer outputs, which autograd's rules fill with zeros."""
    if not isinstance(ans, tuple | list | dict):
        return g
    return tn.tree.map(lambda y, part: None if _is_discrete(y) else part, ans, g)


def _is_discrete(y: Any) -> bool:
    return y.dtype.kind in "iub" if hasattr(y, "dtype") else isinstance(y, int)


def _as_like(g: Any, x: Any) -> Any:
    if type(x) is not tn.Tensor and not hasattr(x, "dtype"):
        return g
    g = g if hasattr(g, "dtype") else tn.numpy.asarray(g)
    is_real = x.dtype.kind == "f" and g.dtype.kind == "c"
    return g if is_real or g.dtype == x.dtype else g.astype(x.dtype)


# ---- reverse mode ----


def defvjp_argnums(fun: Function, vjpmaker: Function) -> None:
    """Declare `vjpmaker(argnums, ans, args, kwargs) -> (g -> a cotangent for each of argnums)`."""
    primitive_vjps[fun] = vjpmaker


def defvjp_argnum(fun: Function, vjpmaker: Function) -> None:
    """Declare `vjpmaker(argnum, ans, args, kwargs) -> (g -> cotangent)`."""

    def of_all(argnums: Sequence[int], *rest: Any) -> Function:
        vjps = [vjpmaker(argnum, *rest) for argnum in argnums]
        return lambda g: [vjp(g) for vjp in vjps]

    defvjp_argnums(fun, of_all)


def defvjp(fun: Function, *vjpmakers: Any, argnums: Iterable[int] | None = None) -> None:
    """Declare for each argument `vjpmaker(ans, *args, **kwargs) -> (g -> cotangent)`.

    Args:
        fun: a primitive.
        vjpmakers: in the order of `argnums`; None where the derivative is zero.
        argnums: the arguments' numbers; 0, 1, ... by default.
    """
    makers = _checked("defvjp", fun, vjpmakers, argnums)

    def of_all(argnums: Sequence[int], ans: Any, args: Any, kwargs: Any) -> Function:
        if not makers.keys() >= set(argnums):
            raise _missing("VJP", fun, argnums)
        vjps = [
            (lambda g, x=args[i]: vspace(x).zeros()) if makers[i] is None else makers[i](ans, *args, **kwargs)
            for i in argnums
        ]
        return lambda g: [vjp(g) for vjp in vjps]

    defvjp_argnums(fun, of_all)


def _checked(
    name: str, fun: Function, makers: Sequence[Any], argnums: Iterable[int] | None, *, words: tuple[str, ...] = ()
) -> dict[int, Any]:
    for maker in makers:
        if not (maker is None or callable(maker) or maker in words):
            raise ArgumentTypeError(f"{name}: a rule of {get_name(fun)} must be a function or None; got {maker!r}.")
    return dict(zip(count() if argnums is None else argnums, makers, strict=False))


# ---- forward mode ----


def defjvp_argnums(fun: Function, jvpmaker: Function) -> None:
    """Declare `jvpmaker(argnums, gs, ans, args, kwargs) -> tangent`."""
    primitive_jvps[fun] = jvpmaker


def defjvp_argnum(fun: Function, jvpmaker: Function) -> None:
    """Declare `jvpmaker(argnum, g, ans, args, kwargs) -> tangent`, one summand for each argument."""

    def of_all(argnums: Sequence[int], gs: Sequence[Any], *rest: Any) -> Any:
        return sum_outgrads(jvpmaker(argnum, g, *rest) for argnum, g in zip(argnums, gs, strict=True))

    defjvp_argnums(fun, of_all)


def defjvp(fun: Function, *jvpfuns: Any, argnums: Iterable[int] | None = None) -> None:
    """Declare for each argument `jvpfun(g, ans, *args, **kwargs) -> tangent`.

    Args:
        fun: a primitive.
        jvpfuns: in the order of `argnums`; None where the derivative is zero, "same" where fun is linear.
        argnums: the arguments' numbers; 0, 1, ... by default.
    """
    rules = _checked("defjvp", fun, jvpfuns, argnums, words=("same",))

    def of_one(argnum: int, g: Any, ans: Any, args: Any, kwargs: Any) -> Any:
        if argnum not in rules:
            raise _missing("JVP", fun, (argnum,))
        rule = rules[argnum]
        if rule is None:
            return vspace(ans).zeros()
        return fun(*subval(args, argnum, g), **kwargs) if rule == "same" else rule(g, ans, *args, **kwargs)

    defjvp_argnum(fun, of_one)


def def_linear(fun: Function) -> None:
    """Declare that a function is linear in each argument."""
    defjvp_argnum(fun, lambda argnum, g, ans, args, kwargs: fun(*subval(args, argnum, g), **kwargs))


def sum_outgrads(gs: Iterable[Any]) -> Any:
    """Add cotangents or tangents of one value."""
    return reduce(lambda x, y: tn.tree.map(lambda a, b: a + b, x, y), map(_dense, gs))


# ---- the names before version 1.2 ----


def primitive_with_deprecation_warnings(f_raw: Function) -> Function:
    """Return a primitive that has autograd 1.1's methods to declare rules, too."""
    f_wrapped: Any = primitive(f_raw)
    makers: dict[int, Any] = {}

    def declared(name: str, argnums: Iterable[int], maker: Any) -> None:
        warnings.warn(f"The {name} method is deprecated. Use autograd.extend.defvjp.", DeprecationWarning, stacklevel=3)
        makers.update(dict.fromkeys(argnums, maker))
        order = sorted(makers)
        defvjp(f_wrapped, *[makers[i] for i in order], argnums=order)

    def defvjp_method(vjp: Function, argnum: int = 0) -> None:
        def maker(ans: Any, *args: Any, **kwargs: Any) -> Function:
            return lambda g: vjp(g, ans, vspace(args[argnum]), vspace(g), *args, **kwargs)

        declared("defvjp", [argnum], maker)

    f_wrapped.defvjp = defvjp_method
    f_wrapped.defvjp_is_zero = lambda argnums=(0,): declared("defvjp_is_zero", argnums, None)
    f_wrapped.defgrad = lambda gradfun, argnum=0: declared("defgrad", [argnum], gradfun)
    return f_wrapped  # type: ignore[no-any-return]  # attributes were set on it
