"""`vmap`: axes and pytrees, indices that differ by example, networks, and what it refuses."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet import nn

Array = Any

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4, 5))
ROWS = np.array([[0, 3, -1], [1, 1, 2], [2, 0, 0]])  # for each of three examples
COLUMNS = np.array([[4, 0, 1], [2, 2, 2], [-1, 3, 0]])


def looped(f: Callable[..., Array], *arrays: Array) -> Array:
    return np.stack([f(*example) for example in zip(*arrays, strict=True)])


def assert_maps(f: Callable[..., Array], *arrays: Array) -> None:
    np.testing.assert_allclose(tn.vmap(f)(*arrays), looped(f, *arrays), rtol=1e-12, atol=1e-14)


# ---- axes and pytrees ----


def test_axes_say_where_the_examples_are() -> None:
    y = tn.vmap(lambda x, w: w @ x, (2, None), 1)(X, X[:, :, 0].T)
    np.testing.assert_allclose(y, np.stack([X[:, :, 0].T @ X[:, :, i] for i in range(5)], 1))


def test_pytrees_go_in_and_come_out_with_axes_that_are_prefixes() -> None:
    given = {"w": X, "b": X[0]}
    out = tn.vmap(lambda p, s: (p["w"].sum() * s, [p["b"]]), ({"w": 0, "b": None}, None), (0, None))(given, 2.0)
    np.testing.assert_allclose(out[0], 2 * X.sum((1, 2)))
    np.testing.assert_array_equal(out[1][0], X[0])


def test_a_result_that_does_not_depend_on_the_example_is_repeated() -> None:
    y = tn.vmap(lambda x: np.ones(2))(X)
    assert y.shape == (3, 2)
    y[0] = 5  # an array of its own, not a broadcast view
    np.testing.assert_array_equal(y[1], [1, 1])


def test_keyword_arguments_are_mapped_over_axis_0() -> None:
    np.testing.assert_allclose(tn.vmap(lambda *, x: x.sum())(x=X), X.sum((1, 2)))


# ---- indices that differ by example ----

INDEXED: dict[str, Callable[[Array, Array, Array], Array]] = {
    "rows": lambda x, i, j: x[i],
    "columns": lambda x, i, j: x[:, j],
    "pairs": lambda x, i, j: x[i, j],
    "a pair and a number": lambda x, i, j: x[i, 2],
    "one element": lambda x, i, j: x[i[0], j[1]],
    "separated by an axis": lambda x, i, j: x[None][0, i, None, j],
    "separated by a slice": lambda x, i, j: np.stack([x, 2 * x], 1)[i, :, j],
    "behind an ellipsis": lambda x, i, j: x[..., j],
    "behind an ellipsis of no axes": lambda x, i, j: x[i, ..., j],
    "a number and an array apart": lambda x, i, j: np.stack([x, 2 * x])[1, :, j],
    "two axes": lambda x, i, j: x[i[:, None], j],
    "with a new axis": lambda x, i, j: x[:, None, j],
    "taken": lambda x, i, j: np.take(x, j, 1),
    "taken, wrapped": lambda x, i, j: np.take(x, j + 7, 1, mode="wrap"),
    "taken along an axis": lambda x, i, j: np.take_along_axis(x, np.argsort(-x, 1), 1),
    "with a slice that differs from the rest": lambda x, i, j: x[1:, j][::-1],
}


@pytest.mark.parametrize("name", INDEXED)
@pytest.mark.parametrize("mapped", [(True, True, True), (True, False, False), (False, True, True), (True, True, False)])
def test_indices_may_differ_by_example(name: str, mapped: tuple[bool, ...]) -> None:
    f = INDEXED[name]
    given = [x if own else x[0] for x, own in zip((X, ROWS, COLUMNS), mapped, strict=True)]
    axes = tuple(0 if own else None for own in mapped)

    def loss(x: Array, i: Array, j: Array) -> Array:
        y = f(x, i, j)
        return (y * np.cos(np.arange(y.size)).reshape(y.shape)).sum()

    examples = [tuple(x[k] if own else x for x, own in zip(given, mapped, strict=True)) for k in range(3)]
    values = tn.vmap(lambda x, i, j: tn.jvp(lambda x: f(x, i, j), (x,), (x,))[0], axes)(*given)
    np.testing.assert_array_equal(values, np.stack([f(*example) for example in examples]))
    gradients = np.stack([tn.grad(loss)(*example) for example in examples])
    np.testing.assert_allclose(tn.vmap(tn.grad(loss), axes)(*given), gradients, atol=1e-14)


@pytest.mark.parametrize("method", ["set", "add"])
@pytest.mark.parametrize("shape", [(), (3,), (1,)])
def test_writing_at_indices_that_differ_by_example(method: str, shape: tuple[int, ...]) -> None:
    values = RNG.normal(size=(3, *shape))

    def written(x: Array, v: Array, i: Array, j: Array) -> Array:
        return getattr(tn.at(x)[i, j], method)(v)

    assert_maps(written, X, values, ROWS, COLUMNS)
    np.testing.assert_allclose(
        tn.vmap(written, (None, 0, 0, None))(X[0], values, ROWS, COLUMNS[0]),
        np.stack([written(X[0], v, i, COLUMNS[0]) for v, i in zip(values, ROWS, strict=True)]),
    )

    def loss(x: Array, v: Array, i: Array, j: Array) -> Array:
        return (written(x, v, i, j) ** 2).sum()

    at_once = tn.vmap(tn.grad(loss, (0, 1)))(X, values, ROWS, COLUMNS)
    for k, g in enumerate(at_once):
        np.testing.assert_allclose(g, looped(lambda *xs, k=k: tn.grad(loss, (0, 1))(*xs)[k], X, values, ROWS, COLUMNS))


def test_elements_of_an_array_that_is_not_mapped() -> None:
    table = np.arange(9.0)
    np.testing.assert_array_equal(tn.vmap(lambda i: tn.at(table)[i].get())(ROWS), table[ROWS])
    np.testing.assert_array_equal(tn.vmap(lambda i: tnp.take(table, i))(ROWS), table[ROWS])


def test_a_mask_that_is_the_same_for_all_examples_is_an_index() -> None:
    mask = np.array([True, False, True, True])
    assert_maps(lambda x: x[mask], X)
    assert_maps(lambda x: tn.at(x)[mask].set(0.0), X)


# ---- functions without a derivative ----


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.argmax(x),
        lambda x: np.argmax(x, 1),
        lambda x: x.argmin(axis=-1, keepdims=True),
        lambda x: np.argmax(x, keepdims=True),
        lambda x: np.argsort(x),
        lambda x: np.argsort(x, axis=None),
        lambda x: np.argsort(x, 0),
        lambda x: np.argpartition(x, 2)[..., 2],
        lambda x: np.all(x > -1),
        lambda x: np.any(x > 1, axis=(0, 1), keepdims=True),
        lambda x: np.count_nonzero(x > 0, axis=0),
        lambda x: np.searchsorted(np.arange(-3.0, 3.0), x),
        lambda x: np.searchsorted(np.sort(x[0]), x[1]),
        lambda x: np.digitize(x, np.arange(-3.0, 3.0)),
        lambda x: np.allclose(x, x[0]),
        lambda x: np.array_equal(x, x),
        lambda x: np.isclose(x, 0.1, atol=0.5),
        lambda x: ~(x > 0) & (x < 1) | (x > 2) ^ (x > 3),
        lambda x: np.where(x.sum() > 0, 1, 2),
        lambda x: (x > 0).astype(int),
        lambda x: np.isin(np.round(x), [0.0, 1.0]),
        lambda x: np.isin([0.0, 1.0, 2.0], np.round(x)),
        lambda x: np.lexsort((x[0], np.round(x[1]))),
        lambda x: np.histogram(x, 4, (-2.0, 2.0))[0],
        lambda x: np.ravel_multi_index(((x[0] > 0).astype(int), (x[1] > 0).astype(int)), (2, 2)),
        lambda x: np.bincount((x.ravel() > 0).astype(int), minlength=3),
        lambda x: np.frexp(x)[1],
    ],
)
def test_functions_without_a_derivative_are_mapped(f: Callable[[Array], Array]) -> None:
    at_once = tn.vmap(f)(X)
    np.testing.assert_array_equal(at_once, looped(f, X))
    assert at_once.dtype == np.asarray(f(X[0])).dtype


def test_a_plain_function_of_a_value_on_an_outer_tape_stays_plain() -> None:
    def f(x: Array) -> Array:
        return tn.vmap(lambda row: (row * tn.stop_gradient(row) * (row > np.max(row) - 1)).sum())(x).sum()

    x = X[0]
    np.testing.assert_allclose(tn.grad(f)(x), x * (x > x.max(1, keepdims=True) - 1))


# ---- networks: the gradient of each example ----


def convolutional(p: Any, x: Array, label: Array) -> Array:
    y = nn.conv(x[None], p["kernel"], p["bias"], padding="same")
    y, _ = nn.batch_norm(y, p["scale"], p["offset"])
    y = nn.max_pool(nn.relu(y), 2)
    y = nn.dropout(y.reshape(1, -1), 0.5, np.random.default_rng(1))
    return nn.cross_entropy(nn.dense(y, p["dense"]), label[None])


def language(p: Any, words: Array, label: Array) -> Array:
    y = nn.layer_norm(nn.embedding(p["table"], words).mean(0))
    logits = nn.gelu(y) @ p["dense"]
    return nn.cross_entropy(logits, label) + nn.binary_cross_entropy(logits, nn.one_hot(label, 3, float))


def test_gradients_of_each_example_of_a_convolutional_network() -> None:
    p = {
        "kernel": RNG.normal(size=(3, 3, 2, 4)),
        "bias": RNG.normal(size=4),
        "scale": RNG.normal(size=4),
        "offset": RNG.normal(size=4),
        "dense": RNG.normal(size=(16, 3)),
    }
    images, labels = RNG.normal(size=(5, 4, 4, 2)), np.array([0, 2, 1, 1, 0])
    at_once = tn.vmap(tn.grad(convolutional), (None, 0, 0))(p, images, labels)
    for i in range(5):
        for name, g in tn.grad(convolutional)(p, images[i], labels[i]).items():
            np.testing.assert_allclose(at_once[name][i], g, rtol=1e-10, atol=1e-12, err_msg=name)


def test_gradients_of_each_example_of_an_embedding() -> None:
    p = {"table": RNG.normal(size=(7, 4)), "dense": RNG.normal(size=(4, 3))}
    words, labels = RNG.integers(0, 7, (5, 6)), np.array([0, 2, 1, 1, 0])
    at_once = tn.vmap(tn.grad(language), (None, 0, 0))(p, words, labels)
    for i in range(5):
        for name, g in tn.grad(language)(p, words[i], labels[i]).items():
            np.testing.assert_allclose(at_once[name][i], g, rtol=1e-10, atol=1e-12, err_msg=name)


def test_labels_out_of_range_are_found_in_every_example() -> None:
    text = "cross_entropy: labels must be in [0, 3); got 7."
    with pytest.raises(tn.ArgumentError, match=re.escape(text)):
        tn.vmap(nn.cross_entropy)(np.zeros((2, 3)), np.array([0, 7]))


# ---- what it refuses, with the line ----


def refused(f: Callable[[Array], Any]) -> str:
    with pytest.raises(tn.MappedValueError) as caught:
        tn.vmap(f)(X)
    return str(caught.value)


def here(f: Callable[..., Any]) -> str:
    """The line of a function written on one line."""
    return f"{__file__}:{inspect.getsourcelines(f)[1]}"


@pytest.mark.parametrize(
    ("needed_by", "f"),
    [
        ("if x:", lambda x: 1 if x.sum() > 0 else 2),
        ("float(x)", lambda x: float(x.sum())),
        ("int(x)", lambda x: int(x.sum())),
        ("x.value", lambda x: x.value),
        ("numpy.asarray(x)", lambda x: np.asarray(x)),
        ("using x as an index", lambda x: [1, 2, 3][np.argmax(x)]),
        ("numpy.asarray(x)", lambda x: np.arange(9.0)[np.argmax(x, 1)]),
        ("x.item()", lambda x: x.sum().item()),
        ("array_repr", lambda x: np.array_repr(x)),
        ("if x:", lambda x: tn.grad(lambda y: y.sum() if y.sum() > 0 else y.max())(x)),
    ],
)
def test_what_needs_one_value_is_refused_with_the_line(needed_by: str, f: Callable[[Array], Any]) -> None:
    assert refused(f) == (
        f"vmap: {needed_by} needs one value, at {here(f)}; got x of a mapped function, which has one for each "
        "example. Write tnp.where(condition, a, b) for a branch, tn.at(a)[x].get() for an element of an array a, and "
        "functions of tapenet.numpy for the rest."
    )


@pytest.mark.parametrize(
    ("what", "f"),
    [
        ("x[mask]", lambda x: x[x > 0]),
        ("x[mask]", lambda x: tn.at(x)[x > 0].get()),
        ("nonzero", lambda x: np.nonzero(x)),
        ("nonzero", lambda x: np.where(x > 0)),
        ("flatnonzero", lambda x: np.flatnonzero(x)),
        ("argwhere", lambda x: np.argwhere(x)),
        ("x[mask]", lambda x: tn.grad(lambda y: y[y > 0].sum())(x)),
    ],
)
def test_shapes_that_depend_on_values_are_refused_with_the_line(what: str, f: Callable[[Array], Any]) -> None:
    assert refused(f).startswith(
        f"vmap: {what}, at {here(f)}, needs the values of its argument for the shape of its result; got x of a "
        "mapped function, where they differ from one example to the next. Write tnp.where("
    )


def test_a_mapped_value_that_outlives_its_function_is_refused() -> None:
    kept = []
    tn.vmap(lambda x: kept.append(x) or x)(X)
    with pytest.raises(tn.MappedValueError, match=re.escape("must not be used after the mapped function has returned")):
        kept[0] + 1


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("vmap: mapped axes must have one length; got 3 in args[0], 2 in args[1].", lambda: tn.vmap(np.add)(X, X[:2])),
        ("vmap: at least one argument must be mapped; got in_axes of None for all.", lambda: tn.vmap(np.sin, None)(X)),
        ("vmap: in_axes must be in [-3, 3) for an array of 3 axes; got 3.", lambda: tn.vmap(np.sin, 3)(X)),
        (
            "vmap: out_axes must not be None for a result that depends on the example.",
            lambda: tn.vmap(np.sin, 0, None)(X),
        ),
        (
            "vmap: args[1] must be an array with an axis 0 to map over; got float 2.0. "
            "Pass None for it in in_axes to give it to every example.",
            lambda: tn.vmap(np.add)(X, 2.0),
        ),
    ],
)
def test_axes_that_do_not_fit_are_refused(text: str, call: Callable[[], Any]) -> None:
    with pytest.raises(tn.TapenetError, match=re.escape(text)):
        call()


# ---- with other transforms ----


def test_it_composes_with_every_transform_in_both_orders() -> None:
    def f(x: Array) -> Array:
        return (np.sin(x) * x.sum()).prod()

    x = X[:, :, 0]
    v = np.cos(x)
    for transform in (tn.grad, tn.jacobian, tn.jacfwd, tn.hessian, tn.elementwise_grad):
        assert_maps(transform(f), x)
    assert_maps(tn.hvp(f), x, v)
    assert_maps(lambda x, v: tn.jvp(f, (x,), (v,))[1], x, v)
    assert_maps(lambda x, v: tn.vjp(f, x)[1](v.sum())[0], x, v)
    assert_maps(lambda x, v: tn.linearize(f, x)[1](v), x, v)
    by_rows = tn.jacobian(tn.vmap(f))(x)
    np.testing.assert_allclose(by_rows, tn.jacfwd(tn.vmap(f))(x), rtol=1e-12)
    np.testing.assert_allclose(np.stack([by_rows[i, i] for i in range(3)]), tn.vmap(tn.grad(f))(x), rtol=1e-12)
    total = tn.hessian(lambda x: tn.vmap(f)(x).sum())(x)
    np.testing.assert_allclose(
        np.stack([total[i, :, i] for i in range(3)]), tn.vmap(tn.hessian(f))(x), rtol=1e-12, atol=1e-12
    )


def test_a_tape_inside_of_vmap_and_one_around_it() -> None:
    def inner(x: Array) -> Array:
        with tn.GradientTape() as tape:
            y = tape.watch(x)
            z = (y**3).sum()
        return tape.gradient(z, y)

    np.testing.assert_allclose(tn.vmap(inner)(X), 3 * X**2)
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        y = tn.vmap(inner)(x).sum()
    np.testing.assert_allclose(tape.gradient(y, x), 6 * X)


def test_a_static_field_must_not_depend_on_the_example() -> None:
    xs = np.random.default_rng(0).normal(size=(2, 4, 3))
    model = tn.nn.BatchNorm(3, dtype=np.float64)

    def after(x: Any) -> Any:
        return {"model": model.train(x, np.random.default_rng(0))[1]}

    with pytest.raises(tn.ArgumentError, match=r"vmap: result\['model'\].running.mean must be the same .* 2 examples"):
        tn.vmap(after)(xs)
    np.testing.assert_allclose(tn.vmap(lambda x: after(x)["model"].running.mean)(xs), 0.1 * xs.mean(1), rtol=1e-12)
    same = tn.vmap(lambda x: (model, x))(xs)[0]
    assert same.scale.shape == (2, 3)
    assert same.running is model.running
