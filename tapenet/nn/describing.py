"""Layers and models as text: short, and like a tree."""

from __future__ import annotations

import functools
import html
import inspect
from typing import Any, Self

import attrs
import numpy as np

from tapenet.core.pytrees import Tree, one_level, static_values, tree_leaves
from tapenet.nn.fields import replaced_fields

_WIDTH = 100  # of a line
_LINES = 40  # of the whole
_ENDS = 8  # children that are shown at each end of a long list


class Described:
    """What prints short: layers, and cells of recurrent ones, which are not layers by themselves."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "__repr__" not in cls.__dict__:  # so that attrs and dataclasses do not make one, which shows all arrays
            inherited: Any = layer_text if cls.__repr__ is object.__repr__ else cls.__repr__

            def shown(self: object) -> str:
                text: str = inherited(self)
                return text

            cls.__repr__ = shown  # type: ignore[method-assign]  # of any layer

    def replace(self, **fields: Any) -> Self:
        """Return a copy with other fields, static ones too; they are checked as at first.

        Args:
            fields: the new values, by name.

        Raises:
            ArgumentTypeError: a name that is not a field's; a value that the layer's own check refuses.
            ArgumentError: a value that the layer's own check refuses.

        >>> tn.nn.Dropout(0.5).replace(rate=0.1)
        Dropout(0.1)
        """
        return replaced_fields(self, fields)

    def description(self) -> str:
        """Describe the layer in a few words, as `repr` shows it within brackets: sizes, and what is not by default."""
        return fields_text(self)

    def _repr_html_(self) -> str:
        return layer_html(self)


@attrs.frozen(eq=False)
class Node:
    """One layer or model.

    Attributes:
        name: of the field that holds it, with "=" behind it; empty among layers in a row.
        kind: its class, or the function that it stands for.
        inside: its own description, in brackets.
        children: the layers that it is made of.
        size: the number of its parameters.
    """

    name: str
    kind: str
    inside: str
    children: tuple[Node, ...]
    size: int

    def line(self) -> str:
        """Return it in one line, whole."""
        if not self.children:
            return f"{self.name}{self.kind}" + (f"({self.inside})" if self.inside is not _BARE else "")
        return f"{self.name}{self.kind}({', '.join([*self.own(), *(child.line() for child in self.children)])})"

    def own(self) -> list[str]:
        """Return its own description, if there is one, in a list."""
        return [self.inside] if self.inside else []

    def shortened(self) -> str:
        """Return it in one line, without all of its layers but the first."""
        if not self.children:
            return self.line()
        first = self.children[0].shortened()
        return f"{self.name}{self.kind}({f'{first}, ' if len(first) <= _WIDTH // 2 else ''}..., {counted(self.size)})"


_BARE = "bare"
_OF_A_KERNEL = {"kernel", "bias", "recurrent", "recurrent_bias"}  # whose sizes are those of the kernel


def layer_text(layer: Any) -> str:
    """Return what `repr` shows: of a layer a line, of a model a tree of its layers and the number of parameters."""
    node = _node(layer, "")
    if not node.children:
        return node.line()
    line = f"{node.line()[:-1]}, {counted(node.size)})"
    if len(line) <= _WIDTH:
        return line
    for depth in range(_depth(node), 0, -1):
        lines = _lines(node, depth, "")
        if len(lines) < _LINES or depth == 1:
            break
    return "\n".join([*lines[:-1], f"  {counted(node.size)}", lines[-1]])


def own_text(layer: Any) -> str:
    """Return a layer in a line, and of a model its class alone."""
    node = _node(layer, "")
    return node.kind if node.children else node.line()


def layer_html(layer: Any) -> str:
    """Return a layer for notebooks: a tree whose branches fold away."""
    return f'<div style="font-family: monospace">{_branch(_node(layer, ""), True)}</div>'


def counted(size: int) -> str:
    """Return a number of parameters in words."""
    return f"{size:,} parameter{'' if size == 1 else 's'}"


def parameter_count(tree: Tree) -> int:
    """Count the elements of all numeric leaves."""
    leaves = [leaf for leaf in tree_leaves(tree) if hasattr(leaf, "shape") or isinstance(leaf, float | complex)]
    return sum(int(np.prod(getattr(leaf, "shape", ()), dtype=np.int64)) for leaf in leaves)


# ---- trees ----


def _node(layer: Any, name: str) -> Node:
    function = static_values(layer).get("function")
    if type(layer).__name__ == "Function" and function is not None:
        return Node(name, _function_name(function), _BARE, (), 0)
    children = tuple(_node(child, name) for name, child in _parts(layer))
    if len(children) == 1 and children[0].kind == "Sequential":  # which holds all that the model is
        children = children[0].children
    inside = layer.description()
    return Node(name, type(layer).__name__, inside, children, parameter_count(layer))


def _parts(layer: Any) -> list[tuple[str, Any]]:
    """Return the layers that one is made of, each with the name to show it by."""
    level = one_level(layer)
    if level is None:
        return []
    static = [(name, value) for name, value in static_values(layer).items() if is_layer(value)]
    found = [(name, part) for name, child in zip(level.names, level.children, strict=True) for part in _within(child)]
    if len({name for name, _ in found}) == 1 and not static:  # `layers`, or what else holds all: its name says nothing
        return [("", part) for _, part in found]
    return [(f"{name}=", part) for name, part in (*found, *static)]


def is_layer(value: Any) -> bool:
    """Return whether a value is a layer: a cell of a recurrent one is not, but a part of it."""
    return isinstance(value, Described) and hasattr(value, "train")


def _within(child: Any) -> list[Any]:
    """Return a child if it is a layer; of a container the layers in it."""
    if is_layer(child):
        return [child]
    level = one_level(child)
    return [] if level is None else [part for below in level.children for part in _within(below)]


def _depth(node: Node) -> int:
    return 1 + max((_depth(child) for child in node.children), default=-1)


def _lines(node: Node, depth: int, margin: str) -> list[str]:
    if not node.children:
        return [margin + node.line()]
    if depth == 0 or (margin and len(margin + node.line()) <= _WIDTH):
        line = margin + node.line()
        return [line if len(line) <= _WIDTH else margin + node.shortened()]
    below = [_lines(child, depth - 1, f"{margin}  ") for child in node.children]
    if len(below) > 2 * _ENDS + 1 and depth == 1:
        left_out = [f"{margin}  ... {len(below) - 2 * _ENDS} more layers ..."]
        below = [*below[:_ENDS], left_out, *below[-_ENDS:]]
    own = [f"{margin}  {text}" for text in node.own()]
    return [f"{margin}{node.name}{node.kind}(", *own, *(line for lines in below for line in lines), f"{margin})"]


def _branch(node: Node, is_open: bool) -> str:
    size = f' <span style="opacity: 0.6">{counted(node.size)}</span>' if node.size else ""
    if not node.children:
        return f"<div>{html.escape(node.line())}{size}</div>"
    title = f"{html.escape(node.name + node.kind + ''.join(f'({text})' for text in node.own()))}{size}"
    below = "".join(_branch(child, False) for child in node.children)
    opened = " open" if is_open else ""
    inner = f'<div style="margin-left: 1.5em">{below}</div>'
    return f"<details{opened}><summary>{title}</summary>{inner}</details>"


# ---- one layer ----


def fields_text(layer: Any) -> str:
    """Describe a layer by its fields: sizes of its arrays, and static fields that are not as by default."""
    level = one_level(layer)
    if level is None:
        return "not an attrs class"
    children = dict(zip(level.names, level.children, strict=True))
    arrays = {name: child for name, child in children.items() if child is not None and not _within(child)}
    parts = _array_parts(arrays, layer)
    if children.get("bias", ...) is None:
        parts.append("bias=False")
    kind: Any = type(layer)
    defaults = _defaults(kind)
    for name, value in static_values(layer).items():
        if (
            attrs.has(type(value))
            or hasattr(value, "description")
            or (name in defaults and _is_same(value, defaults[name]))
        ):
            continue
        is_first = defaults.get(name) is inspect.Parameter.empty and not parts and arrays.keys() == children.keys()
        parts.append(_static_text(value) if is_first else f"{name}={_static_text(value)}")
    return ", ".join(parts)


def _array_parts(arrays: dict[str, Any], layer: Any) -> list[str]:
    kernel: tuple[int, ...] = np.shape(arrays["kernel"]) if hasattr(arrays.get("kernel"), "shape") else ()
    if len(kernel) >= 2 and arrays.keys() <= _OF_A_KERNEL:
        window = ["x".join(map(str, kernel[:-2]))] if len(kernel) > 2 else []
        if hasattr(arrays.get("recurrent"), "shape"):  # kernels of several gates, side by side
            return [f"{kernel[0]} -> {arrays['recurrent'].shape[0]}"]
        sizes = (kernel[-2] * getattr(layer, "groups", 1), kernel[-1])
        inputs, outputs = reversed(sizes) if hasattr(layer, "output_padding") else sizes  # of a transposed convolution
        return [f"{inputs} -> {outputs}", *window]
    shapes = {name: np.shape(x) if hasattr(x, "shape") else None for name, x in arrays.items()}
    if shapes.keys() == {"table"} and len(shapes["table"] or ()) == 2:
        return [" -> ".join(map(str, shapes["table"] or ()))]
    scale = shapes.get("scale")
    if len(set(shapes.values())) == 1 and scale:
        return ["x".join(map(str, scale))]
    return [f"{name}: {_shape_text(x)}" for name, x in arrays.items()]


def _shape_text(x: Any) -> str:
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        return f"{x.dtype}[{', '.join(map(str, x.shape))}]"
    text = repr(x)
    return text if len(text) <= 20 else type(x).__name__


@functools.cache
def _defaults(kind: type) -> dict[str, Any]:
    """Return the default of each parameter of a class."""
    return {name: parameter.default for name, parameter in inspect.signature(kind).parameters.items()}


def _is_same(value: Any, default: Any) -> bool:
    try:
        return value is default or bool(value == default)
    except Exception:  # of several classes, by what the value makes of it
        return False


def _static_text(value: Any) -> str:
    if callable(value) and not isinstance(value, type):
        return _function_name(value)
    text = repr(value)
    return text if len(text) <= 30 else f"{text[:27]}..."


def _function_name(function: Any) -> str:
    return str(getattr(function, "__name__", None) or type(function).__name__)
