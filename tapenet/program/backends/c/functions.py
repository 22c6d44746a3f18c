"""Elementwise operations that are a function of their own in C.

Each is a template of `Writer.function`, and the parameters of the operation that the function takes after its operands.
"""

from __future__ import annotations

# As NumPy's, of the sign of the divisor, and 0 of that sign.
_REMAINDER = """static {kind} {name}({kind} x, {kind} y) {{
  const {kind} rest = fmod{f}(x, y);
  if (rest == 0) return copysign{f}(0, y);
  return (rest < 0) != (y < 0) ? rest + y : rest;
}}"""

_FLOOR_DIVIDE = """static {kind} {name}({kind} x, {kind} y) {{
  if (y == 0) return x / y;
  const {kind} rest = fmod{f}(x, y);
  const {kind} whole = (x - rest) / y - (rest != 0 && (rest < 0) != (y < 0));
  if (whole == 0) return copysign{f}(0, x / y);
  return floor{f}(whole) + (whole - floor{f}(whole) > 0.5{f});
}}"""

_ROUND = """/* Rounds to a number of decimals, halves to even. */
static {kind} {name}({kind} x, int decimals) {{
  if (decimals == 0) return rint{f}(x);
  const {kind} scale = pow{f}(10, abs(decimals));
  return decimals > 0 ? rint{f}(x * scale) / scale : rint{f}(x / scale) * scale;
}}"""

_POWER = """static {kind} {name}({kind} x, {kind} exponent) {{
  uint64_t power = 1, square = (uint64_t)x;
  for (uint64_t left = (uint64_t)exponent; left; left >>= 1) {{
    if (left & 1) power *= square;
    square *= square;
  }}
  return ({kind})power;
}}"""

# By its series, in which nothing cancels.
_BESSEL = """/* The modified Bessel function of the first kind, of an integer order. */
static {kind} {name}({kind} x, int order) {{
  double term = 1;
  for (int k = 1; k <= order; k++) term *= x / (2.0 * k);
  double total = term;
  for (int k = 1; fabs(term) > fabs(total) * (DBL_EPSILON / 8); k++) {{
    term *= x / 2.0 / k * (x / 2.0 / (k + order));
    total += term;
  }}
  return ({kind})total;
}}"""

# Below a bound by its Taylor series, beyond it by x f_k + k f_(k-1) = pi^(k-1) sin(pi x + k pi / 2).
_SINC = """/* The derivative of sin(pi x) / (pi x) of an order. */
static {kind} {name}({kind} x, int order) {{
  const double pi = 3.14159265358979323846, u = pi * x;
  if (order == 0) return x == 0 ? 1 : sin{f}(({kind})u) / ({kind})u;
  if (fabs(u) < order + 0.5) {{
    double total = 0;
    for (int m = (order + 1) / 2 + 25; m >= (order + 1) / 2; m--)
      total = total * u * u + (m % 2 ? -1 : 1) / ((2 * m + 1) * tgamma(2 * m - order + 1));
    return ({kind})(pow(pi, order) * (order % 2 ? total * u : total));
  }}
  const double whole = rint(x), rest = x - whole, flip = fmod(whole, 2) == 0 ? 1 : -1;
  const double sine = flip * sin(pi * rest), cosine = flip * cos(pi * rest);
  const double waves[4] = {{sine, cosine, -sine, -cosine}};
  double found = waves[0] / u;
  for (int k = 1; k <= order; k++) found = (pow(pi, k - 1) * waves[k % 4] - k * found) / x;
  return ({kind})found;
}}"""

# By its recurrence, and its asymptotic series from 10 on.
_PSI = """/* The derivative of the logarithm of the gamma function. */
static {kind} {name}({kind} x) {{
  double y = x, total = 0;
  if (y == 0) return copysign{f}(INFINITY, -x);
  if (y < 0 && y == floor(y)) return NAN;
  if (y < 0) {{
    total -= 3.14159265358979323846 / tan(3.14159265358979323846 * (y - rint(y)));
    y = 1 - y;
  }}
  for (; y < 10; y++) total -= 1 / y;
  const double s = 1 / (y * y);
  const double last = 1 / 252. - s * (1 / 240. - s * (1 / 132. - s * 691 / 32760.));
  return ({kind})(total + log(y) - 0.5 / y - s * (1 / 12. - s * (1 / 120. - s * last)));
}}"""

# By Halley's method on the complement, which keeps the digits of what is near 1. `z` is 1 - |y|.
_ERFINV = """/* The x with erf(x) = y, for 0 <= y < 1 and z = 1 - y. */
static double {name}_root(double y, double z) {{
  const double size = log(z * (1 + y)), half = 4.3307467508 + size / 2;
  double x = sqrt(sqrt(half * half - size / 0.147) - half);
  for (int i = 0; i < 4; i++) {{
    const double rest = (y < 0.5 ? erf(x) - y : z - erfc(x)) / (1.1283791670955126 * exp(-x * x));
    x -= rest / (1 + x * rest);
  }}
  return x;
}}

"""

_INVERSE_ERF = (
    _ERFINV
    + """/* The inverse of the error function. */
static {kind} {name}({kind} y) {{
  const double size = fabs(y);
  if (!(size < 1)) return size == 1 ? copysign{f}(INFINITY, y) : NAN;
  return ({kind})copysign({name}_root(size, 1 - size), y);
}}"""
)

_NDTRI = (
    _ERFINV
    + """/* The quantile of the normal distribution. */
static {kind} {name}({kind} p) {{
  if (!(p > 0 && p < 1)) return p == 0 ? -INFINITY : p == 1 ? INFINITY : NAN;
  const double z = p < 0.5 ? 2 * (double)p : 2 - 2 * (double)p;
  return ({kind})copysign(1.4142135623730951 * {name}_root(1 - z, z), p - 0.5);
}}"""
)

# Of real numbers, by name; with " of i" and " of u" those of integers.
FUNCTIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "remainder": ((), _REMAINDER),
    "floor_divide": ((), _FLOOR_DIVIDE),
    "round": (("decimals",), _ROUND),
    "power of i": ((), _POWER),
    "power of u": ((), _POWER),
    "bessel": (("order",), _BESSEL),
    "sinc": (("order",), _SINC),
    "special.psi": ((), _PSI),
    "special.erfinv": ((), _INVERSE_ERF),
    "special.ndtri": ((), _NDTRI),
}
