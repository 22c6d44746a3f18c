"""Functions of scipy.signal that are not differentiated, each with what to write instead."""

from __future__ import annotations

from typing import Any

import scipy.signal

from tapenet.scipy.placing import passed_on, refused

_DESIGN = "Design the filter of plain numbers, and write signal.lfilter or signal.sosfilt with a Tensor."
_FORMULA = "Write its formula in functions of tapenet.numpy."
_SYSTEM = "Write signal.lfilter, or tapenet.scipy.integrate.solve_ivp for a system in continuous time."
_PEAKS = "Write it of x.value, and index the Tensor by what it finds."
_SPECTRUM = "Write signal.stft, or tapenet.scipy.fft.fft."

_GROUPS = {
    _DESIGN: (
        "band_stop_obj buttord cheb1ord cheb2ord ellipord firls firwin_2d gammatone iirdesign "
        "minimum_phase remez savgol_coeffs ss2tf ss2zpk tf2ss zpk2ss"
    ),
    _FORMULA: ("gauss_spline invres invresz lfiltic residue residuez vectorstrength"),
    _SYSTEM: (
        "abcd_normalize bode cont2discrete dbode dfreqresp dimpulse dlsim dstep freqresp impulse lsim place_poles step"
    ),
    _PEAKS: ("argrelextrema argrelmax argrelmin find_peaks find_peaks_cwt peak_prominences peak_widths"),
    _SPECTRUM: "closest_STFT_dual_window czt_points envelope lombscargle",
    "Write signal.lfilter.": "sepfir2d symiirorder1 symiirorder2",
    "Write tapenet.scipy.interpolate.make_interp_spline.": (
        "cspline1d cspline1d_eval cspline2d qspline1d qspline1d_eval qspline2d spline_filter"
    ),
}
_PASSED = {
    "check_COLA": "whether windows add up.",
    "check_NOLA": "whether windows add up.",
    "choose_conv_method": "a choice by sizes.",
    "correlation_lags": "lags, which are counts.",
    "findfreqs": "a grid of frequencies.",
    "kaiser_atten": "numbers of a design.",
    "kaiser_beta": "numbers of a design.",
    "kaiserord": "numbers of a design.",
    "max_len_seq": "a sequence of bits.",
    "unique_roots": "which roots are equal.",
    "unit_impulse": "an array of zeros and a one.",
}

PLACED: dict[str, Any] = {
    **{
        name: refused(scipy.signal, name, instead)
        for instead, names in _GROUPS.items()
        for name in names.split()
        if hasattr(scipy.signal, name)
    },
    **{name: passed_on(scipy.signal, name, reason) for name, reason in _PASSED.items()},
}
