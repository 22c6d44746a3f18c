"""Writes docs/guides/scipy.md: what becomes of each of SciPy's functions on a Tensor.

    python docs/generate_scipy.py

A function has its place by the paragraph of its docstring that begins with one of `HEADS`. That the differentiable
ones are differentiated rightly is for the tests to say, which have a subject for each of them.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import scipy

from tapenet.scipy import MODULES

BOTH = "both modes"
CONSTANT = "piecewise constant"
PLAIN = "no derivative"
REFUSAL = "refused"
KINDS = (BOTH, CONSTANT, PLAIN, REFUSAL)
HEADS = {
    "Derivative": BOTH,
    "Derivatives": BOTH,
    "Piecewise constant": CONSTANT,
    "No derivative": PLAIN,
    "Refused": REFUSAL,
}

# Modules inside of modules too.
PARTS = (*MODULES, "signal.windows", "sparse.linalg", "spatial.distance", "spatial.transform")
COMPLETE: tuple[str, ...] = (
    "fft",
    "integrate",
    "interpolate",
    "linalg",
    "ndimage",
    "signal",
    "signal.windows",
    "optimize",
    "sparse",
    "sparse.linalg",
    "spatial",
    "spatial.distance",
    "spatial.transform",
    "special",
    "stats",
)  # modules of which every public function has a place
PAGE = Path(__file__).parent / "guides" / "scipy.md"

INTRODUCTION = """# SciPy

`tapenet.scipy` is SciPy's namespace on Tensors and arrays alike: `tapenet.scipy.special.gammaln(x)` has SciPy's value
and an exact derivative, in both modes and to any order. It needs the extra `scipy`: `pip install "tapenet[scipy]"`.
`import tapenet` does not import SciPy; the first use of `tn.scipy` does.

```python
import numpy as np
import scipy.special
import tapenet as tn
from tapenet.scipy import special

tn.grad(special.gammaln)(3.0)  # digamma(3)
tn.grad(lambda a: special.gammainc(a, 2.0))(1.5)  # by a parameter too
tn.grad(lambda x: np.sum(scipy.special.erf(x)))(np.ones(3))  # plain SciPy: its ufuncs dispatch
```

Interpolants, filters and images are differentiated by all that they are made of:

```python
import tapenet.numpy as tnp
from tapenet.scipy import interpolate, ndimage, signal

x, y = np.arange(6.0), np.sin(np.arange(6.0))
tn.grad(lambda y: interpolate.CubicSpline(x, y)(2.5))(y)  # by the data; by x and by the point as well
tn.grad(lambda a: tnp.sum(signal.lfilter([1.0], a, y) ** 2))(np.array([1.0, -0.5]))  # by a filter's coefficients
tn.grad(lambda angle: ndimage.rotate(np.outer(y, y), angle, reshape=False)[2, 3])(20.0)
tn.grad(interpolate.CubicSpline(x, y))(2.5)  # an interpolant of plain data is called with a Tensor
tn.grad(lambda s: interpolate.UnivariateSpline(x, y, s=s)(2.5))(0.1)  # by how much a spline smooths
tn.grad(lambda w: tnp.sum(signal.sosfilt(signal.butter(4, w, output="sos"), y) ** 2))(0.3)  # by where a filter cuts
```

FITPACK's splines (`splrep`, `UnivariateSpline`) move with their data, weights, given knots and smoothing; which of the
places FITPACK takes for knots is piecewise constant, and so is which roots of a filter share a section. `griddata` and
`CloughTocher2DInterpolator` solve for the gradients at the points, and differentiate through that.

**Solutions** are differentiated by what they depend on, which are arguments: `args`, those of constraints, bounds, the
elements of a sparse matrix. The solver runs on plain values, and the derivative is that of the equation that its
solution satisfies, so that it is exact where the solution is. A solver that fails, a singular Jacobian and an active
set that is about to switch raise `tn.ConvergenceError`.

```python
from tapenet.scipy import integrate, optimize, sparse

tn.grad(lambda a: optimize.brentq(lambda x, a: x**2 - a, 0, 4, args=(a,)))(4.0)


def nearest(a):  # the point of the unit circle that is nearest to a
    circle = {"type": "eq", "fun": lambda x: np.sum(x**2) - 1}
    return optimize.minimize(lambda x, a: np.sum((x - a) ** 2), np.ones(2), (a,), constraints=circle).x


tn.jacobian(nearest)(np.array([2.0, 1.0]))

rates = np.array([1.0, 0.1, 1.5, 0.075])
lotka = lambda y, t, p: np.stack([p[0] * y[0] - p[1] * y[0] * y[1], p[3] * y[0] * y[1] - p[2] * y[1]])
tn.grad(lambda p: integrate.odeint(lotka, [10.0, 5.0], np.linspace(0, 5, 9), (p,))[-1, 0])(rates)


def heat(k):  # of a rod with these conductivities
    a = sparse.diags_array([k[:-1] + k[1:], -k[1:-1], -k[1:-1]], offsets=[0, 1, -1])
    return sparse.linalg.spsolve(a, np.ones(4))


tn.jacobian(heat)(np.ones(5))
```

`minimize(f, x0)` is a driver as well: x0 is any pytree, and `f` alone is enough. Gradients, products with the Hessian
and Jacobians of constraints are supplied to whichever method takes them; `jac="2-point"` leaves that to SciPy.

```python
rosen = lambda p: (1 - p["x"]) ** 2 + 100 * (p["y"] - p["x"] ** 2) ** 2
optimize.minimize(rosen, {"x": -1.0, "y": 2.0}, method="trust-exact").x
```

A right-hand side of `odeint` and `solve_ivp` that is arithmetic and elementary functions of elements, without branches,
is recorded once and runs as straight code on numbers; any other is called as it is, and takes longer. With RK23, RK45
and DOP853 and without events the whole step of the solver is straight code then: a gradient takes less time than
SciPy's solve alone. What is written so is kept, and used again for every function that records the same. Where
llvmlite is installed, a right-hand side with up to 10 elements becomes machine code, which `odeint` calls without
Python between, and so do the derivatives along its solution: in `tn.compile` at once, else after some 4,000 calls, as
compiling takes some 50 to 200 milliseconds. Values of the solver are the same to the last bit, gradients to rounding.
`tn.compile(tn.grad(misfit))` records one program, which solves with as many steps as each call's values ask for.

Functions of one number whose roots `brentq`, `newton` and their like find are written so at their second gradient, and
`brentq`, `brenth`, `bisect` and `ridder` call machine code: in `tn.compile` at once, else after a thousand roots.

**Plain SciPy.** The functions of `scipy.special` that are ufuncs find their derivative when called on a Tensor. With
`SCIPY_ARRAY_API=1` set in the process before SciPy is imported, SciPy asks a Tensor for its namespace,
`tapenet.numpy`, and finds `special` in it; then functions that SciPy writes to the array API standard work too. Of
those with a table row below these do, on Tensors alone, with SciPy 1.17:

| module | with the array API mode on, beside functions of `special` |
|---|---|
| `fft` | `fft`, `hfft`, `rfft`, their inverses and their forms for 2 and n axes, `fftshift`, `ifftshift` |
| `integrate` | `cumulative_trapezoid`, `fixed_quad`, `romb`, `trapezoid` |
| `linalg` | `diagsvd`, `fiedler`, `orthogonal_procrustes`, `solve_circulant` |
| `optimize` | `newton`, `rosen` |
| `signal` | `fftconvolve`, `freqs`, `freqz`, their forms for zeros and poles or sections, `get_window`, `oaconvolve` |
| `spatial` | `transform.Rotation` |
| `stats` | `entropy`, `gmean`, `hmean`, `kurtosis`, `moment`, `pmean`, `sem`, `skew`, `zmap` |

The standard knows no common namespace of a Tensor and a plain array, and SciPy refuses the two side by side there. The
error says so, and names the function of `tapenet.scipy`, which takes both; or add `0 * x` to the array.

What converts its arguments to arrays cannot be seen. On an open tape that raises, and the error says what to write:
`tapenet.scipy....`, `tn.root`, or a rule by `tn.primitive` or `tn.custom_vjp`. It is a `tn.errors.ForeignCodeError`,
which is not a TypeError, since SciPy replaces those by its own. Where NumPy or SciPy raise an error of their own for it
all the same, it is that error's cause, and the traceback shows it first: so for an assignment into an array of NumPy's,
and for a dense Tensor as the matrix of `csr_array`. Three things remain SciPy's own errors alone, as it asks a Tensor
nothing before it fails: `splu(A).solve(x)`, the one diagonal of `diags_array`, and a sampling frequency `fs`. And a
search that only compares values, such as `scipy.optimize.golden`, finds a plain number: its derivative is that of
`tapenet.scipy.optimize.golden`.

Distributions of `stats` give float64 for float32 as well, as SciPy's do; gradients have their arguments' types. At
infinity a density is 0, where SciPy's may be NaN, and `logcdf` and `logsf` of a probability that underflows are finite,
where SciPy's may be minus infinity. Derivatives are 0 outside of the support, and at its ends those of distribution
functions. Within limits, `scipy.stats.tvar`, `tstd` and `tsem` have derivatives of NaN in the array API mode: write
`tapenet.scipy.stats.tvar`.

What becomes of each public function on a Tensor:

- **both modes**: differentiable forward and in reverse. The note says what the derivative is, and at edges what it is
  taken to be.
- **piecewise constant**: the derivative is zero wherever there is one, and zero is the answer.
- **no derivative**: a function of counts, or one that gives no numbers; plain arguments go to SciPy.
- **refused**: raises on a Tensor, and says what to write instead.

Written by `python docs/generate_scipy.py`, with SciPy {version}.
"""


@attrs.frozen
class Row:
    """A function's place in the table."""

    name: str
    kind: str
    note: str

    def __str__(self) -> str:
        note = self.note.replace("|", "\\|").replace("_", "\\_").replace("*", "\\*")
        return f"| `{self.name}` | {self.kind} | {note} |"


def public_functions(module: Any) -> list[str]:
    """The public functions of a module, ufuncs among them; no classes, no modules, no numbers."""
    names = [name for name in module.__all__ if not name.startswith("_") and name != "test"]
    values = {name: getattr(module, name) for name in names}
    return sorted(name for name, value in values.items() if callable(value) and not inspect.isclass(value))


def row(part: str, name: str) -> Row | None:
    """Where a function has its place; None where nothing says so."""
    ours = getattr(importlib.import_module(f"tapenet.scipy.{part}"), name, None)
    text = inspect.getdoc(ours) or ""
    found = re.search(rf"^({'|'.join(HEADS)}): (.*?)(?=\n\n|\Z)", text, re.DOTALL | re.MULTILINE)
    return found and Row(name, HEADS[found[1]], " ".join(found[2].split()))


def unplaced(part: str) -> list[str]:
    """The functions of this SciPy that have no place."""
    names = public_functions(importlib.import_module(f"scipy.{part}"))
    return [f"scipy.{part}.{name}" for name in names if row(part, name) is None]


def rows(part: str) -> Iterator[Row]:
    """The table of a module."""
    ours = importlib.import_module(f"tapenet.scipy.{part}")
    theirs = importlib.import_module(f"scipy.{part}")
    names = {*public_functions(theirs), *(name for name in ours.__all__ if callable(getattr(ours, name)))}
    placed = (row(part, name) for name in sorted(names))
    return (found for found in placed if found is not None)


def page() -> str:
    sections = [INTRODUCTION.replace("{version}", scipy.__version__)]
    for part in PARTS:
        if part in COMPLETE and unplaced(part):
            raise LookupError(f"without a place in tapenet.scipy: {unplaced(part)}")
        table = list(rows(part))
        counts = {kind: sum(r.kind == kind for r in table) for kind in KINDS}
        total = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
        lines = [f"## scipy.{part}", "", f"{len(table)} functions: {total}.", ""]
        sections.append("\n".join([*lines, "| function | kind | note |", "|---|---|---|", *map(str, table), ""]))
    return "\n".join(sections)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
