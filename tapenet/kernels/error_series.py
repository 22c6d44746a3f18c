"""The series of the complementary error function."""

from __future__ import annotations

import numpy as np

# (1 + 2x) e^(x^2) erfc x for x >= 0 as a Chebyshev series in (x - 3.75) / (x + 3.75): the form of Shepherd and
# Laframboise, "Chebyshev approximation of (1 + 2x) exp(x^2) erfc x in 0 <= x < inf", Math. Comp. 36 (1981).
# The coefficients are computed in 40 digits and cut where they fall below the precision of float64.
ERFC_SERIES = (
    1.1775789345674018,
    -0.0045900545806464773,
    -0.084249133366517916,
    0.05920993999819189,
    -0.026658668435305752,
    0.0090749976707052651,
    -0.0024131635404176082,
    0.00049077583652580863,
    -6.9169733025012064e-5,
    4.1390279860730103e-6,
    7.7403830661984918e-7,
    -2.1886401049234385e-7,
    1.0764999465671004e-8,
    4.5219598112183722e-9,
    -7.7544002088305891e-10,
    -6.31808834088002e-11,
    2.8687950109363423e-11,
    1.9455868550426972e-13,
    -9.654696748073275e-13,
    3.2525481506828756e-14,
    3.3478119497397052e-14,
    -1.8645628767814072e-15,
    -1.2507950603417643e-15,
    7.4182334421949088e-17,
    5.0681460130604585e-17,
)
_SINGLE_TERMS = 13  # of the series, in single precision
SINGLE_POWERS = tuple(np.polynomial.chebyshev.cheb2poly(ERFC_SERIES[:_SINGLE_TERMS]))  # of these, the lowest first
