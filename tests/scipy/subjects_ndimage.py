"""Subjects of scipy.ndimage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tests.scipy.subjects import Strategy, between, subject

MODES = ("reflect", "constant", "nearest", "mirror", "wrap", "grid-constant", "grid-wrap")


def declare(name: str, call: Callable[..., Any], *arrays: Strategy, **settings: Any) -> None:
    subject("ndimage", name, call, *arrays, **({"order": 1} | settings))


IMAGE, WEIGHTS = between(-1, 1, 5, 4), between(-1, 1, 3, 2)
ROW = between(-1, 1, 4)

# ---- linear filters ----

# Correlations conjugate their weights, and SciPy drops those below 2e-16: the real part has the tests of derivatives
# see that there is no complex step by them.
for each in ("correlate", "convolve"):
    for mode in MODES:
        call = lambda xp, x, w, each=each, mode=mode: getattr(xp, each)(x, tnp.real(w), mode=mode, cval=0.7)  # noqa: E731
        declare(each, call, IMAGE, WEIGHTS, order=2 if mode == "reflect" else 1)
    declare(f"{each}1d", lambda xp, x, w, each=each: getattr(xp, f"{each}1d")(x, tnp.real(w), 0, origin=-1), IMAGE, ROW)
    complex_image = IMAGE.map(lambda x: x + 1j * x[::-1])
    call = lambda xp, x, w, each=each: getattr(xp, each)(x, w * (1 - 2j), origin=(1, -1))  # noqa: E731
    declare(each, call, complex_image, WEIGHTS, in_single=False)
declare("uniform_filter", lambda xp, x: xp.uniform_filter(x, (3, 2), mode=("wrap", "nearest")), IMAGE)
declare("uniform_filter1d", lambda xp, x: xp.uniform_filter1d(x, 4, 0, mode="constant", cval=1.0), IMAGE)
SIGMA = between(0.6, 1.0, 1)
declare("gaussian_filter", lambda xp, x, s: xp.gaussian_filter(x, s[0]), IMAGE, SIGMA, order=2, tolerance=1e-5)
for order in (1, 2, 3):
    declare(
        "gaussian_filter1d",
        lambda xp, x, s, order=order: xp.gaussian_filter1d(x, s[0], 0, order, radius=3, mode="mirror"),
        *(IMAGE, SIGMA),
        tolerance=1e-5,
    )
declare("gaussian_filter", lambda xp, x: xp.gaussian_filter(x, (0.0, 1.3), (1, 2), truncate=2.0, mode="wrap"), IMAGE)
declare("gaussian_laplace", lambda xp, x, s: xp.gaussian_laplace(x, s[0]), IMAGE, SIGMA, tolerance=1e-5)
declare("gaussian_gradient_magnitude", lambda xp, x: xp.gaussian_gradient_magnitude(x, 1.0), IMAGE, tolerance=1e-4)
for each in ("sobel", "prewitt"):
    declare(each, lambda xp, x, each=each: getattr(xp, each)(x, 0, mode="nearest"), IMAGE)
declare("laplace", lambda xp, x: xp.laplace(x, mode="constant", cval=0.3), IMAGE)

# ---- ranks: elements far apart, so that differences do not change their order ----

APART = between(-0.1, 0.1, 3, 4).map(lambda x: x + 1.5 * np.argsort(np.sin(7.0 * np.arange(12.0))).reshape(3, 4))
for each in ("maximum_filter", "minimum_filter", "median_filter"):
    declare(each, lambda xp, x, each=each: getattr(xp, each)(x, (3, 2), mode="mirror"), APART)
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])
    declare(each, lambda xp, x, each=each, c=cross: getattr(xp, each)(x, footprint=c, mode="wrap"), APART)
for each in ("maximum_filter1d", "minimum_filter1d"):
    declare(each, lambda xp, x, each=each: getattr(xp, each)(x, 2, 0, origin=-1), APART)
declare("rank_filter", lambda xp, x: xp.rank_filter(x, -2, 3), APART)
declare("percentile_filter", lambda xp, x: xp.percentile_filter(x, 30, (2, 3)), APART)

# ---- splines ----

PLACES = between(-0.05, 0.05, 2, 5).map(
    lambda c: c + np.array([[0.3, 1.7, 3.7, -0.6, 4.7], [1.3, 2.7, -0.7, 3.6, 4.3]])
)
for mode in MODES:
    for order in (1, 3):
        declare(
            "map_coordinates",
            lambda xp, x, c, mode=mode, order=order: xp.map_coordinates(x, c, order=order, mode=mode, cval=0.7),
            *(IMAGE, PLACES),
            order=2 if mode in ("mirror", "constant") else 1,
        )
for order in (0, 2, 4, 5):
    call = lambda xp, x, c, order=order: xp.map_coordinates(x, c, order=order, mode="reflect")  # noqa: E731
    declare("map_coordinates", call, IMAGE, PLACES)
declare(
    "affine_transform",
    lambda xp, x, m, o: xp.affine_transform(x, m + 0.7 * np.eye(2), o, (3, 4), mode="mirror"),
    *(IMAGE, between(-0.1, 0.1, 2, 2), between(0.1, 0.2, 2)),
)
declare(
    "affine_transform",
    lambda xp, x, m: xp.affine_transform(x, m + 0.7 * np.eye(2, 3), order=3, mode="grid-wrap"),
    *(IMAGE, between(-0.1, 0.1, 2, 3)),
    tolerance=1e-4,
)
ANGLE = between(24, 26, 1)
declare("rotate", lambda xp, x, a: xp.rotate(x, a[0], reshape=False, mode="nearest"), IMAGE, ANGLE, tolerance=1e-5)
declare(
    "rotate",
    lambda xp, x, a: xp.rotate(x, a[0], (2, 1), reshape=False, order=2, mode="wrap"),
    *(between(-1, 1, 2, 3, 4), ANGLE),
    tolerance=1e-5,
)
SHIFT = between(0.2, 0.3, 2)
for mode in MODES:
    declare("shift", lambda xp, x, s, mode=mode: xp.shift(x, s, mode=mode, cval=0.7), IMAGE, SHIFT)
declare("shift", lambda xp, x, s: xp.shift(x, s[0], order=5, mode="mirror", prefilter=False), IMAGE, SHIFT)
for order, mode in ((1, "constant"), (3, "mirror"), (4, "grid-constant")):
    call = lambda xp, x, order=order, mode=mode: xp.zoom(x, (1.6, 0.7), order=order, mode=mode)  # noqa: E731
    declare("zoom", call, IMAGE)
declare("zoom", lambda xp, x: xp.zoom(x, 2, mode="reflect", grid_mode=True), IMAGE)
declare(
    "geometric_transform",
    lambda xp, x: xp.geometric_transform(x, lambda at: (0.7 * at[0], at[1] - 0.3), mode="reflect"),
    IMAGE,
)
for mode in ("mirror", "reflect", "grid-wrap"):
    for order in (2, 3, 4, 5):
        declare("spline_filter1d", lambda xp, x, o=order, m=mode: xp.spline_filter1d(x, o, 0, mode=m), IMAGE)
declare("spline_filter", lambda xp, x: xp.spline_filter(x, 4, mode="reflect"), IMAGE)

# ---- transforms and measurements ----

SPECTRUM = IMAGE.map(lambda x: x + 1j * x[::-1])
for each in ("fourier_gaussian", "fourier_uniform", "fourier_shift"):
    declare(each, lambda xp, x, p, each=each: getattr(xp, each)(x, p), SPECTRUM, between(0.5, 1, 2), in_single=False)
declare("fourier_gaussian", lambda xp, x: xp.fourier_gaussian(x, 1.5, 7, 1), SPECTRUM, in_single=False)
LABELS = np.array([[0, 1, 1, 2], [0, 2, 2, 1], [1, 0, 0, 2]])
for each in ("sum", "sum_labels", "mean", "variance", "standard_deviation", "maximum", "minimum"):
    for index in (None, 1, [2, 1]):
        declare(
            each,
            lambda xp, x, each=each, index=index: tnp.asarray(getattr(xp, each)(x, LABELS, index)),
            APART,
            in_single=False,
        )
MASSES = between(0.5, 1, 3, 4)
declare("center_of_mass", lambda xp, x: tnp.stack(xp.center_of_mass(x, LABELS, 2)), MASSES, in_single=False)
declare("center_of_mass", lambda xp, x: tnp.stack(xp.center_of_mass(x, LABELS, [1, 2])[0]), MASSES, in_single=False)


# ---- grey morphology ----

MORPHOLOGY = """
black_tophat grey_closing grey_dilation grey_erosion grey_opening morphological_gradient morphological_laplace
white_tophat
""".split()
for each in MORPHOLOGY:
    subject("ndimage", each, lambda xp, x, each=each: getattr(xp, each)(x, size=(2, 3), mode="mirror"), APART, order=1)
FOOT = np.array([[0, 1, 1], [1, 1, 0]])
for each in ("grey_dilation", "grey_erosion"):
    subject(
        "ndimage",
        each,
        lambda xp, x, s, each=each: getattr(xp, each)(x, footprint=FOOT, structure=s, mode="constant", cval=0.4),
        APART,
        between(0.01, 0.02, 2, 3),
        order=1,
    )
