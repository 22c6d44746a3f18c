"""Functions of scipy.ndimage that are not differentiated, each with what to write instead."""

from __future__ import annotations

from typing import Any

import scipy.ndimage

from tapenet.scipy.placing import passed_on, refused

_GROUPS = {
    "Write it of x.value, and index the Tensor by what it finds.": (
        "binary_closing binary_dilation binary_erosion binary_fill_holes binary_hit_or_miss binary_opening "
        "binary_propagation distance_transform_bf distance_transform_cdt distance_transform_edt extrema find_objects "
        "histogram label labeled_comprehension maximum_position median minimum_position value_indices watershed_ift"
    ),
    "Write the sum of ndimage.correlate1d along each axis.": (
        "generic_filter generic_filter1d generic_gradient_magnitude generic_laplace vectorized_filter"
    ),
    "Write ndimage.fourier_gaussian.": "fourier_ellipsoid",
}
_PASSED = {
    "generate_binary_structure": "an array of truth values.",
    "iterate_structure": "an array of truth values.",
}

PLACED: dict[str, Any] = {
    **{
        name: refused(scipy.ndimage, name, instead)
        for instead, names in _GROUPS.items()
        for name in names.split()
        if hasattr(scipy.ndimage, name)
    },
    **{name: passed_on(scipy.ndimage, name, reason) for name, reason in _PASSED.items()},
}
