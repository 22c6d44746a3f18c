"""scipy.ndimage on Tensors and arrays alike: filters of images, and images at other coordinates.

Filters are differentiated by the image, their weights and widths, transforms by the image and by the coordinates, the
matrix, the angle or the shift, in every mode and of every order. Images on a tape are of floats.

>>> from tapenet.scipy import ndimage
>>> tn.grad(lambda s: ndimage.shift(np.arange(5.0) ** 2, s, order=3)[2])(0.5).round(6)
np.float64(-3.107143)
"""

from tapenet.scipy.ndimage.filters import (
    convolve as convolve,
    convolve1d as convolve1d,
    correlate as correlate,
    correlate1d as correlate1d,
    gaussian_filter as gaussian_filter,
    gaussian_filter1d as gaussian_filter1d,
    gaussian_gradient_magnitude as gaussian_gradient_magnitude,
    gaussian_laplace as gaussian_laplace,
    laplace as laplace,
    prewitt as prewitt,
    sobel as sobel,
    uniform_filter as uniform_filter,
    uniform_filter1d as uniform_filter1d,
)
from tapenet.scipy.ndimage.fourier import (
    fourier_gaussian as fourier_gaussian,
    fourier_shift as fourier_shift,
    fourier_uniform as fourier_uniform,
)
from tapenet.scipy.ndimage.interpolation import (
    affine_transform as affine_transform,
    geometric_transform as geometric_transform,
    map_coordinates as map_coordinates,
    rotate as rotate,
    shift as shift,
    spline_filter as spline_filter,
    spline_filter1d as spline_filter1d,
    zoom as zoom,
)
from tapenet.scipy.ndimage.measurements import (
    center_of_mass as center_of_mass,
    maximum as maximum,
    mean as mean,
    minimum as minimum,
    standard_deviation as standard_deviation,
    sum as sum,
    sum_labels as sum_labels,
    variance as variance,
)
from tapenet.scipy.ndimage.morphology import (
    black_tophat as black_tophat,
    grey_closing as grey_closing,
    grey_dilation as grey_dilation,
    grey_erosion as grey_erosion,
    grey_opening as grey_opening,
    morphological_gradient as morphological_gradient,
    morphological_laplace as morphological_laplace,
    white_tophat as white_tophat,
)
from tapenet.scipy.ndimage.placed import PLACED
from tapenet.scipy.ndimage.ranks import (
    maximum_filter as maximum_filter,
    maximum_filter1d as maximum_filter1d,
    median_filter as median_filter,
    minimum_filter as minimum_filter,
    minimum_filter1d as minimum_filter1d,
    percentile_filter as percentile_filter,
    rank_filter as rank_filter,
)

globals().update(PLACED)

__all__ = sorted(name for name, value in vars().items() if name[0] != "_" and callable(value))


def __dir__() -> list[str]:
    return __all__
