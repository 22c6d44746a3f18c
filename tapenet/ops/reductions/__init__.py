"""One number from many, along axes: sums, extrema, statistics, sorting."""
