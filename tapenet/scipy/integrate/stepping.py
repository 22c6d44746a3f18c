"""SciPy's explicit Runge-Kutta solvers, with each step as straight code on numbers where the right-hand side is that.

A step of a solver on small vectors spends its time on NumPy's calls. Here all stages, the new state and the estimate of
its error are one Python function of floats. The coefficients and all else are SciPy's: the solvers are its classes,
with the method that takes a step replaced, and give its values to rounding.

Source: E. Hairer, S. Norsett, G. Wanner, Solving Ordinary Differential Equations I (1993), section II.4, for the
control of steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import scipy.integrate

from tapenet.core.primitive import Array
from tapenet.scipy.straight import StraightField

Function = Callable[..., Any]

# SciPy's: how much of the step that the estimate allows is taken, and by what it may change at once.
_SAFETY, _SMALLEST, _LARGEST = 0.9, 0.2, 10.0


class _Straight:
    """What replaces the step of a solver.

    Attributes:
        attempt: `(t, y, f, h, rtol, atol) -> new y, new f, the norm of the error, the slopes of all stages`, of lists.
        taken: the slopes of all stages of each step; the solver adds to it.
    """

    def __init__(
        self, fun: Function, t0: float, y0: Array, t_bound: float, attempt: Function, taken: list[Any], **options: Any
    ) -> None:
        super().__init__(fun, t0, y0, t_bound, **options)  # type: ignore[call-arg]  # SciPy's class follows
        self.attempt, self.taken = attempt, taken
        self._rtol, self._atol = (np.broadcast_to(x, (self.n,)).tolist() for x in (self.rtol, self.atol))  # type: ignore[attr-defined]

    def _step_impl(self: Any) -> Any:
        """Take a step, and return whether that was possible, and if not why; SciPy's name for it."""
        t, end, sign = float(self.t), float(self.t_bound), float(self.direction)
        y, f = self.y.tolist(), np.asarray(self.f).tolist()
        least = 10 * abs(math.nextafter(t, sign * math.inf) - t)
        size, most = float(self.max_step if self.h_abs > self.max_step else max(self.h_abs, least)), _LARGEST
        while size >= least:
            new_t = t + sign * size
            if sign * (new_t - end) > 0:
                new_t = end
            h = new_t - t
            size = abs(h)
            try:
                new_y, new_f, error, slopes = self.attempt(t, y, f, h, self._rtol, self._atol)
            except (ArithmeticError, ValueError):  # where NumPy gives inf or NaN: SciPy's own step does the same
                answer = super()._step_impl()  # type: ignore[misc]  # SciPy's class follows
                self.taken.append(self.K.tolist())
                return answer
            self.nfev += self.n_stages
            change = _SAFETY * error**self.error_exponent if error else most
            if error < 1:
                self.h_abs = size * min(most, change)
                self.h_previous, self.y_old = h, self.y
                self.t, self.y, self.f, self.K[:] = new_t, np.array(new_y), np.array(new_f), slopes
                self.taken.append(slopes)
                return True, None
            size *= max(_SMALLEST, change)
            most = 1.0  # no growth after a step that was rejected
        return False, self.TOO_SMALL_STEP


class StraightRK23(_Straight, scipy.integrate.RK23):  # type: ignore[misc]  # SciPy has no types
    """SciPy's RK23."""


class StraightRK45(_Straight, scipy.integrate.RK45):  # type: ignore[misc]  # SciPy has no types
    """SciPy's RK45."""


class StraightDOP853(_Straight, scipy.integrate.DOP853):  # type: ignore[misc]  # SciPy has no types
    """SciPy's DOP853."""


SOLVERS: dict[str, Any] = {"RK23": StraightRK23, "RK45": StraightRK45, "DOP853": StraightDOP853}


def attempt_of(field: StraightField, method: str, arrays: Sequence[Array]) -> Function | None:
    """Return the attempt of a step; None where it would be a large function."""
    solver = SOLVERS[method]
    size = field.size

    def sum_of(weights: Array, i: int) -> str:
        terms = [f"{w!r} * k{j}_{i}" for j, w in enumerate(weights.tolist()) if w]
        return " + ".join(terms) or "0.0"

    def names(name: str) -> str:
        return ", ".join(f"{name}_{i}" for i in range(size))

    def lines(body: Sequence[str], outputs: Sequence[str]) -> list[str]:
        written = [f"{names('a')}, = a", f"{names('k0')}, = k0"]
        for stage in range(1, solver.n_stages):
            written.append(f"t = begin + {float(solver.C[stage])!r} * h")
            written += [f"y_{i} = a_{i} + ({sum_of(solver.A[stage, :stage], i)}) * h" for i in range(size)]
            written += [*body, *(f"k{stage}_{i} = {output}" for i, output in enumerate(outputs))]
        written.append("t = begin + h")
        written += [f"y_{i} = z_{i} = a_{i} + h * ({sum_of(solver.B, i)})" for i in range(size)]
        written += [*body, *(f"k{solver.n_stages}_{i} = {output}" for i, output in enumerate(outputs))]
        written += [f"s_{i} = atol[{i}] + max(abs(a_{i}), abs(z_{i})) * rtol[{i}]" for i in range(size)]
        written += _error_of(solver, size, sum_of)
        slopes = ", ".join(f"[{names(f'k{stage}')}]" for stage in range(solver.n_stages + 1))
        return [*written, f"return [{names('z')}], [{names(f'k{solver.n_stages}')}], error, [{slopes}]"]

    return field.of_lines(f"attempt of {method}", "begin, a, k0, h, rtol, atol", lines, solver.n_stages, arrays)


def _error_of(solver: Any, size: int, sum_of: Callable[[Array, int], str]) -> list[str]:
    """Return the lines that compute the norm of the estimate of the error."""

    def squares(weights: Array) -> str:
        return " + ".join(f"(({sum_of(weights, i)}) / s_{i}) ** 2" for i in range(size))

    if solver is not StraightDOP853:
        return [f"error = abs(h) * sqrt(({squares(solver.E)}) / {size})"]
    return [
        f"fifth = {squares(solver.E5)}",
        f"third = {squares(solver.E3)}",
        f"error = abs(h) * fifth / sqrt((fifth + 0.01 * third) * {size}) if fifth or third else 0.0",
    ]


# ---- interpolants ----


@attrs.frozen(eq=False)
class Solution:
    """A solution between the steps of a solver, by the solver's interpolant, for all steps at once.

    Attributes:
        ts, ys: the ends of the steps, and the states there, shapes (n + 1,) and (n + 1, d).
        slopes: of the stages of each step, shape (n, stages, d).
        solver: the solver.
        values: f at points.
    """

    ts: Array
    ys: Array
    slopes: Array
    solver: Any
    values: Callable[[Array, Array], Array]

    def __call__(self, points: Array) -> Array:
        """Return the states at points, shape (points, d)."""
        sign = 1.0 if self.ts[-1] >= self.ts[0] else -1.0
        last = len(self.ts) - 2
        step = np.clip(np.searchsorted(sign * self.ts, sign * points, side="left") - 1, 0, last)
        used, place = np.unique(step, return_inverse=True)
        h = np.diff(self.ts)[used]
        x = ((points - self.ts[step]) / h[place])[:, None]
        find = self._of_dop853 if self.solver is StraightDOP853 else self._of_polynomials
        return find(used, h[:, None], place, x)

    def _of_polynomials(self, used: Array, h: Array, place: Array, x: Array) -> Array:
        coefficients = np.swapaxes(self.slopes[used], 1, 2) @ self.solver.P
        powers = x ** np.arange(1, self.solver.P.shape[1] + 1)
        found: Array = self.ys[used][place] + h[place] * (coefficients[place] @ powers[:, :, None])[:, :, 0]
        return found

    def _of_dop853(self, used: Array, h: Array, place: Array, x: Array) -> Array:
        """Evaluate the polynomial of degree 7, with three stages more (Hairer, Norsett, Wanner, section II.6)."""
        t, y, slopes = self.ts[used], self.ys[used], self.slopes[used]
        for weights, node in zip(self.solver.A_EXTRA, self.solver.C_EXTRA, strict=True):
            moved = h * np.tensordot(slopes, weights[: slopes.shape[1]], ([1], [0]))
            slopes = np.concatenate([slopes, self.values(t + node * h[:, 0], y + moved)[:, None]], 1)
        across, first, last = self.ys[used + 1] - y, slopes[:, 0], slopes[:, self.solver.n_stages]
        parts = [across, h * first - across, 2 * across - h * (first + last)]
        parts += list(h * np.tensordot(self.solver.D, slopes, ([1], [1])))
        found = np.zeros((len(x), y.shape[1]))
        for i, part in enumerate(reversed(parts)):
            found = (found + part[place]) * (1 - x if i % 2 else x)
        return found + y[place]
