"""Subjects of scipy.integrate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tests.scipy.subjects import Strategy, between, subject


def declare(name: str, call: Callable[..., Any], *arrays: Strategy, **settings: Any) -> None:
    """Declare a subject; SciPy's Python numbers come as arrays."""
    subject("integrate", name, lambda xp, *given: tnp.asarray(call(xp, *given)), *arrays, **settings)


# ---- samples ----

PLACES = between(-0.3, 0.3, 5).map(lambda x: x + np.arange(5.0))
for each in ("trapezoid", "simpson", "cumulative_trapezoid", "cumulative_simpson"):
    for count in (5, 4, 2):
        declare(
            each,
            lambda xp, y, x, each=each, count=count: getattr(xp, each)(y[:, :count], x=x[:count]),
            between(-1, 1, 2, 5),
            PLACES,
        )
    declare(each, lambda xp, y, each=each: getattr(xp, each)(y, dx=0.3, axis=0), between(-1, 1, 5, 2))
for each in ("cumulative_trapezoid", "cumulative_simpson"):
    declare(each, lambda xp, y, x, each=each: getattr(xp, each)(y, x=x, initial=0), between(-1, 1, 5), PLACES)
declare("romb", lambda xp, y, dx: xp.romb(y, dx=dx[0]), between(-1, 1, 2, 5), between(0.3, 0.5, 1))

# ---- functions ----


def wave(x: Any, a: Any, b: Any) -> Any:
    return np.exp(-a * x) * np.cos(b * x)


LIMITS = between(0.1, 1, 1), between(1.2, 2, 1)
NUMBER = between(0.5, 1.5, 1)
declare("quad", lambda xp, a, b, p, q: xp.quad(wave, a[0], b[0], (p[0], q[0]))[0], *LIMITS, NUMBER, NUMBER)
declare("quad", lambda xp, p: xp.quad(lambda x, p: np.exp(-p * x * x), 0, np.inf, (p[0],))[0], NUMBER, tolerance=1e-5)
declare("quad", lambda xp, p: xp.quad(lambda x, p: np.exp(p[0] * x), -1, 1, ({"a": p}["a"],))[0], NUMBER)
declare(
    "quad",
    lambda xp, p: xp.quad(lambda x, p: np.exp(p * x), -1, 1, (p[0],), weight="alg", wvar=(0.5, 0.5))[0],
    NUMBER,
)
declare(
    "quad_vec",
    lambda xp, a, b, p: xp.quad_vec(lambda x, p: np.exp(-p.astype(float) * x), a[0], b[0], args=(p,))[0],
    *LIMITS,
    between(0.5, 1.5, 3),
)
declare(
    "dblquad",
    lambda xp, b, p: xp.dblquad(lambda y, x, p: p * x * y, 0, b[0], 0, lambda x: x, (p[0],))[0],
    NUMBER,
    NUMBER,
    order=1,
)
declare(
    "nquad",
    lambda xp, b, p: xp.nquad(lambda x, y, p: np.cos(p * x) * y, [(0, b[0]), (0, 1)], (p[0],))[0],
    NUMBER,
    NUMBER,
    order=1,
)
declare(
    "fixed_quad", lambda xp, a, b, p, q: xp.fixed_quad(wave, a[0], b[0], (p[0], q[0]), n=6)[0], *LIMITS, NUMBER, NUMBER
)

# ---- differential equations ----

TIMES = np.linspace(0.0, 1.0, 4)


def pendulum(t: Any, y: Any, p: Any) -> Any:
    return [y[1], -p[0] * np.sin(y[0]) - p[1] * y[1] + 0.1 * t]


for method in ("RK23", "RK45", "DOP853", "Radau", "BDF", "LSODA"):
    declare(
        "solve_ivp",
        lambda xp, y0, p, t, method=method: (
            xp.solve_ivp(pendulum, (0.0, 1.2), y0, method, t + TIMES, args=(p,), rtol=1e-9, atol=1e-11).y
        ),
        between(0.5, 1, 2),
        between(1, 2, 2),
        between(0.05, 0.15, 1),
        tolerance=1e-5,
    )
declare(
    "odeint",
    lambda xp, y0, p, t: xp.odeint(lambda y, t, p: pendulum(t, y, p), y0, t * TIMES, args=(p,), rtol=1e-11, atol=1e-12),
    between(0.5, 1, 2),
    between(1, 2, 2),
    between(0.8, 1.2, 1),
    tolerance=1e-5,
)

declare(
    "tplquad",
    lambda xp, b, p: xp.tplquad(
        lambda z, y, x, p: np.exp(-p * x) * y + z,
        0,
        b[0],
        0,
        lambda x: x,
        lambda x, y: 0.5,
        lambda x, y: x + y,
        (p[0],),
    )[0],
    *(between(0.5, 1, 1), between(0.5, 1, 1)),
    closeness=1e-10,
)
