"""A user's mistakes, each of which mypy and pyright find: both report where an error that is ignored is not one."""

from __future__ import annotations

from typing import Any

import numpy as np

import tapenet as tn
import tapenet.numpy as tnp


def line(x: np.ndarray[Any, Any], slope: float) -> np.ndarray[Any, Any]:
    return tnp.sum(x * slope)


def misspelled(x: np.ndarray[Any, Any]) -> None:
    tn.gradd(line)  # type: ignore[attr-defined]
    tn.testing.check_gradients(line)  # type: ignore[attr-defined]
    tnp.sinn(x)  # type: ignore[attr-defined]
    tnp.linalg.solv(x, x)  # type: ignore[attr-defined]
    tnp.fft.ftt(x)  # type: ignore[attr-defined]
    tn.nn.rellu(x)  # type: ignore[attr-defined]
    tn.optim.adamm(1e-3)  # type: ignore[attr-defined]
    tn.models.LeNett()  # type: ignore[attr-defined]


def on_a_tape(start: np.ndarray[Any, Any]) -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(start)
    x.summ()  # type: ignore[attr-defined]
    x.at[0].put(1.0)  # type: ignore[attr-defined]
    x[0] = 1.0  # type: ignore[index, assignment]
    tape.gradients(x, x)  # type: ignore[attr-defined]
    tape.gradient(x, x, unconnected="nothing")  # type: ignore[call-overload]


def parameters(x: np.ndarray[Any, Any]) -> None:
    tn.grad(line)(x)  # type: ignore[call-overload]
    tn.grad(line)(x, slop=1.0)  # type: ignore[call-overload]
    tn.value_and_grad(line)(x, "steep")  # type: ignore[call-overload]
    tn.vmap(line)(x)  # type: ignore[call-arg]
    tn.checkpoint(line)(x, slop=1.0)  # type: ignore[call-arg]
    tn.vjp(line, x, 1.0)[1]()  # type: ignore[call-arg]
    tnp.sum(x, axes=0)  # type: ignore[call-overload]
    tnp.sin(x, x)  # type: ignore[call-overload]
