"""scipy.signal on a tape: states, windows by their parameters, transposes, round trips, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.signal

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.scipy import signal
from tapenet.testing import check_grads

X = np.sin(np.arange(12.0)) + 0.1 * np.arange(12.0)
B, A = np.array([0.3, 0.2, -0.1, 0.05]), np.array([2.0, -0.8, 0.3])

# ---- filters ----


@pytest.mark.parametrize("cut", [1, 2, 5])
@pytest.mark.parametrize(("b", "a"), [(B, A), (B, [1.0]), ([1.0], A), ([2.0], [4.0])])
def test_a_filter_goes_on_with_the_state_that_it_gave(cut: int, b: Any, a: Any) -> None:
    order = max(len(b), len(a)) - 1

    def in_two(b: Any, a: Any, x: Any, zi: Any) -> Any:
        first, state = signal.lfilter(b, a, x[:cut], zi=zi)
        second, state = signal.lfilter(b, a, x[cut:], zi=state)
        return tnp.concatenate([first, second]), state

    arguments = np.asarray(b), np.asarray(a), X, np.linspace(1, 2, order)
    with tn.GradientTape() as tape:
        found = in_two(*tape.watch(arguments))
    for one, expected in zip(found, scipy.signal.lfilter(b, a, X, zi=arguments[3]), strict=True):
        np.testing.assert_allclose(one.value, expected, atol=1e-14)
    at_once, pullback = tn.vjp(lambda *xs: signal.lfilter(*xs[:3], zi=xs[3]), *arguments)
    _, of_two = tn.vjp(in_two, *arguments)
    weights = tuple(np.cos(np.arange(float(len(part)))) for part in at_once)
    for one, expected in zip(of_two(weights), pullback(weights), strict=True):
        np.testing.assert_allclose(one, expected, atol=1e-13)


def test_the_gradient_of_a_filter_is_the_filter_from_the_last_element_on() -> None:
    weights = np.cos(X)
    gradient = tn.grad(lambda x: signal.lfilter(B, A, x) @ weights)(X)
    np.testing.assert_allclose(gradient, scipy.signal.lfilter(B, A, weights[::-1])[::-1], rtol=1e-13)


def test_a_sharp_filter_of_high_order_has_scipys_values() -> None:
    b, a = scipy.signal.butter(8, 0.05)
    sos = scipy.signal.butter(8, 0.05, output="sos")
    x = np.sin(np.arange(300) / 7)
    for name, coefficients in (("lfilter", (b, a)), ("filtfilt", (b, a)), ("sosfilt", (sos,)), ("sosfiltfilt", (sos,))):
        with tn.GradientTape() as tape:
            found = getattr(signal, name)(*coefficients, tape.watch(x))
        expected = getattr(scipy.signal, name)(*coefficients, x)
        tolerance = 1e-7 if name == "filtfilt" else 1e-12  # its steady state is ill-conditioned at this order
        np.testing.assert_allclose(found.value, expected, rtol=tolerance, atol=tolerance)


def test_a_constant_passes_a_filter_in_its_steady_state_unchanged() -> None:
    def drift(a: Any) -> Any:
        y, state = signal.lfilter(B, a, np.ones(5), zi=signal.lfilter_zi(B, a))
        return tnp.ptp(y) + tnp.sum((state - signal.lfilter_zi(B, a)) ** 2)

    with tn.GradientTape() as tape:
        assert drift(tape.watch(A)).value < 1e-14


def test_signals_without_elements() -> None:
    assert tn.grad(lambda x: tnp.sum(signal.lfilter(B, A, x)))(np.zeros(0)).shape == (0,)
    np.testing.assert_array_equal(tn.grad(lambda b: tnp.sum(signal.lfilter(b, A, np.zeros(0))))(B), np.zeros(4))


def test_filters_by_mapped_coefficients() -> None:
    bs, signals = np.stack([B, 2 * B]), np.stack([X, X[::-1]])
    np.testing.assert_allclose(
        tn.vmap(lambda b: tn.grad(lambda b: tnp.sum(signal.lfilter(b, A, X) ** 2))(b))(bs),
        np.stack([tn.grad(lambda b: tnp.sum(signal.lfilter(b, A, X) ** 2))(b) for b in bs]),
        rtol=1e-12,
    )
    mapped = tn.vmap(lambda b, x: signal.convolve(x, b, method="direct"))(bs, signals)
    np.testing.assert_allclose(mapped, [np.convolve(x, b) for b, x in zip(bs, signals, strict=True)], rtol=1e-13)


@pytest.mark.parametrize("irlen", [None, 3, 6, 40])
def test_states_for_which_both_orders_of_filters_differ_least(irlen: int | None) -> None:
    b, a = np.array([0.2, 0.4, 0.2]), np.array([1.0, -0.4, 0.2])
    signals = np.stack([X, np.cos(X)])

    def gust(xp: Any, *arguments: Any) -> Any:
        return xp.filtfilt(*arguments, method="gust", irlen=irlen)

    with tn.GradientTape() as tape:
        found = gust(signal, *tape.watch((b, a, signals)))
    np.testing.assert_allclose(found.value, gust(scipy.signal, b, a, signals), rtol=1e-10)
    check_grads(lambda *xs: gust(signal, *xs), [b, a, signals], order=1, tolerance=1e-5)
    np.testing.assert_allclose(tn.grad(lambda c: gust(signal, [c], [2.0], X)[1])(3.0), 1.5 * X[1])


# ---- spectra ----


def test_a_signal_comes_back_from_its_short_time_transform() -> None:
    def there_and_back(x: Any) -> Any:
        return signal.istft(signal.stft(x, nperseg=4)[2], nperseg=4)[1]

    found = tn.jacobian(there_and_back)(X)
    np.testing.assert_allclose(found, np.eye(12), atol=1e-13)


def test_the_median_of_spectra_is_scipys() -> None:
    for count in (8, 12):
        with tn.GradientTape() as tape:
            _, found = signal.csd(tape.watch(X[:count]), X, nperseg=4, average="median")
        expected = scipy.signal.csd(X[:count], X, nperseg=4, average="median")[1]
        np.testing.assert_allclose(found.value, expected, rtol=1e-12)


def test_power_is_conserved_by_parseval() -> None:
    gradient = tn.grad(lambda x: tnp.sum(signal.periodogram(x, detrend=False)[1]) / 12)(X)
    np.testing.assert_allclose(gradient, 2 * X / 12, rtol=1e-12, atol=1e-15)


def test_by_the_rate_and_with_a_warning_of_short_signals() -> None:
    f, power = signal.welch(X, 2.0, nperseg=6)
    f_slope, slope = tn.jacfwd(lambda fs: signal.welch(X, fs, nperseg=6))(2.0)
    np.testing.assert_allclose(f_slope, f / 2)
    np.testing.assert_allclose(slope, -power / 2, rtol=1e-13)
    with pytest.warns(UserWarning, match="is greater than"):
        tn.grad(lambda x: tnp.sum(signal.welch(x)[1]))(X)


# ---- windows ----

WINDOWS = [
    ("general_cosine", (np.array([0.5, 0.3, 0.2]),)),
    ("general_hamming", (0.6,)),
    ("gaussian", (2.0,)),
    ("general_gaussian", (1.5, 2.0)),
    ("kaiser", (4.0,)),
    ("tukey", (0.4,)),
    ("exponential", (None, 3.0)),
    ("chebwin", (60.0,)),
    ("taylor", (4, 30.0)),
]


@pytest.mark.parametrize(("name", "parameters"), WINDOWS, ids=[name for name, _ in WINDOWS])
@pytest.mark.parametrize("sym", [True, False])
@pytest.mark.parametrize("length", [1, 7, 8])
def test_windows_by_their_parameters(name: str, parameters: tuple[Any, ...], sym: bool, length: int) -> None:
    real = [i for i, p in enumerate(parameters) if isinstance(p, float | np.ndarray)]

    def window(*values: Any) -> Any:
        given = dict(zip(real, values, strict=True))
        return getattr(signal.windows, name)(length, *(given.get(i, p) for i, p in enumerate(parameters)), sym=sym)

    arrays = [parameters[i] for i in real]
    with tn.GradientTape() as tape:
        found = window(*tape.watch(arrays))
    expected = getattr(scipy.signal.windows, name)(length, *parameters, sym=sym)
    np.testing.assert_allclose(found.value, expected, rtol=1e-11, atol=1e-13)
    check_grads(window, arrays, order=1)


def test_the_derived_window_of_kaiser() -> None:
    check_grads(lambda beta: signal.windows.kaiser_bessel_derived(8, beta), [3.0], order=2)
    with tn.GradientTape() as tape:
        found = signal.windows.kaiser_bessel_derived(8, tape.watch(3.0))
    np.testing.assert_allclose(found.value, scipy.signal.windows.kaiser_bessel_derived(8, 3.0), rtol=1e-13)


def test_tukey_at_the_ends_of_its_range() -> None:
    for alpha, expected in ((0.0, np.ones(6)), (1.0, scipy.signal.windows.hann(6))):
        with tn.GradientTape() as tape:
            found = signal.windows.tukey(6, tape.watch(alpha))
        np.testing.assert_allclose(found.value, expected)


# ---- refusals ----

REFUSALS = [
    (lambda x: signal.convolve(x, np.ones((2, 2))), "same dimensionality"),
    (lambda x: signal.convolve(x, x, "half"), "acceptable mode flags are"),
    (lambda x: signal.correlate(x, x, method="x"), "acceptable method flags are"),
    (lambda x: signal.convolve(x[None], np.ones((2, 3)), "valid"), "at least as large as the other"),
    (lambda x: signal.fftconvolve(x.reshape(3, 4), np.ones((2, 2)), axes=0), "incompatible shapes"),
    (lambda x: signal.convolve2d(x, x), "must both be 2-D"),
    (lambda x: signal.convolve2d(x[None], x[None], boundary="x"), "acceptable boundary flags"),
    (lambda x: signal.lfilter(B, [0.0, 1.0], x), "a[0] == 0"),
    (lambda x: signal.lfilter(np.ones((2, 2)), A, x), "b and a must be 1-D"),
    (lambda x: signal.lfilter(B, A, x, zi=np.ones(7)), "unexpected shape for zi: expected (3,), found (7,)"),
    (lambda x: signal.sosfilt(np.ones((2, 5)), x), "sos array must be shape (n_sections, 6)"),
    (lambda x: signal.sosfilt(2 * np.ones((2, 6)), x), "sos[:, 3] should be all ones"),
    (lambda x: signal.sosfilt(np.ones((1, 6)), x, zi=np.ones(2)), "invalid zi shape"),
    (lambda x: signal.filtfilt(B, A, x), "must be greater than padlen, which is 12"),
    (lambda x: signal.filtfilt(B, A, x, padtype="x"), "unknown value 'x' given to padtype"),
    (lambda x: signal.filtfilt(B, A, x, method="x"), "method must be 'pad' or 'gust'"),
    (lambda x: signal.savgol_filter(x, 5, 5), "polyorder must be less than window_length"),
    (lambda x: signal.savgol_filter(x, 13, 2), "If mode is 'interp'"),
    (lambda x: signal.savgol_filter(x, 5, 2, mode="x"), "mode must be 'mirror'"),
    (lambda x: signal.detrend(x, type="x"), "trend type must be"),
    (lambda x: signal.detrend(x, bp=20), "Breakpoints must be less than length"),
    (lambda x: signal.detrend(x * np.nan), "must not contain infs or NaNs"),
    (lambda x: signal.hilbert(x * 1j), "x must be real"),
    (lambda x: signal.resample(x, 5, domain="x"), "domain must be"),
    (lambda x: signal.resample(x, 5, window=np.ones(3)), "window must have the length of the signal"),
    (lambda x: signal.upfirdn(B, x, 0), "up and down must be >= 1"),
    (lambda x: signal.resample_poly(x, 3, 2, padtype="line"), "padtype must be"),
    (lambda x: signal.stft(x, nperseg=4, noverlap=4), "noverlap must be less than nperseg"),
    (lambda x: signal.stft(x, nperseg=4, nfft=3), "nfft must be greater than or equal to nperseg"),
    (lambda x: signal.stft(x, nperseg=4, boundary="x"), "boundary must be"),
    (lambda x: signal.welch(x, nperseg=4, scaling="x"), "scaling must be"),
    (lambda x: signal.welch(x, nperseg=4, average="x"), "average must be"),
    (lambda x: signal.welch(x, nperseg=0), "nperseg must be a positive integer"),
    (lambda x: signal.welch(x, window=np.ones((2, 2))), "window must be 1-D"),
    (lambda x: signal.istft(x), "must be at least 2d"),
    (lambda x: signal.istft(x[None], time_axis=0, freq_axis=0), "differing time and frequency axes"),
    (lambda x: signal.freqz(x[None]), "b must be one-dimensional"),
    (lambda x: signal.windows.exponential(5, 2.0, x[0]), "If sym==True, center must be None"),
    (lambda x: signal.chirp(x, 1.0, 2.0, 3.0, "cubic"), "method must be 'linear', 'quadratic'"),
    (lambda x: signal.chirp(x, 1.0, 2.0, -3.0, "log"), "f0 and f1 must be nonzero and have the same sign"),
    (lambda x: signal.chirp(x, 0.0, 2.0, 3.0, "hyp"), "f0 and f1 must be nonzero"),
    (lambda x: signal.gausspulse(x, bwr=1.0), "bwr below 0"),
    (lambda x: signal.gausspulse("end", x[0] * 0 + 1), "t must be times, or 'cutoff'"),
    (lambda x: signal.firwin2(5, [0.0, 1.0], x), "freq and gain must be of same length"),
    (lambda x: signal.firwin2(5, [0.0, 0.5], x[:2]), "freq must start with 0 and end with fs/2"),
    (lambda x: signal.czt(x, 0), "Invalid number of data points or outputs"),
    (lambda x: signal.zoom_fft(x, [0.1, 0.2, 0.3]), "fn must be a scalar or 2-length sequence"),
    (lambda x: signal.medfilt(x, 4), "each element of kernel_size should be odd"),
    (lambda x: signal.medfilt2d(x), "input must have two axes"),
    (lambda x: signal.deconvolve(x[:0], x), "signal and divisor must be non-empty"),
    (lambda x: signal.hilbert2(1j * x), "x must be real"),
    (lambda x: signal.hilbert2(x[None], (0, 3)), "N must be positive"),
    (lambda x: signal.butter(2, x[0] * 0 + 1.5), "digital filter critical frequencies must be 0 < Wn < 1"),
    (lambda x: signal.butter(2, x[0] * 0 - 1.5), "filter critical frequencies must be greater than 0"),
    (lambda x: signal.butter(2, x[:2] * 0 + np.array([0.5, 0.2]), "band"), "Wn[0] must be less than Wn[1]"),
    (lambda x: signal.butter(2, x / 4, "band"), "Wn must be 2 critical frequencies for a bandpass filter"),
    (lambda x: signal.butter(2, x[0] / 2, "middle"), "btype must be one of"),
    (lambda x: signal.butter(2, x[0], analog=True, fs=2.0), "fs cannot be specified for an analog filter"),
    (lambda x: signal.butter(2, x[0] / 2, output="tf"), "output must be 'ba', 'zpk' or 'sos'"),
    (
        lambda x: signal.iirfilter(2, x[0] * 0 + 0.5, ftype="cheby1", btype="low"),
        "ripple (rp) must be provided",
    ),
    (lambda x: signal.iirfilter(2, x[0] * 0 + 0.5, ftype="cheby2", btype="low"), "attenuation (rs) must be provided"),
    (lambda x: signal.iirfilter(2, x[0] * 0 + 0.5, 1, ftype="ellip", btype="low"), "both rp and rs must be provided"),
    (lambda x: signal.cheby1(2, -x[0], 0.5), "rp must be positive"),
    (lambda x: signal.cheb2ap(-1, x[0]), "Filter order must be a nonnegative integer"),
    (lambda x: signal.cheb2ap(2, x), "rs must be a real number"),
    (lambda x: signal.iirnotch(x[0] + 9, 1.0), "w0 must be a real number between 0 and fs / 2"),
    (lambda x: signal.iircomb(x[0], 1.0), "w0 and fs must be plain numbers"),
    (lambda x: signal.iircomb(0.3, x[0]), "fs must be divisible by w0"),
    (lambda x: signal.iircomb(0.5, x[0], "comb"), "ftype must be either notch or peak"),
    (lambda x: signal.lp2lp_zpk(x, x[:1], 1.0), "Improper transfer function"),
    (lambda x: signal.bilinear([x], x), "b and a must be vectors"),
    (lambda x: signal.normalize(x, 0 * x), "a must have at least one nonzero element"),
    (lambda x: signal.zpk2tf([x], x, 1.0), "z must be a vector"),
    (lambda x: signal.zpk2sos(x, x, 1.0, "best"), "pairing must be 'nearest'"),
    (lambda x: signal.zpk2sos(x, x, 1.0, "nearest", analog=True), "pairing must be 'minimal'"),
    (lambda x: signal.zpk2sos(x, x[:1], 1.0, analog=True), "at most as many zeros as poles"),
    (lambda x: signal.zpk2sos(x, x, 1j), "k must be real"),
    (lambda x: signal.sos2tf(x), "sos must have shape (n_sections, 6)"),
    (lambda x: signal.windows.gaussian(-1, x[0]), "M must be a non-negative integer"),
]


@pytest.mark.parametrize(("call", "words"), REFUSALS, ids=[words for _, words in REFUSALS])
def test_what_scipy_refuses_is_refused_on_a_tape(call: Callable[..., Any], words: str) -> None:
    with tn.GradientTape() as tape, pytest.raises(tn.errors.ArgumentError, match=re.escape(words)) as caught:
        call(tape.watch(X))
    assert str(caught.value).startswith("signal.")


def test_counts_and_designs_take_no_tensors() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(3.0)
        for call in (
            lambda: signal.remez(5, [0, 0.1, x / 10, 0.5], [1, 0]),  # type: ignore[attr-defined]  # by name
            lambda: signal.resample(X, x),
            lambda: signal.windows.gaussian(x, 1.0),
            lambda: signal.find_peaks(X + x),  # type: ignore[attr-defined]  # by name
        ):
            with pytest.raises(tn.errors.ArgumentTypeError, match=r"Write|Design"):
                call()


def test_half_the_power_passes_at_the_cutoff_whatever_it_is() -> None:
    def gain(w: Any) -> Any:
        return tnp.abs(signal.freqz(*signal.butter(4, w, "high"), worN=np.pi * w)[1][0]) ** 2

    value, slope = tn.value_and_grad(gain)(0.3)
    np.testing.assert_allclose(value, 0.5)
    assert abs(slope) < 1e-11


def test_a_bandpass_of_sections_is_fitted_to_a_signal() -> None:
    x = np.sin(np.arange(40.0))
    loss = lambda edges: tnp.sum(signal.sosfilt(signal.ellip(2, 1, 30, edges, "band", output="sos"), x) ** 2)  # noqa: E731
    check_grads(loss, [np.array([0.2, 0.6])], order=1)


@pytest.mark.parametrize(
    ("cutoff", "settings", "words"),
    [
        (1.5, {}, "frequencies must be greater than 0 and less than fs/2"),
        ([0.5, 0.3], {}, "strictly increasing"),
        ([[0.1], [0.2]], {}, "cutoff must be a number or a vector"),
        (0.3, {"pass_zero": "bandpass"}, "cutoff must have at least two elements"),
    ],
)
def test_cutoffs_that_scipy_refuses_are_refused_with_its_words(cutoff: Any, settings: Any, words: str) -> None:
    with tn.GradientTape() as tape, pytest.raises(tn.ArgumentError, match=rf"signal\.firwin: .*{words}"):
        signal.firwin(5, tape.watch(np.array(cutoff)), **settings)


def test_sweeps_of_one_frequency_and_widths_outside() -> None:
    t = np.linspace(0, 1, 5)
    for method in ("log", "hyperbolic"):
        with tn.GradientTape() as tape:
            found = signal.chirp(tape.watch(t), 2.0, 1.0, 2.0, method)
        np.testing.assert_allclose(found.value, scipy.signal.chirp(t, 2.0, 1.0, 2.0, method))
    with tn.GradientTape() as tape:
        assert np.all(np.isnan(signal.sawtooth(tape.watch(t), 1.5).value))
        assert signal.deconvolve(tape.watch(t[:2]), t)[0] == []
    np.testing.assert_allclose(tn.elementwise_grad(signal.sawtooth)(t), 1 / np.pi)
