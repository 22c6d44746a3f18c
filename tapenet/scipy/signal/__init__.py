"""scipy.signal on Tensors and arrays alike: filters, convolutions, spectra and windows.

Linear filters have linear derivatives: of a signal those are the same filter, and its transpose. Recursive filters are
differentiated by their coefficients and initial states as well, windows by their real parameters.

>>> from tapenet.scipy import signal
>>> tn.grad(lambda a: signal.lfilter([1.0], tnp.stack([1.0, a]), np.ones(3))[2])(-0.5)
np.float64(-2.0)
"""

from scipy.signal import BadCoefficients as BadCoefficients

from tapenet.scipy.signal import windows as windows
from tapenet.scipy.signal.convolutions import (
    convolve as convolve,
    convolve2d as convolve2d,
    correlate as correlate,
    correlate2d as correlate2d,
    fftconvolve as fftconvolve,
    oaconvolve as oaconvolve,
)
from tapenet.scipy.signal.design import firwin as firwin, firwin2 as firwin2
from tapenet.scipy.signal.filters import (
    detrend as detrend,
    filtfilt as filtfilt,
    hilbert as hilbert,
    lfilter as lfilter,
    lfilter_zi as lfilter_zi,
    savgol_filter as savgol_filter,
    sosfilt as sosfilt,
    sosfilt_zi as sosfilt_zi,
    sosfiltfilt as sosfiltfilt,
)
from tapenet.scipy.signal.forms import (
    normalize as normalize,
    sos2tf as sos2tf,
    sos2zpk as sos2zpk,
    tf2sos as tf2sos,
    tf2zpk as tf2zpk,
    zpk2sos as zpk2sos,
    zpk2tf as zpk2tf,
)
from tapenet.scipy.signal.placed import PLACED
from tapenet.scipy.signal.prototypes import (
    besselap as besselap,
    buttap as buttap,
    cheb1ap as cheb1ap,
    cheb2ap as cheb2ap,
    ellipap as ellipap,
)
from tapenet.scipy.signal.recursive import (
    bessel as bessel,
    butter as butter,
    cheby1 as cheby1,
    cheby2 as cheby2,
    ellip as ellip,
    iircomb as iircomb,
    iirfilter as iirfilter,
    iirnotch as iirnotch,
    iirpeak as iirpeak,
)
from tapenet.scipy.signal.resampling import (
    decimate as decimate,
    resample as resample,
    resample_poly as resample_poly,
    upfirdn as upfirdn,
)
from tapenet.scipy.signal.responses import (
    freqs as freqs,
    freqs_zpk as freqs_zpk,
    freqz as freqz,
    freqz_sos as freqz_sos,
    freqz_zpk as freqz_zpk,
    sosfreqz as sosfreqz,
)
from tapenet.scipy.signal.spectra import (
    coherence as coherence,
    csd as csd,
    istft as istft,
    periodogram as periodogram,
    spectrogram as spectrogram,
    stft as stft,
    welch as welch,
)
from tapenet.scipy.signal.spirals import czt as czt, zoom_fft as zoom_fft
from tapenet.scipy.signal.transformations import (
    bilinear as bilinear,
    bilinear_zpk as bilinear_zpk,
    lp2bp as lp2bp,
    lp2bp_zpk as lp2bp_zpk,
    lp2bs as lp2bs,
    lp2bs_zpk as lp2bs_zpk,
    lp2hp as lp2hp,
    lp2hp_zpk as lp2hp_zpk,
    lp2lp as lp2lp,
    lp2lp_zpk as lp2lp_zpk,
)
from tapenet.scipy.signal.waveforms import (
    chirp as chirp,
    gausspulse as gausspulse,
    sawtooth as sawtooth,
    square as square,
    sweep_poly as sweep_poly,
)
from tapenet.scipy.signal.windowed import (
    deconvolve as deconvolve,
    group_delay as group_delay,
    hilbert2 as hilbert2,
    medfilt as medfilt,
    medfilt2d as medfilt2d,
    order_filter as order_filter,
    wiener as wiener,
)
from tapenet.scipy.signal.windows import get_window as get_window

globals().update(PLACED)

__all__ = sorted(["windows", *(name for name, value in vars().items() if name[0] != "_" and callable(value))])


def __dir__() -> list[str]:
    return __all__
