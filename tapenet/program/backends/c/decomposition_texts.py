"""The C functions that decompose matrices. Each returns 0, or 1 where it does not come to an end."""

# Exponents are kept apart, so that no product of pivots overflows or underflows on the way.
DETERMINANT = """/* Gives the determinant, and its sign and the logarithm of its magnitude; `work` has room for n n. */
static int {name}(const {kind} *a, size_t n, {kind} *whole, {kind} *sign, {real} *size, {kind} *work) {{
  {kind} total = 1, unit = 1;
  {real} log_size = 0;
  int exponent = 0;
  memcpy(work, a, n * n * sizeof(*work));
  for (size_t k = 0; k < n; k++) {{
    size_t best = k;
    for (size_t i = k + 1; i < n; i++)
      if ({mag}(work[i * n + k]) > {mag}(work[best * n + k])) best = i;
    for (size_t j = 0; best != k && j < n; j++) {{
      const {kind} kept = work[k * n + j];
      work[k * n + j] = work[best * n + j];
      work[best * n + j] = kept;
    }}
    const {kind} pivot = best == k ? work[k * n + k] : -work[k * n + k];
    if (pivot == 0) {{
      total = unit = 0;
      log_size = -INFINITY;
      break;
    }}
    int own;
    total *= pivot;
    frexp{f}({mag}(total), &own);
    if (own < {F}_MIN_EXP) own = {F}_MIN_EXP;
    total *= ldexp{f}(1, -own);
    exponent += own;
    unit *= pivot / {mag}(pivot);
    log_size += log{f}({mag}(pivot));
    for (size_t i = k + 1; i < n; i++) {{
      const {kind} factor = work[i * n + k] / work[k * n + k];
      for (size_t j = k + 1; j < n; j++) work[i * n + j] -= factor * work[k * n + j];
    }}
  }}
  if (whole != NULL) *whole = total * ldexp{f}(1, exponent / 2) * ldexp{f}(1, exponent - exponent / 2);
  if (sign != NULL) *sign = unit;
  if (size != NULL) *size = log_size;
  return 0;
}}"""

# As LAPACK's geqrf and orgqr, whose signs these are.
QR = """/* Gives q, of its first columns, and r, of as many rows, by reflections; `work` has room for (m + 1) n. */
static int {name}(const {kind} *a, size_t m, size_t n, size_t columns, {kind} *q, {kind} *r, {kind} *work) {{
  const size_t count = m < n ? m : n;
  {kind} *const v = work, *const tau = work + m * n;
  memcpy(v, a, m * n * sizeof(*v));
  for (size_t k = 0; k < count; k++) {{
    const {kind} alpha = v[k * n + k];
    {real} below = 0;
    for (size_t i = k + 1; i < m; i++) below = hypot{f}(below, {mag}(v[i * n + k]));
    tau[k] = 0;
    if (below == 0 && {im}(alpha) == 0) continue;
    const {real} size = hypot{f}({mag}(alpha), below), beta = {re}(alpha) < 0 ? size : -size;
    tau[k] = (beta - alpha) / beta;
    v[k * n + k] = beta;
    for (size_t i = k + 1; i < m; i++) v[i * n + k] /= alpha - beta;
    for (size_t j = k + 1; j < n; j++) {{
      {kind} total = v[k * n + j];
      for (size_t i = k + 1; i < m; i++) total += {conj}(v[i * n + k]) * v[i * n + j];
      total *= {conj}(tau[k]);
      v[k * n + j] -= total;
      for (size_t i = k + 1; i < m; i++) v[i * n + j] -= v[i * n + k] * total;
    }}
  }}
  for (size_t i = 0; q != NULL && i < m; i++)
    for (size_t j = 0; j < columns; j++) q[i * columns + j] = i == j;
  for (size_t k = q != NULL ? count : 0; k-- > 0;)
    for (size_t j = 0; j < columns; j++) {{
      {kind} total = q[k * columns + j];
      for (size_t i = k + 1; i < m; i++) total += {conj}(v[i * n + k]) * q[i * columns + j];
      total *= tau[k];
      q[k * columns + j] -= total;
      for (size_t i = k + 1; i < m; i++) q[i * columns + j] -= v[i * n + k] * total;
    }}
  for (size_t i = 0; r != NULL && i < columns; i++)
    for (size_t j = 0; j < n; j++) r[i * n + j] = i <= j ? v[i * n + j] : 0;
  return 0;
}}"""

# Rotations make element p, q of a Hermitian matrix 0. J. Demmel, K. Veselic, Jacobi's method is more accurate than QR,
# 1992.
_ROTATION = """      const {kind} phase = off / size;
      const {real} slope = (of_q - of_p) / (2 * size);
      const {real} t = (slope < 0 ? -1 : 1) / (fabs{f}(slope) + hypot{f}(slope, 1));
      const {real} cosine = 1 / hypot{f}(t, 1), sine = t * cosine;"""

HERMITIAN = (
    """/* Gives the eigenvalues of a Hermitian matrix, ascending, and in columns vectors whose largest element is
   positive, by Jacobi's rotations; `work` has room for (2 n + 1) n. */
static int {name}(const {kind} *a, size_t n, int is_upper, {real} *values, {kind} *vectors, {kind} *work) {{
  {kind} *const h = work, *const v = work + n * n;
  {real} *const found = ({real} *)(void *)(work + 2 * n * n), whole = 0;
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j <= i; j++) {{
      const {kind} x = is_upper ? {conj}(a[j * n + i]) : a[i * n + j];
      h[i * n + j] = i == j ? {re}(x) : x;
      h[j * n + i] = {conj}(h[i * n + j]);
      v[i * n + j] = v[j * n + i] = i == j;
      whole = hypot{f}(whole, {mag}(x));
    }}
  if (!isfinite(whole)) return 1;
  for (int is_done = 0, sweep = 0; !is_done && sweep < 60; sweep++) {{
    is_done = 1;
    for (size_t p = 0; p < n; p++) for (size_t q = p + 1; q < n; q++) {{
      const {kind} off = h[p * n + q];
      const {real} size = {mag}(off), of_p = {re}(h[p * n + p]), of_q = {re}(h[q * n + q]);
      if (size <= whole * ({F}_EPSILON / 16)) continue;
      is_done = 0;
"""
    + _ROTATION
    + """
      for (size_t i = 0; i < 2 * n; i++) {{
        const {kind} x = h[i * n + p], y = h[i * n + q];
        h[i * n + p] = cosine * x - sine * {conj}(phase) * y;
        h[i * n + q] = sine * phase * x + cosine * y;
      }}
      for (size_t i = 0; i < n; i++) {{
        const {kind} x = h[p * n + i], y = h[q * n + i];
        h[p * n + i] = cosine * x - sine * phase * y;
        h[q * n + i] = sine * {conj}(phase) * x + cosine * y;
      }}
      h[p * n + q] = h[q * n + p] = 0;
    }}
  }}
  for (size_t i = 0; i < n; i++) found[i] = {re}(h[i * n + i]);
  for (size_t k = 0; k < n; k++) {{
    size_t best = k, largest = 0;
    for (size_t j = k + 1; j < n; j++)
      if (found[j] < found[best]) best = j;
    const {real} kept = found[best];
    found[best] = found[k];
    found[k] = kept;
    if (values != NULL) values[k] = kept;
    for (size_t i = 0; i < n; i++) {{
      const {kind} x = v[i * n + best];
      v[i * n + best] = v[i * n + k];
      v[i * n + k] = x;
      if ({mag}(x) > {mag}(v[largest * n + k])) largest = i;
    }}
    for (size_t i = 0; vectors != NULL && i < n; i++)
      vectors[i * n + k] = v[i * n + k] * ({mag}(v[largest * n + k]) / v[largest * n + k]);
  }}
  return 0;
}}"""
)

# Columns of x y^H, of which x is a at first and y the identity, are rotated until those of x are orthogonal.
SINGULAR = (
    """/* Gives singular values, descending, first columns of u, whose largest elements are positive, and rows of vh,
   by one-sided Jacobi rotations; `work` has room for 2 l (l + 1), for the larger l of m and n. */
static int {name}(const {kind} *a, size_t m, size_t n, size_t columns, size_t rows, {real} *values, {kind} *u,
                  {kind} *vh, {kind} *work) {{
  const int is_wide = m < n;
  const size_t length = is_wide ? n : m, count = is_wide ? m : n, wanted = is_wide ? rows : columns;
  {kind} *const x = work, *const y = work + length * length;
  {real} *const found = ({real} *)(void *)(y + count * count), largest = 0;
  for (size_t j = 0; j < count; j++)
    for (size_t i = 0; i < length; i++) {{
      x[j * length + i] = is_wide ? {conj}(a[j * n + i]) : a[i * n + j];
      largest = fmax{f}(largest, {mag}(x[j * length + i]));
      if (!isfinite({mag}(x[j * length + i]))) return 1;
    }}
  int exponent;
  frexp{f}(largest, &exponent);
  if (exponent < {F}_MIN_EXP) exponent = {F}_MIN_EXP;
  for (size_t i = 0; i < count * length; i++) x[i] *= ldexp{f}(1, -exponent);
  for (size_t i = 0; i < count * count; i++) y[i] = i % (count + 1) == 0;
  for (int is_done = 0, sweep = 0; !is_done && sweep < 60; sweep++) {{
    is_done = 1;
    for (size_t p = 0; p < count; p++) for (size_t q = p + 1; q < count; q++) {{
      {kind} *const xp = x + p * length, *const xq = x + q * length;
      {real} of_p = 0, of_q = 0;
      {kind} off = 0;
      for (size_t i = 0; i < length; i++) {{
        of_p += {re}({conj}(xp[i]) * xp[i]);
        of_q += {re}({conj}(xq[i]) * xq[i]);
        off += {conj}(xp[i]) * xq[i];
      }}
      const {real} size = {mag}(off);
      if (size <= sqrt{f}(of_p) * sqrt{f}(of_q) * {F}_EPSILON * sqrt{f}(({real})length)) continue;
      is_done = 0;
"""
    + _ROTATION
    + """
      for (size_t i = 0; i < length + count; i++) {{
        {kind} *const at_p = i < length ? xp + i : y + p * count + i - length;
        {kind} *const at_q = i < length ? xq + i : y + q * count + i - length;
        const {kind} kept = *at_p;
        *at_p = cosine * kept - sine * {conj}(phase) * *at_q;
        *at_q = sine * phase * kept + cosine * *at_q;
      }}
    }}
  }}
  for (size_t j = 0; j < count; j++) {{
    found[j] = 0;
    for (size_t i = 0; i < length; i++) found[j] = hypot{f}(found[j], {mag}(x[j * length + i]));
  }}
  for (size_t k = 0; k < count; k++) {{
    size_t best = k;
    for (size_t j = k + 1; j < count; j++)
      if (found[j] > found[best]) best = j;
    const {real} kept = found[best];
    found[best] = found[k];
    found[k] = kept;
    if (values != NULL) values[k] = kept * ldexp{f}(1, exponent);
    for (size_t i = 0; i < length + count; i++) {{
      {kind} *const one = i < length ? x + k * length + i : y + k * count + i - length;
      {kind} *const other = i < length ? x + best * length + i : y + best * count + i - length;
      const {kind} moved = *one;
      *one = *other;
      *other = moved;
    }}
  }}
  if (u == NULL && vh == NULL) return 0;
  for (size_t j = 0; j < wanted; j++) {{
    {kind} *const own = x + j * length;
    {real} size = j < count ? found[j] : 0;
    for (size_t first = 0; size == 0; first++) {{ /* what a unit vector has beside the columns before, if enough */
      for (size_t i = 0; i < length; i++) own[i] = i == first;
      for (size_t k = 0; k < 2 * j; k++) {{
        const {kind} *const other = x + k % j * length;
        {kind} share = 0;
        for (size_t i = 0; i < length; i++) share += {conj}(other[i]) * own[i];
        for (size_t i = 0; i < length; i++) own[i] -= share * other[i];
      }}
      for (size_t i = 0; i < length; i++) size = hypot{f}(size, {mag}(own[i]));
      if (2 * size * size * ({real})length < 1) size = 0;
    }}
    for (size_t i = 0; i < length; i++) own[i] /= size;
  }}
  const {kind} *const left = is_wide ? y : x, *const right = is_wide ? x : y;
  for (size_t j = 0; j < (columns > rows ? columns : rows); j++) {{
    {kind} turn = 1;
    size_t best = 0;
    for (size_t i = 0; j < count && i < m; i++)
      if ({mag}(left[j * m + i]) > {mag}(left[j * m + best])) best = i;
    if (j < count) turn = {mag}(left[j * m + best]) / left[j * m + best];
    for (size_t i = 0; u != NULL && j < columns && i < m; i++) u[i * columns + j] = left[j * m + i] * turn;
    for (size_t i = 0; vh != NULL && j < rows && i < n; i++) vh[j * n + i] = {conj}(right[j * n + i] * turn);
  }}
  return 0;
}}"""
)
