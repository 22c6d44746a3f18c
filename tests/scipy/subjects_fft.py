"""Subjects of scipy.fft."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.scipy.subjects import Strategy, between, subject

REAL = between(-1, 1, 3, 5)
COMPLEX = REAL.map(lambda x: x + 0.5j * np.sin(np.arange(15.0)).reshape(3, 5))


def declare(name: str, array: Strategy, *arguments: Any, **keywords: Any) -> None:
    subject("fft", name, lambda xp, x: getattr(xp, name)(x, *arguments, **keywords), array, order=1)


for each in ("fft", "ifft", "irfft", "hfft"):
    declare(each, COMPLEX, 4, norm="ortho")
for each in ("rfft", "ihfft"):
    declare(each, REAL, 6, axis=0)
for each in ("fft2", "ifft2", "irfft2", "hfft2", "fftn", "ifftn", "irfftn", "hfftn"):
    declare(each, COMPLEX)
    declare(each, COMPLEX, (4, 6), norm="forward")
for each in ("rfft2", "rfftn", "ihfft2", "ihfftn"):
    declare(each, REAL)
    declare(each, REAL, axes=(1, 0), norm="ortho")
for each in ("fftshift", "ifftshift"):
    declare(each, REAL, axes=1)
for each in ("dct", "dst", "idct", "idst"):
    for kind in (1, 2, 3, 4):
        for norm in (None, "ortho", "forward"):
            declare(each, REAL, kind, norm=norm)
    declare(each, REAL, 2, 7, 0)
    declare(each, REAL, 2, 3)
for each in ("dctn", "dstn", "idctn", "idstn"):
    declare(each, REAL)
    declare(each, REAL, 3, (4, 4), norm="ortho")

NUMBER = between(0.3, 0.4, 1)
for each in ("fht", "ifht"):
    for n in (5, 6) if each == "fht" else (5,):  # of ifht the last coefficient may be near 0 where n is even
        subject(
            "fft",
            each,
            lambda xp, a, d, m, o, b, each=each: getattr(xp, each)(a, d[0], m[0], o[0], b[0]),
            *(between(-1, 1, 2, n), NUMBER, NUMBER, NUMBER, NUMBER),
            order=2 if (each, n) == ("fht", 5) else 1,
            in_single=False,
        )
    subject("fft", each, lambda xp, a, each=each: getattr(xp, each)(a, 0.2, 1.5), between(-1, 1, 7), in_single=False)
