"""Give SciPy's solvers sparse Jacobians and Hessians: four problems on grids, of thousands of unknowns.

    python examples/sparse_solvers.py

A chemical reaction in time by BDF, a soap film by `minimize`, burning heat by `root`, and a curve through noise by
`least_squares`. Prints how many derivatives each took, and what is left of each equation; draws `sparse_solvers.png`.
"""

import argparse
import sys
from collections.abc import Sequence

import scripts
from numpy.random import default_rng

import tapenet as tn
import tapenet.numpy as np

NAME = "sparse_solvers"


def neighbours(u):
    """The sum of the four neighbours of each cell, zero around the grid."""
    p = np.pad(u, 1)
    return p[2:, 1:-1] + p[:-2, 1:-1] + p[1:-1, 2:] + p[1:-1, :-2]


# ---- an equation in time: solve_ivp(method="BDF", jac=...) ----


def brusselator(t, y, size: int):
    """Two chemicals that react and spread over a ring of cells in both directions."""
    u, v = np.reshape(y, (2, size, size))

    def spread(a):
        return np.roll(a, 1, 0) + np.roll(a, -1, 0) + np.roll(a, 1, 1) + np.roll(a, -1, 1) - 4 * a

    uuv = u * u * v
    return np.concatenate([np.ravel(2 - 6.4 * u + uuv + spread(u)), np.ravel(5.4 * u - uuv + 8 * spread(v))])


def react(size: int, seed: int):
    """The chemicals after a while, from a little noise, and the solver's result."""
    from scipy.integrate import solve_ivp

    noise = 0.1 * default_rng(seed).normal(size=(2, size * size))
    start = np.ravel(np.stack([2 + noise[0], 2.7 + noise[1]]))
    jacobian = tn.sparse_jacobian(brusselator, "y", compile=True)
    result = solve_ivp(brusselator, (0, 20), start, method="BDF", jac=jacobian, args=(size,))
    return np.reshape(result.y[:, -1], (2, size, size)), result, jacobian(0.0, result.y[:, -1], size)


# ---- a minimum: minimize(hess=...) ----


def area(inner, frame):
    """The area of a film of these heights inside a frame, over the unit square."""
    size = frame.shape[0]
    heights = np.reshape(inner, (size - 2, size - 2))
    film = tn.at(frame)[1:-1, 1:-1].set(heights)
    down = np.diff(film, axis=0)[:, :-1] * (size - 1)
    right = np.diff(film, axis=1)[:-1] * (size - 1)
    return np.sum(np.sqrt(1 + down**2 + right**2)) / (size - 1) ** 2


def soap_film(size: int):
    """The film of least area in a bent frame, and the solver's result."""
    from scipy.optimize import minimize

    line = np.linspace(-1, 1, size)
    frame = 0.6 * (line[:, None] ** 2 - line**2)
    result = minimize(
        area,
        np.zeros((size - 2) ** 2),
        args=(frame,),
        jac=tn.grad(area),
        hess=tn.sparse_hessian(area),
        method="trust-constr",
        options={"gtol": 1e-8},
    )
    return tn.at(frame)[1:-1, 1:-1].set(np.reshape(result.x, (size - 2, size - 2))), result


# ---- an equation: root(), with the factors of the Jacobian at the start as its preconditioner ----


def heat(u, rate: float):
    """What is wrong with the heat of each cell: it is led away, and made the faster the hotter it is."""
    size = u.shape[0]
    return neighbours(u) - 4 * u + rate * np.exp(u) / (size + 1) ** 2


def burn(size: int):
    """The heat of a burning square, and the solver's result."""
    from scipy.optimize import root
    from scipy.sparse.linalg import LinearOperator, splu

    start = np.zeros((size, size))
    factors = splu(tn.sparse_jacobian(heat)(start, 6.0).tocsc())
    shape = (size * size, size * size)
    options = {"fatol": 1e-10, "jac_options": {"inner_M": LinearOperator(shape, factors.solve)}}
    result = root(heat, start, args=(6.0,), method="krylov", options=options)
    return result.x, result


# ---- a fit: least_squares(jac=...) ----


def bends(curve, data, stiffness: float):
    """How far a curve is from data, and how much it bends."""
    return np.concatenate([np.arctan(curve - data), stiffness * np.diff(curve, 2)])


def smooth(size: int, seed: int):
    """A smooth curve through noise and outliers, how far it is from the truth, and the solver's result."""
    from scipy.optimize import least_squares

    rng = default_rng(seed)
    truth = np.sin(np.linspace(0, 7, size))
    data = truth + 0.1 * rng.normal(size=size) + 8 * (rng.random(size) < 0.05)
    exactly = {"atol": 1e-10, "btol": 1e-10, "maxiter": 2000}  # of the linear problem in each step
    jacobian = tn.sparse_jacobian(bends)
    result = least_squares(bends, np.zeros(size), jacobian, args=(data, 2.0), ftol=1e-15, tr_options=exactly)
    return float(np.sqrt(np.mean((result.x - truth) ** 2))), result


# ---- the run ----


def work(options: argparse.Namespace) -> None:
    """Solve all four, draw, and print the results."""
    from figures import save, sparse_solvers

    size = 14 if options.quick else 48
    (field, _), reaction, jacobian = react(size, options.seed)
    film, least = soap_film(12 if options.quick else 32)
    hot, burning = burn(20 if options.quick else 100)
    error, fit = smooth(200 if options.quick else 5000, options.seed)
    colors = tn.color(jacobian).columns[: size * size]
    path = options.output / f"{NAME}.png"
    save(sparse_solvers(field, jacobian, np.reshape(colors, (size, size)), film, hot), path)
    print(f"picture: {path}")
    print(f"reaction: {2 * size * size} unknowns, {len(reaction.t)} steps with {reaction.njev} Jacobians")
    print(f"soap film: {least.x.size} unknowns, area {least.fun:.4f} after {least.nit} steps")
    print(f"burning heat: {hot.size} unknowns, {burning.nit} steps with the factors of one Jacobian")
    print(f"smooth curve: {fit.x.size} unknowns, {fit.njev} Jacobians, {error:.3f} from the truth")
    left = max(float(np.max(np.abs(wrong))) for wrong in (least.grad, burning.fun, fit.grad))
    print(f"at most {left:.1e} is left of any equation")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the example, and give the exit status."""
    description = "Give SciPy's solvers sparse Jacobians and Hessians."
    return scripts.run(scripts.parser(NAME, description).parse_args(argv), NAME, work)


if __name__ == "__main__":
    sys.exit(main())
