"""`numpy.fft` on Tensors and arrays alike."""

import numpy as _np

from tapenet.numpy.documentation import publish as _publish
from tapenet.ops.signal.fourier import (
    fft as fft,
    fftfreq as fftfreq,
    fftshift as fftshift,
    hfft as hfft,
    ifft as ifft,
    ifftshift as ifftshift,
    ihfft as ihfft,
    irfft as irfft,
    rfft as rfft,
    rfftfreq as rfftfreq,
)
from tapenet.ops.signal.fourier_nd import (
    fft2 as fft2,
    fftn as fftn,
    ifft2 as ifft2,
    ifftn as ifftn,
    irfft2 as irfft2,
    irfftn as irfftn,
    rfft2 as rfft2,
    rfftn as rfftn,
)

__all__ = [
    "fft",
    "fftfreq",
    "fftshift",
    "hfft",
    "ifft",
    "ifftshift",
    "ihfft",
    "irfft",
    "rfft",
    "rfftfreq",
    "fft2",
    "fftn",
    "ifft2",
    "ifftn",
    "irfft2",
    "irfftn",
    "rfft2",
    "rfftn",
]

for _name in __all__:
    _publish(__name__, globals()[_name], _np.fft)


def __dir__() -> list[str]:
    return __all__
