"""Families of primitives: how one declaration of a derivative gives both modes.

**Rules.** A derivative is given as rules, one for each operand, in the style of a formula sheet:

    sin    = elementwise(np.sin, lambda t, x: t * cos(x))
    tanh   = elementwise(np.tanh, lambda t, out: t * (1 - out * out))
    divide = elementwise(np.divide, lambda t, y: t / y, lambda t, out, y: -t * out / y)

A rule is a linear map of `t`: in the backward walk the cotangent of the output, in the forward walk the tangent
of the operand. After `t` it names what it reads, and a record keeps just that: operands by their names, the
output as `out`, keyword parameters by their names or as `**rest`, `x_shape`, the shape of the operand `x` whose
rule it is, and `residual`, a by-product of the forward function (the index of a maximum, say). Rules are
written with the library's own functions, so that they can be differentiated again; they never mutate, and leave
un-broadcasting and dtypes to the walk.

**Families** state how one declaration gives both modes:

    elementwise   one rule for each operand, which serves both modes: a diagonal matrix is its own transpose
    linear        a transpose for each operand; forward mode applies the operation itself to the tangents
    multilinear   the same, operand by operand: forward mode replaces one operand at a time by its tangent
    general       a pullback and a pushforward for each operand, by hand
    joint         one pullback and one pushforward for all operands at once (variable operand counts, user's rules)

Each may be given a rule for evaluation over a batch (`tapenet.core.batching`); elementwise primitives have one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from types import CodeType, FunctionType

import attrs
import numpy as np

from tapenet.core.batching import elementwise_rule
from tapenet.core.fast_path import public_function
from tapenet.core.nondifferentiable import choice
from tapenet.core.primitive import (
    Array,
    BatchRule,
    CompiledRule,
    JointReads,
    Primitive,
    Shapes,
    ShapeSource,
    bind,
    register,
)
from tapenet.core.record import Kept, Parameters, Shape, Slots
from tapenet.core.signatures import elementwise_signature
from tapenet.errors import ArgumentError, ArgumentTypeError

Rule = Callable[..., Array]  # a Python function of t and, by their names, of what it reads

# ---- the families ----


def elementwise(
    forward: Callable[..., Array],
    *rules: Rule | None,
    name: str | None = None,
    operands: tuple[str, ...] | None = None,
    doc: str = "",
) -> Callable[..., Array]:
    """Declare an elementwise function; one rule for each operand, None where it has no derivative.

    Complex operands need no further rule: the walk projects each answer onto the space of the value that it is for.
    So `abs` can state `t * conj(x) / out` for both modes, and its tangent is real.

    Args:
        forward: a ufunc, or a function that broadcasts and gives NumPy's arrays and scalars, of Python's numbers too.
        rules: t times the partial derivative, of `t` and what they read by name.
        name: "package.operation" outside of tapenet; forward's own by default.
        operands: the operands' names; forward's own by default.
        doc: the function's docstring.

    Returns:
        The public function, whose `primitive` attribute is the primitive.

    Raises:
        ArgumentError: a count of rules other than that of operands.

    >>> cube = tn.extend.elementwise(lambda x: np.power(x, 3), lambda t, x: 3 * t * x**2, name="docs.cube")
    >>> tn.grad(cube)(2.0)
    np.float64(12.0)
    """
    name = name or forward.__name__
    primitive = register(
        built(name, "elementwise", forward, rules, rules, operands, elementwise_rule, is_elementwise=True)
    )
    function = public_function(primitive)
    function.__name__ = function.__qualname__ = name
    function.__module__ = next((rule.__module__ for rule in rules if rule is not None), __name__)
    function.__doc__ = doc
    function.__signature__ = elementwise_signature(forward, primitive.operands)  # type: ignore[attr-defined]
    function.primitive = primitive  # type: ignore[attr-defined]  # functions take attributes
    return function


def piecewise_constant(t: Array) -> Array:
    """Return zeros: the rule of a function whose derivative is zero wherever it has one.

    >>> whole = tn.extend.elementwise(np.floor, tn.extend.piecewise_constant, name="docs.floor")
    >>> tn.grad(whole)(2.5)
    np.float64(0.0)
    """
    return np.zeros(t.shape, t.dtype)  # not t * 0, which is NaN where t is infinite


def identity(t: Array) -> Array:
    """Return `t` itself: the rule of an operand that a function adds or copies."""
    return t


def linear(
    *transposes: Rule | None, name: str, batch: BatchRule | None = None
) -> Callable[[Callable[..., Array]], Primitive]:
    """Declare a function linear in its first operand: the transpose, then None for each further operand.

    Args:
        transposes: the cotangent of the operand, from `t`, that of the output, and what the rule reads by name.
        name: "package.operation" outside of tapenet.
        batch: how `vmap` evaluates it; one example after the other by default.

    Returns:
        A decorator of the forward function, which gives the primitive: a callable.

    >>> @tn.extend.linear(lambda t: flipped(t), name="docs.flipped")
    ... def flipped(x):
    ...     return np.flip(x)
    >>> tn.grad(lambda x: flipped(x)[0])(np.ones(3))
    array([0., 0., 1.])
    """

    def declare(forward: Callable[..., Array]) -> Primitive:
        return register(built_multilinear(name, "linear", forward, transposes, batch=batch))

    return declare


def multilinear(
    *transposes: Rule | None, name: str, batch: BatchRule | None = None
) -> Callable[[Callable[..., Array]], Primitive]:
    """Declare a function linear in each operand that has a transpose; None where an operand has none.

    Args:
        transposes: the cotangent of the operand, from `t`, that of the output, and what the rule reads by name.
        name: "package.operation" outside of tapenet.
        batch: how `vmap` evaluates it; one example after the other by default.

    Returns:
        A decorator of the forward function, which gives the primitive: a callable.

    >>> @tn.extend.multilinear(lambda t, y: t * y, lambda t, x: t * x, name="docs.dot")
    ... def dot(x, y):
    ...     return np.dot(x, y)
    >>> tn.grad(dot, argnums=1)(np.ones(2), np.zeros(2))
    array([1., 1.])
    """

    def declare(forward: Callable[..., Array]) -> Primitive:
        return register(built_multilinear(name, "multilinear", forward, transposes, batch=batch))

    return declare


def general(
    pullbacks: Sequence[Rule | None],
    pushforwards: Sequence[Rule | None],
    *,
    name: str,
    with_residual: Callable[..., tuple[Array, Array]] | None = None,
    batch: BatchRule | None = None,
    written_out: Callable[..., Array] | None = None,
) -> Callable[[Callable[..., Array]], Primitive]:
    """Declare a function by a pullback and a pushforward for each operand.

    Args:
        pullbacks: for each operand its cotangent, from `t`, that of the output, and what the rule reads by name.
        pushforwards: for each operand the output's tangent, from `t`, that of the operand.
        name: "package.operation" outside of tapenet.
        with_residual: computes `(out, residual)`, where rules read `residual`: an array that is piecewise constant,
            such as the places of winners.
        batch: how `vmap` evaluates it; one example after the other by default.
        written_out: the same as other operations, of which `to_c` writes it in C.

    Returns:
        A decorator of the forward function, which gives the primitive: a callable.

    >>> @tn.extend.general([lambda t, x, out: t * x / out], [lambda t, x, out: (t * x).sum() / out], name="docs.norm")
    ... def norm(x):
    ...     return np.sqrt(np.sum(x * x))
    >>> tn.grad(norm)(np.array([3.0, 4.0]))
    array([0.6, 0.8])
    """

    def declare(forward: Callable[..., Array]) -> Primitive:
        primitive = built(name, "general", forward, pullbacks, pushforwards, batch=batch, written_out=written_out)
        if with_residual is not None:
            residual = choice(
                lambda *xs, **parameters: with_residual(*xs, **parameters)[1],
                name=f"residual of {name}",
                batch=batch,
                shape_depends_on="shapes",
            )
            primitive = attrs.evolve(primitive, with_residual=with_residual, residual=residual)
        return register(primitive)

    return declare


def joint(
    pullback: Callable[..., Sequence[Array]],
    pushforward: Callable[..., Array],
    *,
    name: str,
    reads: JointReads,
    batch: BatchRule | None = None,
    shape_depends_on: ShapeSource | None = None,
) -> Callable[[Callable[..., Array]], Primitive]:
    """Declare a function of any number of operands, with one rule for all of them.

    Args:
        pullback: `(t, operands, shapes, on_tape, **parameters) -> one cotangent for each operand`, None for one
            that is not on the tape.
        pushforward: `(tangents, operands, shapes, **parameters) -> tangent of the output`; a missing tangent is None.
        name: "package.operation" outside of tapenet.
        reads: which operands the rules read: "none", for each operand the "others", "all", or a number for those from
            that place on; the others are None in `operands`.
        batch: how `vmap` evaluates it; one example after the other by default.
        shape_depends_on: what the shape of the output depends on: the "shapes" of operands, the elements of "masks" or
            of "integers" among them, which is the default, or all "values". A compiled program checks shapes that
            depend on elements at each run.

    Returns:
        A decorator of the forward function, which gives the primitive: a callable.

    >>> def pullback(t, operands, shapes, on_tape):
    ...     return [t if own else None for own in on_tape]
    >>> added = tn.extend.joint(pullback, lambda tangents, *_: sum(tangents), name="docs.added", reads="none")(
    ...     lambda *xs: sum(xs)
    ... )
    >>> tn.grad(added, argnums=(0, 2))(1.0, 2.0, 3.0)
    (np.float64(1.0), np.float64(1.0))
    """

    def pulled(t: Array, slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> Sequence[Array]:
        on_tape = [slot is not None for slot in slots]
        return pullback(t, kept[: len(slots)], shapes, on_tape, **parameters)

    def pushed(tangents: Sequence[Array], slots: Slots, kept: Kept, parameters: Parameters, shapes: Shapes) -> Array:
        return pushforward(tangents, kept[: len(slots)], shapes, **parameters)

    def declare(forward: Callable[..., Array]) -> Primitive:
        primitive = Primitive(
            name,
            "joint",
            forward,
            joint_pullback=pulled,
            joint_pushforward=pushed,
            joint_reads=reads,
            batch=batch,
            shape_depends_on=shape_depends_on,
        )
        return register(primitive)

    return declare


# ---- compiling rules ----


def read_names(rule: Rule) -> tuple[str, ...]:
    """Return the names of a rule's parameters after `t`."""
    code: CodeType = rule.__code__
    return code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]


def takes_the_rest(rule: Rule) -> bool:
    """Return whether a rule takes further parameters, as `**rest`."""
    return bool(rule.__code__.co_flags & inspect.CO_VARKEYWORDS)


def constant_rule(t: Array, kept: Kept, parameters: Parameters, shape: Shape) -> Array:
    """Return zeros: `piecewise_constant`, compiled. One object, so that it can be recognized."""
    return piecewise_constant(t)


def _identity_rule(t: Array, kept: Kept, parameters: Parameters, shape: Shape) -> Array:
    """Return `t`: `identity`, compiled, without a call."""
    return t


_COMPILED: dict[Rule, CompiledRule] = {identity: _identity_rule, piecewise_constant: constant_rule}


def _compile(rule: Rule, operands: Sequence[str], operand: str) -> CompiledRule:
    """Return a rule that finds what it reads in the record, by name."""
    known = _COMPILED.get(rule)
    if known is not None:
        return known
    names = read_names(rule)
    places = {name: i for i, name in enumerate((*operands, "out", "residual"))}
    takes_rest = takes_the_rest(rule)
    # The most frequent reads are written out: it saves a call and a dictionary for each record of a walk.
    match [None if takes_rest else places.get(name) for name in names]:
        case [] if not takes_rest:
            return lambda t, kept, parameters, shape: rule(t)
        case [int(i)]:
            return lambda t, kept, parameters, shape: rule(t, kept[i])
        case [int(i), int(j)]:
            return lambda t, kept, parameters, shape: rule(t, kept[i], kept[j])
    own_shape = f"{operand}_shape"

    def compiled(t: Array, kept: Kept, parameters: Parameters, shape: Shape) -> Array:
        read = dict(parameters) if takes_rest else {}
        for name in names:
            if name in places:
                read[name] = kept[places[name]]
            elif name == own_shape:
                read[name] = shape
            else:
                read[name] = parameters[name]
        return rule(t, **read)

    return compiled


def _reads(rules: Sequence[Rule | None], operands: Sequence[str]) -> frozenset[int]:
    """Return the indices in `Record.kept` that rules read."""
    places = {name: i for i, name in enumerate((*operands, "out"))}
    names = {name for rule in rules if rule is not None for name in read_names(rule)}
    return frozenset(places[name] for name in names if name in places)


def operand_names(forward: Callable[..., Array]) -> tuple[str, ...]:
    """Return the positional parameters of a forward function; for a NumPy ufunc x, or x and y."""
    if isinstance(forward, np.ufunc):
        return ("x", "y", "z")[: forward.nin]
    code: CodeType = forward.__code__
    return code.co_varnames[: code.co_argcount]


def built(
    name: str,
    family: str,
    forward: Callable[..., Array],
    pullbacks: Sequence[Rule | None],
    pushforwards: Sequence[Rule | None],
    operands: tuple[str, ...] | None = None,
    batch: BatchRule | None = None,
    *,
    written_out: Callable[..., Array] | None = None,
    is_elementwise: bool = False,
) -> Primitive:
    """Build a primitive of rules, one for each operand, without registering it."""
    operands = operands or operand_names(forward)
    if not len(pullbacks) == len(pushforwards) == len(operands):
        raise ArgumentError(
            f"{name}: there must be one rule for each operand ({', '.join(operands)}); got {len(pullbacks)}."
        )
    for rule in (*pullbacks, *pushforwards):
        if rule is not None and not isinstance(rule, FunctionType):
            raise ArgumentTypeError(
                f"{name}: rules must be Python functions, whose parameters have names; got {rule!r}."
            )

    def compiled(rules: Sequence[Rule | None]) -> tuple[CompiledRule | None, ...]:
        return tuple(rule and _compile(rule, operands, operand) for rule, operand in zip(rules, operands, strict=True))

    compiled_pullbacks = compiled(pullbacks)
    return Primitive(
        name,
        family,
        forward,
        operands,
        compiled_pullbacks,
        # Where one rule serves both modes it is one object too, compiled once.
        compiled_pullbacks if pushforwards is pullbacks else compiled(pushforwards),
        tuple(_reads(pair, operands) for pair in zip(pullbacks, pushforwards, strict=True)),
        batch=batch,
        written_out=written_out,
        is_elementwise=is_elementwise,
    )


def built_multilinear(
    name: str,
    family: str,
    forward: Callable[..., Array],
    transposes: Sequence[Rule | None],
    operands: tuple[str, ...] | None = None,
    batch: BatchRule | None = None,
) -> Primitive:
    """Build a primitive of transposes, which in forward mode applies itself to the tangents, without registering it."""
    count = len(operands or operand_names(forward))

    def substituting(i: int) -> CompiledRule:
        def pushed(t: Array, kept: Kept, parameters: Parameters, shape: Shape) -> Array:
            return bind(primitive, [t if j == i else kept[j] for j in range(count)], parameters)

        return pushed

    primitive = built(name, family, forward, transposes, transposes, operands, batch)
    pushforwards = tuple(rule and substituting(i) for i, rule in enumerate(transposes))
    others = tuple(primitive.reads[i] | frozenset(range(count)) - {i} for i in range(count))
    primitive = attrs.evolve(primitive, pushforwards=pushforwards, reads=others)
    return primitive
