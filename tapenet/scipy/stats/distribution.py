"""Distributions of one variable, each as its formulas: by its argument and by all of its parameters.

A formula is of the standard form, location 0 and scale 1, and of points inside the support; `Distribution` shifts,
scales, and gives what is outside. Where all arguments are plain, SciPy answers.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import scipy.stats

import tapenet.numpy as tnp
from tapenet.core.arguments import collected, holds_tensor
from tapenet.core.nondifferentiable import constant, nondifferentiable
from tapenet.core.primitive import Array
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentTypeError
from tapenet.scipy.placing import absent
from tapenet.scipy.special.declaring import solved
from tapenet.scipy.special.helpers import guarded, holds_everywhere, holds_nowhere
from tapenet.scipy.stats.expectations import over_probabilities
from tapenet.scipy.stats.underflow import UNDERFLOW, log_tail, log_tail_of_counts

Formula = Callable[..., Array]
Bound = float | Formula
Keywords = dict[str, Any]

# What a function is below and above the support.
_OUTSIDE = {
    "pdf": (0.0, 0.0),
    "logpdf": (-np.inf, -np.inf),
    "pmf": (0.0, 0.0),
    "logpmf": (-np.inf, -np.inf),
    "cdf": (0.0, 1.0),
    "logcdf": (-np.inf, 0.0),
    "sf": (1.0, 0.0),
    "logsf": (0.0, -np.inf),
}


def all_positive(*shapes: Array) -> Array:
    """Return where all shape parameters are above 0."""
    found: Array = np.True_
    for shape in shapes:
        found = tnp.logical_and(found, shape > 0)
    return found


@attrs.frozen(eq=False, slots=False, kw_only=True)
class Distribution:
    """What continuous and discrete distributions share.

    Attributes:
        name: SciPy's.
        shapes: the names of the shape parameters.
        lower, upper: the support's ends, numbers or formulas of the shape parameters.
        valid: where shape parameters are right.
        formulas: by the name of a method, in the standard form.
    """

    name: str
    shapes: tuple[str, ...] = ()
    lower: Bound = -np.inf
    upper: Bound = np.inf
    valid: Formula = all_positive
    formulas: dict[str, Formula]
    has_scale: bool = True

    def __reduce__(self) -> str:
        """Pickle by name."""
        return self.name

    @property
    def theirs(self) -> Any:
        """SciPy's distribution."""
        found = getattr(scipy.stats, self.name, None)
        return absent(f"scipy.stats.{self.name}")() if found is None else found

    def __call__(self, *arguments: Any, **keywords: Any) -> Frozen:
        """Fix the parameters."""
        self._parsed("freeze", arguments, keywords)
        return Frozen(self, arguments, keywords)

    def __getattr__(self, name: str) -> Any:
        """Pass what has no formula on to SciPy, for plain arguments."""
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        found = getattr(self.theirs, name)
        if not callable(found):
            return found

        @functools.wraps(found)
        def plain(*arguments: Any, **keywords: Any) -> Any:
            if any(map(holds_tensor, (*arguments, *keywords.values()))):
                raise self._without_formula(name)
            return found(*arguments, **keywords)

        return plain

    def _without_formula(self, method: str) -> ArgumentTypeError:
        known = ", ".join(sorted(self.formulas))
        return ArgumentTypeError(
            f"stats.{self.name}.{method}: not supported for a Tensor. Write it in terms of {known}."
        )

    # ---- arguments ----

    def _parsed(self, method: str, arguments: Sequence[Any], keywords: Keywords) -> tuple[list[Array], Array, Array]:
        """Return shape parameters, location and scale."""
        count = len(self.shapes)
        missing = count + 1 + self.has_scale - len(arguments)
        if keywords or not 0 <= missing <= 1 + self.has_scale:
            arguments = self._bound(method, arguments, keywords)
        elif missing:  # binding takes a multiple of the time
            arguments = (*arguments, *(0.0, 1.0)[1 + self.has_scale - missing : 1 + self.has_scale])
        given = map(collected, arguments)
        arrays = [x if hasattr(x, "dtype") or isinstance(x, float) else np.asarray(x, float) for x in given]
        return arrays[:count], arrays[count], arrays[count + 1] if self.has_scale else 1.0

    def _bound(self, method: str, arguments: Sequence[Any], keywords: Keywords) -> Sequence[Any]:
        """Return shape parameters, location and scale as they were given, in order."""
        names = (*self.shapes, "loc", *(["scale"] if self.has_scale else []))
        by_name = inspect.Parameter.POSITIONAL_OR_KEYWORD
        defaults = {"loc": 0.0, "scale": 1.0}
        signature = inspect.Signature(
            [inspect.Parameter(name, by_name, default=defaults.get(name, inspect.Parameter.empty)) for name in names]
        )
        try:
            bound = signature.bind(*arguments, **keywords)
        except TypeError as error:
            raise ArgumentTypeError(
                f"stats.{self.name}.{method}: parameters must be {', '.join(names)}; {error}."
            ) from error
        bound.apply_defaults()
        return tuple(bound.arguments.values())

    def _ends(self, shapes: Sequence[Array]) -> tuple[Array, Array]:
        return _end_at(self.lower, shapes), _end_at(self.upper, shapes)

    def _is_valid(self, shapes: Sequence[Array], scale: Array) -> Array:
        return tnp.logical_and(self.valid(*shapes), tnp.asarray(scale > 0))

    def _of_parameters(self, method: str, arguments: Sequence[Any], keywords: Keywords) -> tuple[Any, ...] | None:
        if not any(map(holds_tensor, (*arguments, *keywords.values()))):
            return None
        return self._parsed(method, arguments, keywords)

    # ---- functions of a point ----

    def _at(self, method: str, x: Any, arguments: Sequence[Any], keywords: Keywords) -> Any:
        if not any(map(holds_tensor, (x, *arguments, *keywords.values()))):
            return getattr(self.theirs, method)(x, *arguments, **keywords)
        shapes, loc, scale = self._parsed(method, arguments, keywords)
        valid = self._is_valid(shapes, scale)
        scale = guarded(tnp.asarray(scale > 0), scale, 1.0)
        x = collected(x)
        odd = tnp.asarray(~tnp.isfinite(x))
        is_usual = holds_nowhere(odd)
        inner = x if is_usual else tnp.where(odd, 0.0, x)
        z = (inner - loc) / scale if self.has_scale else inner - loc
        found = self._inside(method, z, shapes, scale, None if is_usual else odd)
        if not is_usual:
            left, right = _OUTSIDE[method]
            ends = tnp.where(tnp.asarray(x == np.inf), right, tnp.where(tnp.asarray(x == -np.inf), left, np.nan))
            found = tnp.where(odd, ends, found)
        return found if type(found) is Tensor and holds_everywhere(valid, found) else tnp.where(valid, found, np.nan)

    def _inside(self, method: str, z: Array, shapes: Sequence[Array], scale: Array, odd: Any = None) -> Array:
        """Compute a function in the standard form, with values for what is outside; `odd` masks what is not wanted."""
        lower, upper = self._ends(shapes)
        below, above = self._outside(method, z, lower, upper, shapes)
        below, above = (None if mask is None or holds_nowhere(mask) else mask for mask in (below, above))
        masks = [mask for mask in (below, above, odd) if mask is not None]
        outside = functools.reduce(operator.or_, masks) if masks else None
        place = z if outside is None else tnp.where(outside, _interior(lower, upper), z)
        found = self.formulas[method](place, *shapes)
        if method == "pdf":
            found = found / scale
        elif method == "logpdf":
            found = found - tnp.log(scale)
        for mask, value in zip((below, above), _OUTSIDE[method], strict=True):
            found = found if mask is None else tnp.where(mask, value, found)
        return found

    def _outside(self, method: str, z: Array, lower: Array, upper: Array, shapes: Sequence[Array]) -> tuple[Any, Any]:
        """Return masks of what is below the support and above it; None for no end."""
        below = tnp.asarray(z < lower) if self.lower != -np.inf else None
        above = tnp.asarray(z > upper) if self.upper != np.inf else None
        return below, above

    def cdf(self, x: Any, *arguments: Any, **keywords: Any) -> Any:
        """Compute the distribution function."""
        return self._at("cdf", x, arguments, keywords)

    def logcdf(self, x: Any, *arguments: Any, **keywords: Any) -> Any:
        """Compute the logarithm of the distribution function."""
        return self._at("logcdf", x, arguments, keywords)

    def sf(self, x: Any, *arguments: Any, **keywords: Any) -> Any:
        """Compute 1 less the distribution function."""
        return self._at("sf", x, arguments, keywords)

    def logsf(self, x: Any, *arguments: Any, **keywords: Any) -> Any:
        """Compute the logarithm of 1 less the distribution function."""
        return self._at("logsf", x, arguments, keywords)

    # ---- moments ----

    def _moment(self, method: str, arguments: Sequence[Any], keywords: Keywords) -> Any:
        parsed = self._of_parameters(method, arguments, keywords)
        if parsed is None:
            return getattr(self.theirs, method)(*arguments, **keywords)
        shapes, loc, scale = parsed
        formula = self.formulas.get(method)
        if formula is None and self.shapes:
            raise self._without_formula(method)
        found = formula(*shapes) if formula is not None else getattr(self.theirs, method)()
        valid = self._is_valid(shapes, scale)
        scale = guarded(tnp.asarray(scale > 0), scale, 1.0)
        scaled = {
            "mean": lambda: found * scale + loc,
            "var": lambda: found * scale * scale + 0 * loc,
            "entropy": lambda: found + tnp.log(scale) + 0 * loc,
        }[method]()
        return tnp.where(valid, scaled, np.nan)

    def mean(self, *arguments: Any, **keywords: Any) -> Any:
        """Compute the mean."""
        return self._moment("mean", arguments, keywords)

    def var(self, *arguments: Any, **keywords: Any) -> Any:
        """Compute the variance."""
        return self._moment("var", arguments, keywords)

    def std(self, *arguments: Any, **keywords: Any) -> Any:
        """Compute the standard deviation."""
        return tnp.sqrt(self.var(*arguments, **keywords))

    def entropy(self, *arguments: Any, **keywords: Any) -> Any:
        """Compute the differential entropy."""
        return self._moment("entropy", arguments, keywords)


def _end_at(end: Bound, shapes: Sequence[Array]) -> Array:
    return end(*shapes) if callable(end) else end


def _interior(lower: Array, upper: Array) -> Array:
    """Return a point of the support."""
    bounded = tnp.asarray(tnp.isfinite(lower)), tnp.asarray(tnp.isfinite(upper))
    low, high = guarded(bounded[0], lower, 0.0), guarded(bounded[1], upper, 0.0)
    one_sided = tnp.where(bounded[0], low + 1.0, high - 1.0)
    return tnp.where(bounded[0] & bounded[1], (low + high) / 2, one_sided)


@attrs.frozen(eq=False, slots=False, kw_only=True)
class Continuous(Distribution):
    """A continuous distribution: `pdf`, `logpdf`, `cdf`, `logcdf`, `sf`, `logsf`, `ppf`, `isf`, `rvs` and moments."""

    inverse: Formula = attrs.field(init=False)
    complement: Formula = attrs.field(init=False)
    sampled: Formula = attrs.field(init=False)

    @inverse.default
    def _inverse(self) -> Formula:
        return self._quantile("ppf", "cdf")

    @complement.default
    def _complement(self) -> Formula:
        return self._quantile("isf", "sf")

    @sampled.default
    def _sampled(self) -> Formula:
        """Make the function that gives a draw, with the derivative that keeps the distribution function of it."""
        if not self.shapes:
            return lambda z: z
        cdf = self.formulas["cdf"]
        return solved(
            f"stats.{self.name}.rvs",
            f"draw {' '.join(self.shapes)}",
            lambda draw, *shapes: draw + sum(0 * shape for shape in shapes),
            lambda out, draw, *shapes: cdf(out, *shapes),
            by=" ".join(self.shapes),
        )

    def _quantile(self, method: str, of: str) -> Formula:
        """Return the formula of an inverse: where there is none, SciPy's value with its implicit derivative."""
        explicit = self.formulas.get(method)
        if explicit is not None:
            return explicit
        forward = self.formulas[of]
        return solved(
            f"stats.{self.name}.{method}",
            f"q {' '.join(self.shapes)}",
            lambda q, *shapes: getattr(self.theirs, method)(q, *shapes),  # read late: an older SciPy may lack it
            lambda out, q, *shapes: forward(out, *shapes) - q,
        )

    def _outside(self, method: str, z: Array, lower: Array, upper: Array, shapes: Sequence[Array]) -> tuple[Any, Any]:
        """Count the ends as outside of the support, as SciPy does: for densities where they vanish there."""
        at_lower = tnp.asarray(z == lower) if self.lower != -np.inf else None
        at_upper = tnp.asarray(z == upper) if self.upper != np.inf else None
        below, above = Distribution._outside(self, method, z, lower, upper, shapes)
        if method in ("pdf", "logpdf"):
            at_lower, at_upper = (self._vanishing(mask, z, shapes) for mask in (at_lower, at_upper))
        return below if at_lower is None else below | at_lower, above if at_upper is None else above | at_upper

    def _vanishing(self, mask: Array | None, z: Array, shapes: Sequence[Array]) -> Array | None:
        """Return where of a mask the density is 0, or its formula has no limit."""
        if mask is None or holds_nowhere(mask):
            return None
        with np.errstate(all="ignore"):
            density = self.formulas["logpdf"](constant(z), *map(constant, shapes))
        return mask & ~tnp.asarray(density > -np.inf)

    def pdf(self, x: Any, *arguments: Any, **keywords: Any) -> Any:
        """Compute the density."""
        return self._at("pdf", x, arguments, keywords)

    def logpdf(self, x: Any, *arguments: Any, **keywords: Any) -> Any:
        """Compute the logarithm of the density."""
        return self._at("logpdf", x, arguments, keywords)

    def ppf(self, q: Any, *arguments: Any, **keywords: Any) -> Any:
        """Compute the inverse of `cdf`."""
        return self._at_probability("ppf", self.inverse, q, arguments, keywords)

    def isf(self, q: Any, *arguments: Any, **keywords: Any) -> Any:
        """Compute the inverse of `sf`."""
        return self._at_probability("isf", self.complement, q, arguments, keywords)

    def median(self, *arguments: Any, **keywords: Any) -> Any:
        """Compute the median."""
        return self.ppf(0.5, *arguments, **keywords)

    def _at_probability(self, method: str, formula: Formula, q: Any, arguments: Any, keywords: Any) -> Any:
        if not any(map(holds_tensor, (q, *arguments, *keywords.values()))):
            return getattr(self.theirs, method)(q, *arguments, **keywords)
        shapes, loc, scale = self._parsed(method, arguments, keywords)
        q = tnp.asarray(collected(q)) * 1.0
        inside = tnp.asarray((q > 0) & (q < 1))
        found = formula(guarded(inside, q, 0.5), *shapes)
        lower, upper = self._ends(shapes)
        at_0, at_1 = (lower, upper) if method == "ppf" else (upper, lower)
        ends = tnp.where(tnp.equal(q, 0), at_0, tnp.where(tnp.equal(q, 1), at_1, np.nan))
        found = tnp.where(inside, found, ends) * scale + loc
        return tnp.where(self._is_valid(shapes, scale), found, np.nan)

    def rvs(self, *arguments: Any, size: Any = None, random_state: Any = None, **keywords: Any) -> Any:
        """Draw samples, SciPy's own for the same random state, as functions of the parameters.

        Derivative: that at a fixed value of the distribution function, -(dF / dp) / pdf for a shape parameter p.
        """
        if not any(map(holds_tensor, (*arguments, *keywords.values()))):
            return self.theirs.rvs(*arguments, size=1 if size is None else size, random_state=random_state, **keywords)
        shapes, loc, scale = self._parsed("rvs", arguments, keywords)
        shape = np.broadcast_shapes(*(np.shape(x) for x in (*shapes, loc, scale))) if size is None else size
        z = self.theirs.rvs(*map(constant, shapes), size=shape, random_state=random_state)
        return self.sampled(z, *shapes) * scale + loc


def _logarithm(part: Formula, rest: Formula, tail: Formula, inside: Formula) -> Formula:
    """Return the logarithm of a probability, from that of the rest where the rest is small: it keeps its digits.

    Where the probability underflows, `tail` gives the logarithm, and `inside` a point of the support.
    """

    def usual(found: Array, left: Array) -> Array:
        most = tnp.asarray(found > 0.5)
        return tnp.where(most, tnp.log1p(-guarded(most, left, 0.5)), tnp.log(guarded(~most, found, 0.5)))

    def logarithm(z: Array, *shapes: Array) -> Array:
        found = part(z, *shapes)
        little = tnp.asarray(found < UNDERFLOW)
        if holds_nowhere(little):
            return usual(found, rest(z, *shapes))
        place = tnp.where(little, inside(*shapes), z)  # the derivatives of what underflows may be infinite
        found = part(place, *shapes)
        found = guarded(tnp.asarray(found >= UNDERFLOW), found, 0.5)
        return tnp.where(little, tail(z, little, *shapes), usual(found, rest(place, *shapes)))

    return logarithm


def _add_logarithms(
    formulas: dict[str, Formula], ends: Keywords, inside: Formula, tail_on: Callable[[float], Formula]
) -> None:
    """Add the logarithms of probabilities that have no formula.

    Args:
        formulas: of the distribution, with `cdf` and `sf`.
        ends: those of the support.
        inside: a point of the support.
        tail_on: the logarithm of the tail on a side, -1 or 1, as a function of the place, the end and shape parameters.
    """
    for method, part, rest, side, end in (
        ("logcdf", "cdf", "sf", -1.0, ends.get("lower", -np.inf)),
        ("logsf", "sf", "cdf", 1.0, ends.get("upper", np.inf)),
    ):
        if method not in formulas:
            tail = _tail_of(tail_on(side), end, inside)
            formulas[method] = _logarithm(formulas[part], formulas[rest], tail, inside)


def _tail_of(formula: Formula, end: Bound, inside: Formula) -> Formula:
    """Return the logarithm of a tail where a mask says that it underflows."""

    def tail(z: Array, mask: Array, *parameters: Array) -> Array:
        place = tnp.where(mask, z, inside(*parameters))
        return formula(place, _end_at(end, parameters), *parameters)

    return tail


def _point_of(ends: Keywords) -> Formula:
    """Return the formula of a point of a support."""
    lower, upper = ends.get("lower", -np.inf), ends.get("upper", np.inf)
    return lambda *shapes: _interior(_end_at(lower, shapes), _end_at(upper, shapes))


def continuous(name: str, shapes: str = "", **settings: Any) -> Continuous:
    """Declare a continuous distribution by its formulas; `logpdf` and `cdf` give what is not stated."""
    ends: Keywords = {key: settings.pop(key) for key in ("lower", "upper", "valid") if key in settings}
    formulas: dict[str, Formula] = dict(settings)
    logpdf, cdf = formulas["logpdf"], formulas["cdf"]
    formulas.setdefault("pdf", lambda z, *shapes: tnp.exp(logpdf(z, *shapes)))
    formulas.setdefault("sf", lambda z, *shapes: 1 - cdf(z, *shapes))
    names = tuple(shapes.split())

    def tail_on(side: float) -> Formula:
        return log_tail(f"stats.{name}.{'lower' if side < 0 else 'upper'}.tail", names, logpdf, side)

    _add_logarithms(formulas, ends, _point_of(ends), tail_on)
    if shapes and {"ppf", "isf"} <= formulas.keys():
        _complete(formulas)
    return _documented(Continuous(name=name, shapes=names, formulas=formulas, **ends), _CONTINUOUS)


def renamed(made: Continuous, name: str) -> Continuous:
    """Declare a distribution that SciPy has under a second name."""
    return _documented(attrs.evolve(made, name=name), _CONTINUOUS)


_CONTINUOUS = (
    "Derivatives: of pdf, logpdf, cdf, logcdf, sf, logsf, ppf and isf by the argument and all parameters; of "
    "entropy, mean, var and std by all parameters; of rvs at a fixed value of the distribution function."
)


def _complete(formulas: dict[str, Formula]) -> None:
    """Add the moments that have no formula, as integrals over the quantiles."""
    ppf, isf, logpdf = formulas["ppf"], formulas["isf"], formulas["logpdf"]
    mean = formulas.setdefault("mean", over_probabilities(ppf, isf, lambda z, *shapes: z))
    square = over_probabilities(ppf, isf, lambda z, *shapes: z * z)
    formulas.setdefault("var", lambda *shapes: square(*shapes) - mean(*shapes) ** 2)
    formulas.setdefault("entropy", over_probabilities(ppf, isf, lambda z, *shapes: -logpdf(z, *shapes)))


def _documented(made: Any, note: str) -> Any:
    names = ", ".join((*made.shapes, "loc", *(["scale"] if made.has_scale else [])))
    text = f"The distribution {made.name} of scipy.stats, with parameters {names}.\n\n{note}"
    object.__setattr__(made, "__doc__", text)
    object.__setattr__(made, "__module__", "tapenet.scipy.stats")  # by which it is pickled, and its reference found
    return made


@attrs.frozen(eq=False, slots=False, kw_only=True)
class Discrete(Distribution):
    """A distribution of integers: `pmf`, `logpmf`, `cdf`, `logcdf`, `sf`, `logsf` and moments by the parameters."""

    has_scale: bool = False
    integers: tuple[str, ...] = ()

    def _parsed(self, method: str, arguments: Sequence[Any], keywords: Keywords) -> tuple[list[Array], Array, Array]:
        shapes, loc, scale = Distribution._parsed(self, method, arguments, keywords)
        named = zip(self.shapes, shapes, strict=True)
        return [constant(x) if name in self.integers else x for name, x in named], constant(loc), scale

    def pmf(self, k: Any, *arguments: Any, **keywords: Any) -> Any:
        """Compute the probability of k."""
        return self._at("pmf", k, arguments, keywords)

    def logpmf(self, k: Any, *arguments: Any, **keywords: Any) -> Any:
        """Compute the logarithm of the probability of k."""
        return self._at("logpmf", k, arguments, keywords)

    def _outside(self, method: str, z: Array, lower: Array, upper: Array, shapes: Sequence[Array]) -> tuple[Any, Any]:
        """Count the upper end as above the support, but for its own probability: nothing is beyond it."""
        below, above = Distribution._outside(self, method, z, lower, upper, shapes)
        if above is None or method in ("pmf", "logpmf"):
            return below, above
        return below, above | tnp.asarray(z == upper)

    def _inside(self, method: str, z: Array, shapes: Sequence[Array], scale: Array, odd: Any = None) -> Array:
        z = constant(z)
        found = Distribution._inside(self, method, tnp.floor(z), shapes, scale, odd)
        if method in ("pmf", "logpmf"):
            return tnp.where(tnp.equal(z, tnp.floor(z)), found, _OUTSIDE[method][0])
        return found

    def ppf(self, q: Any, *arguments: Any, **keywords: Any) -> Any:
        """Compute the quantile, which is piecewise constant: a plain array."""
        return nondifferentiable(self.theirs.ppf, name=f"stats.{self.name}.ppf")(q, *arguments, **keywords)

    def isf(self, q: Any, *arguments: Any, **keywords: Any) -> Any:
        """Compute the quantile of the upper tail, which is piecewise constant: a plain array."""
        return nondifferentiable(self.theirs.isf, name=f"stats.{self.name}.isf")(q, *arguments, **keywords)

    def rvs(self, *arguments: Any, size: Any = None, random_state: Any = None, **keywords: Any) -> Any:
        """Draw samples, which are piecewise constant: a plain array."""
        shapes, loc, _ = self._parsed("rvs", arguments, keywords)
        shape = np.broadcast_shapes(*(np.shape(x) for x in (*shapes, loc))) if size is None else size
        values = [constant(x) if holds_tensor(x) else x for x in (*shapes, loc)]
        return self.theirs.rvs(*values, size=shape or 1, random_state=random_state)


def discrete(name: str, shapes: str, **settings: Any) -> Discrete:
    """Declare a discrete distribution by its formulas; `logpmf` and `cdf` give what is not stated."""
    ends: Keywords = {key: settings.pop(key) for key in ("lower", "upper", "valid", "integers") if key in settings}
    formulas: dict[str, Formula] = dict(settings)
    logpmf, cdf = formulas["logpmf"], formulas["cdf"]
    formulas.setdefault("pmf", lambda k, *shapes: tnp.exp(logpmf(k, *shapes)))
    formulas.setdefault("sf", lambda k, *shapes: 1 - cdf(k, *shapes))
    middle = _point_of(ends)

    def inside(*shapes: Array) -> Array:
        return tnp.floor(middle(*shapes))

    _add_logarithms(formulas, ends, inside, lambda side: log_tail_of_counts(logpmf, side))
    made = Discrete(name=name, shapes=tuple(shapes.split()), formulas=formulas, **ends)
    if len(made.integers) == len(made.shapes):
        return _documented(made, "No derivative: its parameters are integers; a Tensor gives plain arrays.")
    beside = f" but for the integers {', '.join(made.integers)}" if made.integers else ""
    return _documented(
        made,
        f"Derivatives: of pmf, logpmf, cdf, logcdf, sf, logsf, entropy, mean, var and std by the parameters{beside}; "
        "by k, and of ppf, isf and rvs, there is none, as they are piecewise constant.",
    )


@attrs.frozen(eq=False)
class Frozen:
    """A distribution with fixed parameters: its methods take the argument alone."""

    distribution: Distribution
    arguments: tuple[Any, ...]
    keywords: Keywords

    def __getattr__(self, name: str) -> Any:
        """Return a method of the distribution that has the parameters already."""
        if name.startswith("_"):
            raise AttributeError(f"'Frozen' object has no attribute {name!r}")
        method = getattr(self.distribution, name)
        if name in ("mean", "var", "std", "entropy", "rvs", "median", "support"):
            return lambda *given, **keywords: self._of_parameters(method, name, given, keywords)
        return lambda x, **keywords: method(x, *self.arguments, **self.keywords, **keywords)

    def _of_parameters(self, method: Any, name: str, given: tuple[Any, ...], keywords: Keywords) -> Any:
        if name == "rvs" and given:
            keywords = {**dict(zip(("size", "random_state"), given, strict=False)), **keywords}
        return method(*self.arguments, **self.keywords, **keywords)
