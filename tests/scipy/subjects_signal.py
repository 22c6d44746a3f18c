"""Subjects of scipy.signal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tests.scipy.subjects import Strategy, between, off_axes, subject


def declare(name: str, call: Callable[..., Any], *arrays: Strategy, **settings: Any) -> None:
    subject("signal", name, call, *arrays, **({"order": 1} | settings))


# ---- convolutions ----

LONG, SHORT = between(-1, 1, 7), between(-1, 1, 4)
WIDE, NARROW = between(-1, 1, 5, 4), between(-1, 1, 3, 2)
for each in ("convolve", "correlate"):
    for mode in ("full", "same", "valid"):
        call = lambda xp, x, y, each=each, mode=mode: getattr(xp, each)(x, y, mode, "direct")  # noqa: E731
        declare(each, call, LONG, SHORT, order=2 if mode == "full" else 1)
        declare(each, call, SHORT, LONG)
        declare(each, call, WIDE, NARROW)
    complex_x = between(-1, 1, 5).map(lambda x: x + 1j * x[::-1])
    declare(each, lambda xp, x, y, each=each: getattr(xp, each)(x, y), complex_x, SHORT.map(lambda y: y * (1 - 2j)))
for each in ("fftconvolve", "oaconvolve"):
    for mode in ("full", "same", "valid"):
        declare(each, lambda xp, x, y, each=each, mode=mode: getattr(xp, each)(x, y, mode), WIDE, NARROW)
    declare(each, lambda xp, x, y, each=each: getattr(xp, each)(x, y, axes=0), WIDE, between(-1, 1, 3, 1), order=2)
for each in ("convolve2d", "correlate2d"):
    for mode, boundary in (("full", "fill"), ("same", "fill"), ("same", "wrap"), ("full", "symm"), ("valid", "fill")):
        declare(
            each,
            lambda xp, x, y, each=each, mode=mode, boundary=boundary: getattr(xp, each)(x, y, mode, boundary),
            WIDE,
            NARROW,
        )
declare("convolve2d", lambda xp, x, y: xp.convolve2d(x, y, "full", "fill", 1.5), WIDE, NARROW)

# ---- filters ----

B, A = between(-1, 1, 3), between(-0.15, 0.15, 4).map(lambda a: a + np.array([1.3, 0.0, 0.2, 0.0]))
SECTIONS = between(-0.3, 0.3, 2, 6).map(
    lambda s: np.where(np.arange(6) == 3, 1.0, s + np.array([1, 0.5, 0.2, 0, 0, 0]))
)
SIGNAL = between(-1, 1, 2, 8)


def sections(s: Any) -> Any:
    """The first of the denominator stays 1, as SciPy requires."""
    return tnp.where(np.arange(6) == 3, 1.0, s)


declare("lfilter", lambda xp, b, a, x: xp.lfilter(b, a, x), B, A, SIGNAL, order=2)
declare(
    "lfilter", lambda xp, b, a, x, z: xp.lfilter(b, a, x, 0, z), A, B.map(lambda b: b + 2), SIGNAL, between(-1, 1, 3, 1)
)
declare("lfilter", lambda xp, b, x, z: xp.lfilter(b, [2.0], x, zi=z), B, SIGNAL, between(-1, 1, 1, 2))
declare("lfilter", lambda xp, b, a, x: xp.lfilter(b, a, x), B, A, between(-1, 1, 2))
declare("lfilter_zi", lambda xp, b, a: xp.lfilter_zi(b, a), B, A, order=2)
declare("sosfilt", lambda xp, s, x: xp.sosfilt(sections(s), x), SECTIONS, SIGNAL)
declare(
    "sosfilt",
    lambda xp, s, x, z: xp.sosfilt(sections(s), x, 0, z),
    SECTIONS,
    between(-1, 1, 5, 2),
    between(-1, 1, 2, 2, 2),
)
declare("sosfilt_zi", lambda xp, s: xp.sosfilt_zi(sections(s)), SECTIONS)
STABLE = between(-0.1, 0.1, 3).map(lambda a: a + np.array([1.0, -0.4, 0.1]))
for padtype in ("odd", "even", "constant", None):
    call = lambda xp, b, a, x, padtype=padtype: xp.filtfilt(b, a, x, 0, padtype, 5)  # noqa: E731
    declare("filtfilt", call, B, STABLE, between(-1, 1, 8))
declare(
    "sosfiltfilt", lambda xp, s, x: xp.sosfiltfilt(sections(s), x, padlen=4), SECTIONS.map(lambda s: 0.5 * s), SIGNAL
)
for mode in ("interp", "mirror", "constant", "nearest", "wrap"):
    declare("savgol_filter", lambda xp, x, mode=mode: xp.savgol_filter(x, 5, 2, mode=mode, cval=0.7), SIGNAL)
declare(
    "savgol_filter", lambda xp, x, d: xp.savgol_filter(x, 5, 3, 2, d[0], 0), between(-1, 1, 8, 2), between(0.5, 1, 1)
)
declare("savgol_filter", lambda xp, x: xp.savgol_filter(x, 4, 2, mode="nearest"), SIGNAL)
declare("detrend", lambda xp, x: xp.detrend(x, bp=[0, 5]), SIGNAL)
declare("detrend", lambda xp, x: xp.detrend(x, 0, "constant"), SIGNAL)
for n in (None, 6, 9):
    declare("hilbert", lambda xp, x, n=n: xp.hilbert(x, n), SIGNAL)

# ---- rates ----

for num in (4, 5, 7, 12):
    declare("resample", lambda xp, x, num=num: xp.resample(x, num, axis=1), SIGNAL)
    declare("resample", lambda xp, x, num=num: xp.resample(x * (1 + 1j), num, window="hann"), between(-1, 1, 7))
declare(
    "resample", lambda xp, x, t: xp.resample(x, 6, t, window=("gaussian", 2.0)), between(-1, 1, 8), between(0, 1, 8)
)
declare("resample", lambda xp, x, w: xp.resample(x, 6, window=w), between(-1, 1, 8), between(0, 1, 8), order=2)
declare("resample", lambda xp, x: xp.resample(x * (1 + 1j), 6, domain="freq"), between(-1, 1, 8))
declare("upfirdn", lambda xp, h, x: xp.upfirdn(h, x, 3, 2), B, SIGNAL, order=2)
for up, down in ((3, 2), (2, 4), (1, 1)):
    declare("resample_poly", lambda xp, x, up=up, down=down: xp.resample_poly(x, up, down, 1), SIGNAL)
declare("resample_poly", lambda xp, x, h: xp.resample_poly(x, 2, 3, 1, h, "mean"), SIGNAL, between(-1, 1, 4))
for kind, zero_phase in (("iir", True), ("iir", False), ("fir", True), ("fir", False)):
    declare(
        "decimate",
        lambda xp, x, kind=kind, zero_phase=zero_phase: xp.decimate(x, 2, 2, kind, zero_phase=zero_phase),
        between(-1, 1, 20),
        closeness=1e-10,
    )

# ---- spectra ----

FRAMES = between(-1, 1, 2, 12)
for one, more in ((True, {}), (False, {"nfft": 7, "axis": 0}), (True, {"nfft": 8, "scaling": "spectrum"})):
    declare(
        "welch",
        lambda xp, x, one=one, more=more: xp.welch(x, 2.0, nperseg=6, return_onesided=one, detrend="linear", **more)[1],
        FRAMES if "axis" not in more else between(-1, 1, 12, 2),
    )
declare("welch", lambda xp, x, w: xp.welch(x, window=w, noverlap=1)[1], FRAMES, between(0.5, 1, 4))
declare("csd", lambda xp, x, y: xp.csd(x, y, nperseg=5)[1], between(-1, 1, 11), between(-1, 1, 9), order=2)
declare("csd", lambda xp, x: xp.csd(x * (1 + 2j), x * x, nperseg=5, detrend=False)[1], between(-1, 1, 11))
declare("periodogram", lambda xp, x: xp.periodogram(x, 3.0, "hann", 8)[1], FRAMES)
declare("periodogram", lambda xp, x: xp.periodogram(x, nfft=14)[1], FRAMES)
declare(
    "coherence",
    lambda xp, x, y: xp.coherence(x, y, nperseg=6, noverlap=4)[1],
    FRAMES,
    FRAMES,
    tolerance=1e-4,
    in_single=False,
)
declare("spectrogram", lambda xp, x: xp.spectrogram(x, nperseg=6)[2], FRAMES)
for boundary in ("zeros", "even", "odd", "constant", None):
    declare("stft", lambda xp, x, boundary=boundary: xp.stft(x, 2.0, nperseg=5, boundary=boundary)[2], FRAMES)
declare(
    "stft",
    lambda xp, x: xp.stft(x, 2.0, nperseg=6, nfft=8, padded=False, axis=0, scaling="psd")[2],
    between(-1, 1, 12, 2),
)
ACROSS = between(-1, 1, 4, 5).map(lambda z: z + 1j * np.cos(np.arange(20.0)).reshape(4, 5))
declare("istft", lambda xp, z: xp.istft(z)[1], ACROSS)
declare(
    "istft",
    lambda xp, z: xp.istft(z, 2.0, nperseg=7, scaling="psd", time_axis=0, freq_axis=1)[1],
    ACROSS.map(lambda z: z.T),
)
declare("istft", lambda xp, z: xp.istft(z, input_onesided=False, noverlap=3)[1], ACROSS)

# ---- windows and responses ----

PARAMETER = between(0.4, 0.8, 1)
declare("get_window", lambda xp, p: xp.get_window(("gaussian", 3 * p[0]), 5), PARAMETER, order=2)
declare("get_window", lambda xp, p: xp.get_window(("tukey", p[0]), 8, fftbins=False), PARAMETER)
declare("get_window", lambda xp, p: xp.get_window(("kaiser", 9 * p[0]), 6), PARAMETER)
for each, window in {
    "chebwin": lambda xp, p: xp.chebwin(7, 40 + 60 * p[0]),
    "exponential": lambda xp, p: xp.exponential(6, 3 * p[0], 4 * p[0], False),
    "gaussian": lambda xp, p: xp.gaussian(6, 3 * p[0]),
    "general_cosine": lambda xp, p: xp.general_cosine(6, p),
    "general_gaussian": lambda xp, p: xp.general_gaussian(6, 2 * p[0], 3 * p[0]),
    "general_hamming": lambda xp, p: xp.general_hamming(6, p[0]),
    "get_window": lambda xp, p: xp.get_window(("general_hamming", p[0]), 6),
    "kaiser": lambda xp, p: xp.kaiser(6, 9 * p[0]),
    "kaiser_bessel_derived": lambda xp, p: xp.kaiser_bessel_derived(6, 9 * p[0]),
    "taylor": lambda xp, p: xp.taylor(7, 3, 50 * p[0]),
    "tukey": lambda xp, p: xp.tukey(8, p[0]),
}.items():
    subject("signal.windows", each, window, PARAMETER, order=1, tolerance=1e-5)
declare("freqz", lambda xp, b, a: xp.freqz(b, a, 5)[1], B, A, order=2)
declare("freqz", lambda xp, b, a, w: xp.freqz(b, a, w, fs=2.0)[1], B, A, between(0.1, 0.9, 3))
declare("freqz", lambda xp, b: xp.freqz(b, worN=4, whole=True)[1], B)
declare("freqz_zpk", lambda xp, z, p, k: xp.freqz_zpk(0.5 * z, 0.5 * p, k[0], 4)[1], B, B, PARAMETER)
for each in ("sosfreqz", "freqz_sos"):
    declare(each, lambda xp, s, each=each: getattr(xp, each)(sections(s), 4)[1], SECTIONS)
declare("freqs", lambda xp, b, a, w: xp.freqs(b, a + 2.0 * (np.arange(4) == 3), w)[1], B, A, between(0.1, 0.9, 3))
declare("freqs_zpk", lambda xp, z, p, w: xp.freqs_zpk(z, p - 2, 2.0, w)[1], B, B, between(0.1, 0.9, 3))


# ---- design ----

CUTOFFS = between(0.01, 0.1, 2).map(lambda x: x + np.array([0.2, 0.5]))
for _numtaps, _passed in ((5, "bandpass"), (7, "bandstop")):
    subject(
        "signal",
        "firwin",
        lambda xp, c, n=_numtaps, kind=_passed: xp.firwin(n, c, pass_zero=kind, window="hann"),
        CUTOFFS,
    )
subject("signal", "firwin", lambda xp, c: xp.firwin(6, c[0] * 4, fs=8.0, width=1.0), CUTOFFS, order=1)
subject("signal", "firwin", lambda xp, c: xp.firwin(5, c[:1], pass_zero=False, scale=False), CUTOFFS, order=1)
subject("signal", "firwin", lambda xp, c: xp.firwin(5, c[1], pass_zero="highpass"), CUTOFFS, order=1)


def filter_of(parts: Any) -> Any:
    """Zeros, poles and a gain, which SciPy gives as a float at times, as arrays."""
    return [tnp.asarray(x) for x in parts]


WN, BAND, DECIBELS = (
    between(0.25, 0.45, 1).map(lambda w: w[0]),
    CUTOFFS.map(lambda c: c * np.array([1, 1.2])),
    between(0.5, 1.5, 2),
)
for kind, edges in (("low", WN), ("high", WN), ("bandpass", BAND), ("bandstop", BAND)):
    declare("butter", lambda xp, w, kind=kind: xp.butter(3, w, kind), edges, order=1 + (kind == "bandpass"))
declare("butter", lambda xp, w: filter_of(xp.butter(3, 9 * w, analog=True, output="zpk")[1:]), WN)
declare("butter", lambda xp, w, fs: xp.butter(4, w, "band", output="sos", fs=fs[0]), BAND, between(2, 3, 1))
declare("cheby1", lambda xp, r, w: xp.cheby1(3, r[0], w), DECIBELS, WN, order=2)
declare("cheby1", lambda xp, r: (xp.cheb1ap(0, r[0])[2], xp.cheby1(4, r[0], 2.0, "high", True)), DECIBELS)
declare("cheby2", lambda xp, r, w: xp.cheby2(3, 30 * r[0], w, output="zpk"), DECIBELS, WN)
declare("cheby2", lambda xp, r, w: xp.cheby2(4, 30 * r[0], w, "stop", output="sos"), DECIBELS, BAND)
for n in (1, 4):
    declare("ellip", lambda xp, r, w, n=n: xp.ellip(n, r[0], 40 * r[1], w), DECIBELS, WN)
declare("bessel", lambda xp, w: xp.bessel(3, w, "high", norm="mag"), WN)
declare("iirfilter", lambda xp, r, w: xp.iirfilter(2, w, r[0], 30 * r[1], ftype="ellip"), DECIBELS, BAND)
declare("iirnotch", lambda xp, w, q, fs: xp.iirnotch(w, 9 * q[0], fs[0]), WN, DECIBELS, between(2, 3, 1), order=2)
declare("iirpeak", lambda xp, w, q: xp.iirpeak(w, 9 * q[0]), WN, DECIBELS)
for kind in ("notch", "peak"):
    declare("iircomb", lambda xp, q, kind=kind: xp.iircomb(0.5, 9 * q[0], kind, pass_zero=kind == "peak"), DECIBELS)
declare("cheb1ap", lambda xp, r: xp.cheb1ap(3, r[0])[1:], DECIBELS)
declare("cheb2ap", lambda xp, r: xp.cheb2ap(3, 20 * r[0])[1:], DECIBELS)
declare("ellipap", lambda xp, r: filter_of(xp.ellipap(5, r[0], 30 * r[1])), DECIBELS)

GAIN = between(1, 2, 1)


def paired(z: Any) -> Any:
    """Roots that stay the roots of a real polynomial when they move."""
    return tnp.concatenate([z, tnp.conj(z)])


declare("zpk2tf", lambda xp, z, p, k: xp.zpk2tf(paired(z), p, k[0]), off_axes(2), B, GAIN, order=2)
declare("zpk2sos", lambda xp, z, p, k: xp.zpk2sos(paired(z) / 2, paired(p) / 3, k[0]), off_axes(2), off_axes(2), GAIN)
for n, pairing in ((3, "nearest"), (3, "keep_odd"), (5, None)):
    real = between(-0.02, 0.02, n).map(lambda p, n=n: p + np.linspace(-0.8, 0.7, n))
    call = lambda xp, z, p, pairing=pairing: xp.zpk2sos(z, p, 2.0, pairing)  # noqa: E731
    declare("zpk2sos", call, real.map(lambda p: 0.9 * p[1:] + 0.13), real)
    declare("zpk2sos", lambda xp, z, p: xp.zpk2sos(z, p - 1, 2.0, analog=True), real.map(lambda p: p[3:] + 0.13), real)
declare("zpk2sos", lambda xp, k: (xp.zpk2sos([], [], k[0]), xp.zpk2sos([], [], k[0], analog=True)), GAIN)
LEADING = between(-0.1, 0.1, 4).map(lambda a: a + np.array([1.0, -0.4, 0.1, -0.3]))
declare("tf2zpk", lambda xp, b, a: xp.tf2zpk(b, a), LEADING, LEADING, order=2)
declare("tf2sos", lambda xp, b, a: xp.tf2sos(b, a), LEADING, LEADING, tolerance=1e-5)
declare("sos2tf", lambda xp, s: xp.sos2tf(s), SECTIONS)
declare("sos2zpk", lambda xp, s: xp.sos2zpk(s + np.array([0, 0, 1, 0, 0, 1])), SECTIONS)
declare("normalize", lambda xp, b, a: xp.normalize(tnp.stack([b, b * b]), a), LEADING, LEADING)
for each in ("lp2lp", "lp2hp"):
    for one, other in ((LEADING, A), (A, B), (B, A)):
        declare(each, lambda xp, b, a, w, each=each: getattr(xp, each)(b, a + 1, w[0]), one, other, GAIN)
    call = lambda xp, z, p, w, each=each: filter_of(getattr(xp, each + "_zpk")(z - 2, paired(p), 2.0, w[0]))  # noqa: E731
    declare(each + "_zpk", call, between(-1, 1, 2), off_axes(2), GAIN)
for each in ("lp2bp", "lp2bs"):
    call = lambda xp, b, a, w, each=each: getattr(xp, each)(b + 2, a, w[0], w[1])  # noqa: E731
    declare(each, call, B, LEADING, DECIBELS)
    declare(each, call, A, LEADING.map(lambda a: a[:2]), DECIBELS)
    call = lambda xp, z, p, w, each=each: filter_of(  # noqa: E731
        getattr(xp, each + "_zpk")(z, paired(p), 2.0, w[0] + 1, w[1])
    )
    declare(each + "_zpk", call, off_axes(2), off_axes(2), DECIBELS, order=2)
declare("bilinear", lambda xp, b, a, fs: xp.bilinear(b + 2, a, fs[0]), B, LEADING, GAIN)
declare("bilinear_zpk", lambda xp, z, p, fs: xp.bilinear_zpk(z, paired(p), 2.0, fs[0]), B, off_axes(2), GAIN)

# ---- waveforms, and filters of a neighbourhood ----

TIMES, PAIR = between(0.2, 1.5, 4), between(0.8, 1.2, 3)
for method in ("linear", "quadratic", "logarithmic", "hyperbolic"):
    call = lambda xp, t, p, m=method: xp.chirp(t, p[0], 3 * p[1], 2 * p[2], m, phi=30 * p[0], vertex_zero=m == "li")  # noqa: E731
    # SciPy makes Python floats of the parameters.
    declare("chirp", call, TIMES, PAIR, order=1 + (method == "linear"))
declare("sweep_poly", lambda xp, t, p: xp.sweep_poly(t, p, 30.0), TIMES, PAIR)
declare("gausspulse", lambda xp, t, p: xp.gausspulse(t, p[0], p[1], -6 * p[2], retquad=True, retenv=True), TIMES, PAIR)
declare("gausspulse", lambda xp, p: tnp.asarray(xp.gausspulse("cutoff", p[0], p[1], -6 * p[2], -60 * p[0])), PAIR)
declare(
    "sawtooth",
    lambda xp, t, p: xp.sawtooth(t * 9, 0.3 * p[0]),
    TIMES.map(lambda t: 0 * t + np.array([0.1, 0.5, 0.9, 1.3])),
    PAIR,
)
declare(
    "square", lambda xp, t, p: xp.square(t, 0.3 * p[0]), TIMES.map(lambda t: 0 * t + np.array([0.1, 0.5, 3, 9])), PAIR
)
SPIKES = between(-0.05, 0.05, 5, 4).map(lambda x: x + np.random.default_rng(2).permutation(20).reshape(5, 4))
declare("medfilt", lambda xp, x: xp.medfilt(x, [3, 1]), SPIKES)
declare("medfilt2d", lambda xp, x: xp.medfilt2d(x), SPIKES)
declare("order_filter", lambda xp, x: xp.order_filter(x, np.ones((1, 3)), 2), SPIKES)
declare("wiener", lambda xp, x: xp.wiener(x, (3, 3)), SPIKES)
declare("wiener", lambda xp, x, v: xp.wiener(x[0], 3, 9 * v[0]), SPIKES, PAIR)
declare("deconvolve", lambda xp, x, y: xp.deconvolve(x, y), LONG, STABLE)
declare("hilbert2", lambda xp, x: xp.hilbert2(x, (4, 5), (1, 0)), SPIKES.map(lambda x: x / 20))
declare("group_delay", lambda xp, b, a, w: xp.group_delay((b, a), w)[1], LEADING, STABLE, TIMES)

declare("czt", lambda xp, x: xp.czt(x, 5, axis=0), between(-1, 1, 4, 2), in_single=False)
declare("czt", lambda xp, x, w, a: xp.czt(x, 3, w[0] - 1, a[0]), LONG, off_axes(1), off_axes(1), in_single=False)
declare(
    "zoom_fft",
    lambda xp, x, f: xp.zoom_fft(x, 0.4 * f[:2] * np.array([1, 2]), 5, fs=2.5),
    LONG,
    PAIR,
    order=2,
    in_single=False,
)
declare("zoom_fft", lambda xp, x, f: xp.zoom_fft(x, 0.4 * f[0], endpoint=True), LONG, PAIR, in_single=False)
declare(
    "firwin2", lambda xp, f, g: xp.firwin2(9, tnp.concatenate([[0.0], f, [1.0]]), g), CUTOFFS, TIMES, in_single=False
)
declare(
    "firwin2",
    lambda xp, g: xp.firwin2(7, [0.0, 0.4, 0.4, 1.0], g * np.array([0, 1, 1, 0]), antisymmetric=True, window=None),
    TIMES,
    in_single=False,
)
