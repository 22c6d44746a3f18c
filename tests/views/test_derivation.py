"""`tape.derivation`: the walk back as source of plain NumPy, which gives the same gradient."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet import nn
from tapenet.core.primitive import REGISTRY
from tapenet.errors import ArgumentError, ArgumentTypeError, MissingRuleError, TapeStateError, UnconnectedError
from tapenet.views import numpy_helpers
from tapenet.views.derivation import Derivation
from tapenet.views.numpy_source import sources_of
from tapenet.views.spellings import SPELLINGS
from tests.samples import SAMPLES

A = np.array([1.0, 2.0, -3.0])
RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 4))
IMAGES = RNG.normal(size=(2, 6, 6, 3))
# Loops over the steps of a sequence, which have no spelling.
SEQUENCES: dict[str, Callable[[Any], Any]] = {
    "rnn_sequence": lambda x: nn.rnn(x, np.ones((4, 3)), np.ones((3, 3)))[0],
    "gru_sequence": lambda x: nn.gru(x, np.ones((4, 9)), np.ones((3, 9)))[0],
    "lstm_sequence": lambda x: nn.lstm(x, np.ones((4, 12)), np.ones((3, 12)))[0],
    "ctc": lambda x: nn.ctc(x, [[1, 2]]),
}


def derived(f: Callable[..., Any], *xs: Any) -> tuple[Derivation, Any]:
    with np.errstate(all="ignore"), tn.GradientTape() as tape:
        x = tape.watch(xs)
        y = f(*x)
    return tape.derivation(y, x), tape.gradient(y, x, unconnected="zero")


def run(source: str, *xs: Any, **constants: Any) -> Any:
    """What the source gives by itself."""
    assert "tapenet" not in re.sub(r"'[^']*'", "", source)
    namespace: dict[str, Any] = constants
    exec(source, namespace)
    return namespace["gradient"](*xs)


def assert_same_gradient(f: Callable[..., Any], *xs: Any, rtol: float = 1e-9) -> str:
    derivation, expected = derived(f, *xs)
    with np.errstate(all="ignore"):
        found = derivation(*xs)
    found = found if len(xs) > 1 else (found,)
    for theirs, ours in zip(expected, found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=1e-3 * rtol)
        assert np.shape(ours) == np.shape(theirs)
        assert np.asarray(ours).dtype == np.asarray(theirs).dtype
    return str(derivation)


def test_the_source_is_short_and_named() -> None:
    assert assert_same_gradient(lambda x: tnp.sum(x * tnp.sin(x)), A) == (
        "import numpy as np\n\n\n"
        "def gradient(x0):\n"
        "    sin = np.sin(x0)\n"
        "    cos = np.cos(x0)\n"
        "    product = x0 * cos\n"
        "    x0_bar = sin + product\n"
        "    return x0_bar"
    )


def weighted(y: Any) -> Any:
    """A real number that depends on all parts of an output."""
    total = 0.0
    for i, part in enumerate(y if isinstance(y, tuple) else (y,)):
        if np.dtype(part.dtype).kind in "fc":
            total = total + tnp.sum(tnp.real(part * (0.7 + 0.1 * i))) + tnp.sum(tnp.imag(part) * 0.3)
    return total


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", sorted(SAMPLES.keys() - SEQUENCES.keys() - {"part"}))
@settings(max_examples=2, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_operation_has_a_spelling_that_gives_its_gradient(dtype: Any, name: str, data: st.DataObject) -> None:
    sample = data.draw(SAMPLES[name])
    arrays = tuple(
        x.astype(dtype if x.dtype.kind == "f" else np.result_type(dtype, np.complex64)) for x in sample.arrays
    )
    with np.errstate(all="ignore"), tn.GradientTape() as tape:
        x = tape.watch(arrays)
        y = weighted(sample.function(*x))
    if not isinstance(y, tn.Tensor) or any(part is None for part in tape.gradient(y, x, unconnected="none")):
        return  # an output of integers, or none that depends on all operands
    with np.errstate(all="ignore"):
        expected, derivation = tape.gradient(y, x), tape.derivation(y, x)
        if "import scipy" in derivation.source:
            pytest.importorskip("scipy")
        found = derivation(*arrays)
    for theirs, ours in zip(expected, found if len(arrays) > 1 else (found,), strict=True):
        rtol = 1e-8 if dtype is np.float64 else 2e-3
        np.testing.assert_allclose(
            ours, theirs, rtol=rtol, atol=rtol * max(1.0, float(np.max(np.abs(theirs), initial=0)))
        )
        assert (np.shape(ours), np.asarray(ours).dtype) == (theirs.shape, theirs.dtype)


@pytest.mark.parametrize("name", sorted(SEQUENCES))
def test_operations_without_a_spelling_are_named(name: str) -> None:
    assert name in REGISTRY
    assert name not in SPELLINGS
    with pytest.raises(
        MissingRuleError, match=rf"^tape\.derivation: {name} must be an operation that is written in NumPy"
    ):
        derived(lambda x: tnp.sum(SEQUENCES[name](x[None])), X)


MODELS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "mlp": (lambda x, w: tnp.mean(nn.gelu(x @ w) ** 2), (X, np.ones((4, 3)))),
    "cross_entropy": (lambda x: nn.cross_entropy(x, np.array([0, 1, 2, 3, 1])), (X,)),
    "binary": (lambda x: nn.binary_cross_entropy(x[:, 0], np.array([0, 1.0, 1, 0, 1])), (X,)),
    "huber": (lambda x: nn.huber(x[:, 0], x[:, 1]), (X,)),
    "embedding": (lambda x: tnp.sum(nn.embedding(x, np.array([0, 1, 1])) ** 2), (X,)),
    "dropout": (lambda x: tnp.sum(nn.dropout(x, 0.5, np.random.default_rng(0)) ** 2), (X,)),
    "batch_norm": (lambda x: tnp.sum(nn.batch_norm(x)[0] ** 3) + tnp.sum(nn.batch_norm(x)[1][1] ** 2), (X,)),
    "layer_norm": (lambda x, s, b: tnp.sum(nn.layer_norm(x, s, b) ** 3), (X, np.ones(4), np.zeros(4))),
    "conv": (
        lambda x, k, b: tnp.sum(nn.max_pool(nn.relu(nn.conv(x, k, b, stride=2, padding="same")), 2, 1) ** 2),
        (IMAGES, RNG.normal(size=(3, 3, 3, 4)), RNG.normal(size=4)),
    ),
    "groups": (
        lambda x, k: tnp.sum(nn.avg_pool(nn.conv(x, k, groups=3, dilation=2, padding=2), 3, 2, "same") ** 2),
        (IMAGES, RNG.normal(size=(2, 2, 1, 6))),
    ),
    "median": (lambda x: tnp.sum(tnp.median(x, 0) ** 2) + tnp.quantile(x, 0.3) ** 2, (X,)),
    "cov": (lambda x: tnp.sum(tnp.cov(x) ** 2) + tnp.sum(tnp.corrcoef(x) ** 2), (X,)),
    "linalg": (lambda x: tnp.sum(tnp.linalg.svd(x, full_matrices=False)[1] ** 3) + tnp.sum(tnp.linalg.pinv(x)), (X,)),
    "at": (lambda x: tnp.sum(x.at[0, [1, 1, 2]].add(2.0) ** 2) + tnp.sum(x.at[::2].multiply(3.0) ** 2), (X,)),
    "second": (lambda x: tnp.sum(tn.grad(lambda z: tnp.sum(tnp.tanh(z) ** 3))(x) ** 2), (X,)),
    "checkpoint": (lambda x: tnp.sum(tn.checkpoint(lambda z: tnp.tanh(z) ** 2)(x)), (X,)),
    "vmap": (lambda x: tnp.sum(tn.vmap(lambda row: tnp.prod(row) / tnp.linalg.norm(row))(x)), (X,)),
    "number": (lambda x: x**2.5 + tnp.exp(x) / 3, (1.7,)),
    "linear": (lambda x: 3 * x, (1.7,)),
    "complex": (lambda z: tnp.abs(z * z + 1) ** 2, (1 + 2j,)),
    "empty": (lambda x: tnp.sum(x * 2), (np.zeros((0, 3)),)),
    "fortran": (lambda x: tnp.sum(tnp.sin(x.T) @ x), (np.asfortranarray(X),)),
}


@pytest.mark.parametrize("name", MODELS)
def test_models_and_programs(name: str) -> None:
    f, xs = MODELS[name]
    assert_same_gradient(f, *xs)


def test_special_functions_are_spelled_by_scipy() -> None:
    pytest.importorskip("scipy")
    special = tn.scipy.special
    x = np.array([0.3, 1.2, 2.5])
    source = assert_same_gradient(lambda x: tnp.sum(special.gammaln(x) * special.erf(x) + special.digamma(x)), x)
    assert "import scipy.special" in source
    assert "scipy.special.psi(x0)" in source
    assert_same_gradient(lambda x: tnp.sum(tn.scipy.stats.gamma.logpdf(x, 1.3)) + tnp.sum(special.betaln(x, 2.0)), x)
    with pytest.raises(MissingRuleError, match=r"special\.zeta_by_order must be an operation that is written in NumPy"):
        derived(lambda s: special.zeta(s, 2.0), 3.0)


def test_the_source_is_a_function_of_the_watched_values() -> None:
    derivation, _ = derived(lambda x: tnp.sum(tnp.exp(x) * tnp.max(x)), A)
    other = np.array([0.5, 4.0, 2.0])
    expected = tn.grad(lambda x: tnp.sum(tnp.exp(x) * tnp.max(x)))(other)
    np.testing.assert_allclose(run(derivation.source, other), expected)
    np.testing.assert_allclose(derivation.function(other), expected)
    assert repr(derivation).startswith("<Derivation, gradient(x0), ")


def test_what_was_read_is_checked() -> None:
    def f(x: Any) -> Any:
        return tnp.sum(tnp.where(x > 0, x * x, -x)) if x[0] > 0 else x[0]

    source = assert_same_gradient(f, A)
    assert re.search(rf"check\(part > 0, 'greater at {re.escape(__file__)}:\d+'\)", source)
    run(source, np.array([5.0, 6.0, -7.0]))
    with pytest.raises(ValueError, match=r"greater at .* gives another answer than when it was recorded"):
        run(source, -A)
    with pytest.raises(ValueError, match="gives another answer"):
        run(source, np.abs(A))
    assert "check(not (x0 > 5.0), " in str(derived(lambda x: x * x if x > 5.0 else x * x * x, 2.0)[0])


def test_large_arrays_are_named_and_checked_too() -> None:
    x0 = RNG.normal(size=(100, 30))
    derivation, (expected,) = derived(lambda x: tnp.sum(tnp.where(x > 0, x * x, -x)), x0)
    assert derivation.constants.keys() == {"data", "data_2", "data_3"}
    assert "#     data: bool array of shape (100, 30)" in derivation.source
    assert "check(np.array_equal(x0 > 0, data), " in derivation.source
    np.testing.assert_allclose(derivation(x0), expected)
    np.testing.assert_allclose(run(derivation.source, x0, **derivation.constants), expected)
    with pytest.raises(ValueError, match="gives another answer"):
        derivation(-x0)


def test_trees_intermediates_and_several_targets() -> None:
    with tn.GradientTape() as tape:
        params = tape.watch({"w": np.ones((3, 2)), "b": [np.zeros(2), 1.0]})
        z = tape.watch(A)
        h = z @ params["w"] + params["b"][0]
        y = {"one": tnp.sum(h**2), "two": h * params["b"][1]}
    output_gradients = {"one": 2.0, "two": np.array([1.0, 3.0])}
    derivation = tape.derivation(y, (params, h), output_gradients)
    assert derivation.parameters == ("b_0", "b_1", "w", "x")
    found = derivation(np.zeros(2), 1.0, np.ones((3, 2)), A)
    expected = tape.gradient(y, (params, h), output_gradients)
    for ours, theirs in zip(found, tn.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, theirs)
    with pytest.raises(ArgumentError, match=r"tape\.derivation: y must be a scalar"):
        tape.derivation(h, params)
    assert tape.derivation(y["one"], y["one"])(np.zeros(2), 1.0, np.ones((3, 2)), A) == 1


def test_operations_of_one_name_are_numbered_in_order() -> None:
    with tn.GradientTape() as tape:
        leaves = tape.watch({"sin": 0.5, "sin_2": 1.5, "np": 2.0})
        y = leaves["sin"] * leaves["sin_2"] * leaves["np"]
        for _ in range(300):
            y = tnp.sin(y)
    derivation = tape.derivation(y, leaves)
    numbers = [line.split(" = ")[0].strip() for line in str(derivation).splitlines() if " = np.sin(" in line]
    assert numbers == [f"sin_{k}" for k in range(3, 302)]
    gradients = derivation(*[leaves[name].value for name in ("np", "sin", "sin_2")])
    np.testing.assert_allclose(gradients, [tape.gradient(y, leaves)[name] for name in ("np", "sin", "sin_2")])


def test_errors() -> None:
    with tn.GradientTape() as tape:
        x, z = tape.watch((A, A))
        y = tnp.sum(x * x)
    with pytest.raises(UnconnectedError, match=r"tape\.derivation: there is no differentiable path from x\[1\] to y"):
        tape.derivation(y, (x, z))
    with pytest.raises(UnconnectedError, match=r"tape\.derivation: x was never watched"):
        tape.derivation(y, A)
    with pytest.raises(ArgumentTypeError, match=r"tape\.derivation"):
        tape.derivation(y, x, output_gradients="no")
    with tn.GradientTape(replayable=False) as tape:
        x = tape.watch(A)
        y = tnp.sum(x * x)
    with pytest.raises(TapeStateError, match=r"tape\.derivation: the tape must be replayable"):
        tape.derivation(y, x)
    with tn.GradientTape() as tape:
        a, x = tape.watch((A, A))
        y = tnp.sum((a + x) * x) if a[0] > 0.5 and a[1] > 1.5 else tnp.sum(x)
    with pytest.raises(TapeStateError, match=r"Give watched values that no derivative reads as a part of x"):
        tape.derivation(y, x)
    assert tape.derivation(y, (a, x)).parameters == ("x0", "x1")


def test_values_of_outer_tapes_are_constants_and_mapped_ones_an_error() -> None:
    seen: list[Any] = []

    def f(v: Any) -> Any:
        with tn.GradientTape() as tape:
            x = tape.watch(v)
            y = tnp.sum(x * v * tnp.where(v > 0, 1.0, 2.0))
        seen.append(tape.derivation(y, x))
        return y

    tn.grad(f)(A)
    np.testing.assert_allclose(seen[0](A), A * np.array([1.0, 1.0, 2.0]))
    with pytest.raises(tn.TapenetError, match=r"tape\.derivation"):
        tn.vmap(f)(X)
    with pytest.raises(ArgumentError, match=r"derivation: there must be one value for each of x; got 2\."):
        seen[0](A, A)


@pytest.mark.parametrize("name", [name for name in dir(numpy_helpers) if name[0].islower()])
def test_helpers_are_copied_without_annotations(name: str) -> None:
    if not callable(getattr(numpy_helpers, name)):
        return
    text = "\n".join(sources_of([name]))
    assert "->" not in text.partition("\n")[0]
    exec(text, {"np": np})
