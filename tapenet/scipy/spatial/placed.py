"""Functions of scipy.spatial that are not differentiated."""

from __future__ import annotations

from typing import Any

import scipy.spatial

from tapenet.scipy.placing import passed_on

PLACED: dict[str, Any] = {
    **{
        name: passed_on(scipy.spatial, name, "a picture.")
        for name in ("convex_hull_plot_2d", "delaunay_plot_2d", "voronoi_plot_2d")
    },
    "tsearch": passed_on(scipy.spatial, "tsearch", "numbers of triangles."),
}
