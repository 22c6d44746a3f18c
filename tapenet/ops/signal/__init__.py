"""Fourier transforms, padding, convolution, polynomials, numerical calculus."""
