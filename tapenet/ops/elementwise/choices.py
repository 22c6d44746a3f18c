"""The comparisons of `tapenet.ops.elementwise.comparison` as choices: for rules, and for functions made of others.

The public functions take truth values off the tape, for a Python branch or an index. Here they stay on it, so that a
replay of a recorded derivative compares again.
"""

from __future__ import annotations

import numpy as np

from tapenet.core.batching import elementwise_rule
from tapenet.core.nondifferentiable import choice

equal = choice(np.equal, batch=elementwise_rule)
not_equal = choice(np.not_equal, batch=elementwise_rule)
less = choice(np.less, batch=elementwise_rule)
less_equal = choice(np.less_equal, batch=elementwise_rule)
greater = choice(np.greater, batch=elementwise_rule)
greater_equal = choice(np.greater_equal, batch=elementwise_rule)
isnan = choice(np.isnan, batch=elementwise_rule)
isinf = choice(np.isinf, batch=elementwise_rule)
isposinf = choice(np.isposinf, batch=elementwise_rule)
isneginf = choice(np.isneginf, batch=elementwise_rule)
logical_and = choice(np.logical_and, batch=elementwise_rule)
logical_not = choice(np.logical_not, batch=elementwise_rule)
detached = choice(np.asanyarray, name="detached", batch=elementwise_rule)  # the value itself, without derivative
