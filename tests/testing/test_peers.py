"""Cross-checks against PyTorch and JAX, where they are installed, and what is said where they are not."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.testing import GradientError, assert_same_as_jax, assert_same_as_torch

X = np.array([[0.5, -1.0], [2.0, 0.25]])
Z = X + 1j * X[::-1]


@attrs.frozen
class Affine:
    weight: Any
    bias: Any


def check(peer: str) -> tuple[Callable[..., None], Any]:
    """The cross-check against a peer, and its functions."""
    if peer == "torch":
        return assert_same_as_torch, pytest.importorskip("torch")
    return assert_same_as_jax, pytest.importorskip("jax.numpy")


both = pytest.mark.parametrize("peer", ["torch", "jax"])


@both
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_functions_pass(peer: str, dtype: Any) -> None:
    assert_same, xp = check(peer)

    def f(p: Any, x: Any, xp: Any) -> Any:
        hidden = xp.tanh(x @ p["layer"].weight + p["layer"].bias)
        return {"y": hidden, "scalar": (hidden[0] * p["scale"]).sum()}

    p = {"layer": Affine(X.astype(dtype), X[0].astype(dtype)), "scale": dtype(2.0), "unused": dtype(1.0)}
    assert_same(lambda p, x: f(p, x, tnp), lambda p, x: f(p, x, xp), (p, X.astype(dtype)))


@both
def test_complex_gradients_are_compared_in_one_convention(peer: str) -> None:
    assert_same, xp = check(peer)
    assert_same(lambda z: z**3 + tnp.conj(z) * 2j, lambda z: z**3 + xp.conj(z) * 2j, (Z,))
    assert_same(lambda z: tnp.abs(z) ** 2, lambda z: xp.abs(z) ** 2, (Z,))
    assert_same(lambda x: x * (1 + 2j), lambda x: x * (1 + 2j), (X,))


@both
def test_another_value_is_named(peer: str) -> None:
    assert_same, _ = check(peer)
    name = {"torch": "PyTorch", "jax": "JAX"}[peer]
    where = "at y['a'][1, 0] got 2 and 2.002."
    message = f"assert_same_as_{peer}: f and {name} must agree to 1e-10 of the largest number; {where}"
    with pytest.raises(GradientError, match=re.escape(message)):
        assert_same(lambda x: {"a": x}, lambda x: {"a": x * 1.001}, (X,))


@both
def test_another_gradient_is_named(peer: str) -> None:
    assert_same, _ = check(peer)
    name = {"torch": "PyTorch", "jax": "JAX"}[peer]
    message = rf"the gradient of f and that by {name} must agree to 1e-10 .*; at args\[0\]\['w'\]\[\d, \d\] got "
    with pytest.raises(GradientError, match=message):
        assert_same(lambda p: tn.stop_gradient(p["w"]) * p["w"], lambda p: p["w"] * p["w"], ({"w": X},))


@both
def test_a_result_that_does_not_depend_on_the_arguments(peer: str) -> None:
    assert_same, xp = check(peer)
    assert_same(lambda x: tnp.ones_like(x), lambda x: xp.ones_like(x), (X,))


def test_jax_is_left_in_its_own_precision() -> None:
    jnp = pytest.importorskip("jax.numpy")
    assert_same_as_jax(tnp.sin, jnp.sin, (X,))
    assert jnp.asarray(X).dtype == jnp.float32


@both
def test_a_peer_that_is_not_installed(peer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, peer, None)
    function: Any = getattr(tn.testing, f"assert_same_as_{peer}")
    message = rf"^assert_same_as_{peer}: {peer} must be installed; got .*\. Install it: pip install {peer}\.$"
    with pytest.raises(tn.MissingPackageError, match=message):
        function(lambda x: x, lambda x: x, (X,))


def test_nothing_is_imported_before_it_is_used() -> None:
    code = "import sys, tapenet.testing; print([m for m in ('hypothesis', 'torch', 'jax') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_strategies_without_hypothesis(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("tapenet.testing.strategies")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    message = (
        r"^tapenet\.testing\.strategies: hypothesis must be installed; got .*\. "
        r"Install it: pip install hypothesis\.$"
    )
    with pytest.raises(ImportError, match=message):
        importlib.import_module("tapenet.testing.strategies")
    with pytest.raises(ImportError, match=r"^gradient_test: hypothesis must be installed"):
        tn.testing.gradient_test(lambda x: x, X)
    with pytest.raises(AttributeError, match=r"module 'tapenet\.testing' has no attribute 'nothing'"):
        _ = tn.testing.nothing  # type: ignore[attr-defined]  # what is tested
