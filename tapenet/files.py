"""Save and load pytrees, as safetensors files.

Arrays are the file's tensors, named by their paths in the tree. The file's metadata say, as JSON under "tapenet", what
tensors alone do not: classes of nodes, static fields, leaves that are not arrays, and of arrays what safetensors lacks.
Nothing in a file is executed, and no class or function is imported by name: structure comes from `like`.

Source: https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, overload

import attrs
import numpy as np

from tapenet.core.argument_checks import checked_flag, shown
from tapenet.core.packages import import_package
from tapenet.core.pytrees import Tree, joined
from tapenet.errors import ArgumentError, ArgumentTypeError, FileFormatError
from tapenet.saving.container import Container, Entry, check_container, opened, write_container
from tapenet.saving.leaves import (
    Text,
    array_of,
    array_space,
    bit_generator_of,
    decoded,
    encoded,
    plain_leaf,
    shown_static,
    static_text,
    stored_array,
)
from tapenet.saving.replacing import replaced
from tapenet.saving.trees import Item, mapped_tree

__all__ = ["save", "load", "load_metadata"]

Same = TypeVar("Same")
Space = tuple[Any, ...]

_KEY = "tapenet"
_VERSION = 1


# ---- saving ----


def save(path: str | os.PathLike[str], tree: Tree, metadata: Mapping[str, str] | None = None) -> None:
    """Write a pytree to a file, in the format safetensors.

    Any pytree does: a model, the state of an optimizer, a generator's state, a step, a tuple of them. Leaves are
    arrays, numbers, strings and `numpy.random.Generator`s. Arrays come back with their values, dtypes, byte orders and
    shapes; leaves that are one object come back as one. None is an empty pytree and leaves nothing in the file: `load`
    gives it where `like` has it, and without `like` its path is absent. Complex arrays are stored as pairs of floats
    along a last axis of length 2. Other programs that read safetensors find each array under its path, such as
    `layers.0.kernel`.

    The file is written beside the old one, flushed to the disk, and renamed: whenever the process is killed, the path
    names the old file or the new one, whole.

    Args:
        path: of the file; by custom it ends in `.safetensors`.
        tree: a pytree.
        metadata: texts of yours to keep in the file; `load_metadata` returns them.

    Raises:
        ArgumentTypeError: a leaf that cannot be stored, such as an array of objects, of strings or of longdouble.
        PicklingError: a leaf is a Tensor of an open tape.
        MissingPackageError: safetensors is not installed.
        FileError, OSError: the file cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/model.safetensors", {"kernel": np.ones((2, 3)), "step": 5})
    ...     load(f"{folder}/model.safetensors")["step"]
    5
    """
    place = _checked_path("save", path)
    texts = _checked_metadata(metadata)
    import_package("safetensors", "save", "files")
    tensors, description = _described(tree)
    texts[_KEY] = json.dumps(description, separators=(",", ":"))
    with replaced("save", place) as (handle, beside):
        write_container("save", handle, tensors, texts)
        check_container("save", beside)


def _described(tree: Tree) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, Any]]:
    """Return the tensors of a pytree by name, and the rest as JSON's types."""
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    nodes: dict[str, str] = {}
    leaves: dict[str, Text] = {}
    static: dict[str, Text] = {}
    known: dict[int, tuple[Any, str]] = {}  # the leaf itself is held, so that its id stays its own

    def visit(item: Item) -> Any:
        if not item.is_data:
            static[item.path] = static_text(item.value)
            return item.value
        what = joined("tree", item.path) if item.path else "tree"
        value = plain_leaf("save", what, item.value)
        _, first = known.setdefault(id(value), (value, item.path))
        if first != item.path and isinstance(value, np.ndarray | np.random.Generator):
            leaves[item.path] = {"same": first}
        elif isinstance(value, np.ndarray | np.generic):
            stored = stored_array("save", what, value)
            tensors[item.path] = stored.tensor
            leaves[item.path] = {"array": item.path, **stored.text}
        else:
            leaves[item.path] = encoded("save", what, value)
        return item.value

    mapped_tree("save", tree, visit, nodes)
    return tensors, {"version": _VERSION, "nodes": nodes, "leaves": leaves, "static": static}


# ---- loading ----


@overload
def load(
    path: str | os.PathLike[str], like: None = None, *, strict: bool = True, mmap: bool = False
) -> dict[str, Any]: ...
@overload
def load(path: str | os.PathLike[str], like: Same, *, strict: bool = True, mmap: bool = False) -> Same: ...
def load(path: str | os.PathLike[str], like: Any = None, *, strict: bool = True, mmap: bool = False) -> Any:
    """Read a file that `save` wrote, or any other in the format safetensors.

    Nothing in a file is executed: classes and functions come from `like`. Of a file that is not what it says
    (cut off, of another format, with sizes or offsets that lie) nothing is allocated.

    Args:
        path: of the file.
        like: a pytree of the structure that was saved, such as a model that was just made. Its arrays are not read.
            With strict=False None may stand for what is not wanted, such as the optimizer's state of a checkpoint.
        strict: whether a difference between the file and `like` is an error. With False what fits is taken, cast to
            the dtype in `like`, and everything else stays as it is in `like`: for transfer learning.
        mmap: whether arrays are read-only views of the file, mapped into memory, which are read when they are used.
            The file must not be changed in place meanwhile; `save` replaces it, which is safe.

    Returns:
        A pytree like `like`. Without it a dict from paths to leaves, in the order of the tree, without those that were
        None; for a file of another
        program its tensors by name (bfloat16 as float32).

    Raises:
        ArgumentError: the file and `like` differ; every path that is missing, extra, or has another shape, dtype or
            static value is listed.
        FileFormatError: the file is damaged, or of another format.
        FileError, OSError: there is no such file, or it cannot be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/state.safetensors", (np.ones(3), np.random.default_rng(0)))
    ...     x, rng = load(f"{folder}/state.safetensors", like=(np.zeros(3), np.random.default_rng()))
    >>> x
    array([1., 1., 1.])
    """
    place = _checked_path("load", path)
    if isinstance(like, type):
        raise ArgumentTypeError(f"load: like must be a pytree, such as a model; got the class {like.__name__}.")
    strict, mmap = checked_flag("load", "strict", strict), checked_flag("load", "mmap", mmap)
    with opened("load", place) as container:
        try:
            contents = _contents(container)
            fitting = None if like is None else _fitting(contents, container.name, like, strict)
            values = _values(contents, container, mmap, fitting)
        except FileFormatError as error:
            text = str(error)
            raise (
                error
                if text.startswith("load:")
                else FileFormatError(f"load: {container.name} must be a file that tn.save wrote: {text}.")
            ) from error
    if fitting is None:
        return values
    return mapped_tree("load", like, lambda item: _loaded(item, values) if item.path in values else item.value)


def load_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read the texts that were given to `save` as metadata, or that another program wrote.

    Args:
        path: of the file.

    Raises:
        FileFormatError, FileError, OSError: as for `load`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/x.safetensors", np.ones(3), metadata={"accuracy": "0.99"})
    ...     load_metadata(f"{folder}/x.safetensors")
    {'accuracy': '0.99'}
    """
    with opened("load_metadata", _checked_path("load_metadata", path)) as container:
        return {key: text for key, text in container.metadata.items() if key != _KEY}


@attrs.frozen(eq=False)
class _Contents:
    """What is in a file.

    Attributes:
        entries: its tensors by name.
        leaves: how each leaf is stored, by path.
        static: values of static fields, by path; None where another program wrote the file.
    """

    entries: Mapping[str, Entry]
    leaves: Mapping[str, Text]
    static: Mapping[str, Text] | None

    def stored(self, path: str) -> Text:
        """Return how a leaf is stored; of one that is the same as another, that."""
        text = self.leaves[path]
        return self.leaves[text["same"]] if "same" in text else text

    def space(self, path: str) -> Space:
        """Return what is compared of a leaf: its dtype and shape, or its kind."""
        text = self.stored(path)
        if "array" in text:
            entry = self.entries[text["array"]]
            dtype, shape = array_space(text, entry.dtype, entry.shape)
            return (dtype.newbyteorder("="), shape)
        if "generator" in text:
            return ("generator", bit_generator_of(text))
        return _space(decoded(text))


def _contents(container: Container) -> _Contents:
    """Read the description of a file, and check that it fits the tensors."""
    written = container.metadata.get(_KEY)
    if written is None:
        return _Contents(container.entries, {name: {"array": name} for name in container.entries}, None)
    try:
        description = json.loads(written)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"its description must be JSON; got {error}") from error
    leaves, static = _table(description, "leaves"), _table(description, "static")
    if description.get("version") != _VERSION:
        raise FileFormatError(f"its version must be {_VERSION}; got {shown(description.get('version'))}")
    for path, text in leaves.items():
        first = text.get("same", path)
        tensor = text.get("array")
        is_known = isinstance(first, str) and "same" not in leaves.get(first, {"same": first})
        if ("same" in text and not is_known) or ("array" in text and not _is_in(tensor, container.entries)):
            raise FileFormatError(f"its leaf {path!r} must be one of its tensors; got {shown(text)}")
    named = {text.get("array") for text in leaves.values()}
    others = {name: {"array": name} for name in container.entries if name not in named and name not in leaves}
    return _Contents(container.entries, {**leaves, **others}, static)


def _is_in(name: Any, entries: Mapping[str, Entry]) -> bool:
    return isinstance(name, str) and name in entries


def _table(description: Any, name: str) -> dict[str, Text]:
    table = description.get(name) if isinstance(description, dict) else None
    if not isinstance(table, dict) or not all(isinstance(text, dict) for text in table.values()):
        raise FileFormatError(f"its description must have a table {name!r}; got {shown(table)}")
    return table


def _values(contents: _Contents, container: Container, is_mapped: bool, paths: Any) -> dict[str, Any]:
    """Read leaves, in the order of their bytes; each that several paths share once."""
    wanted = [path for path in contents.leaves if paths is None or path in paths]
    firsts = {path: contents.leaves[path].get("same", path) for path in wanted}
    reader = container.reader(is_mapped)
    start = {name: entry.start for name, entry in contents.entries.items()}
    found: dict[str, Any] = {}
    for first in sorted(set(firsts.values()), key=lambda path: start.get(contents.leaves[path].get("array", ""), -1)):
        text = contents.leaves[first]
        found[first] = (
            array_of(text, reader.read(contents.entries[text["array"]])) if "array" in text else decoded(text)
        )
    return {path: found[first] for path, first in firsts.items()}


# ---- comparing ----


def _fitting(contents: _Contents, name: str, like: Tree, strict: bool) -> set[str]:
    """Return the paths whose leaves are taken from the file, after comparing it with `like`."""
    paths: set[str] = set()
    fitting: set[str] = set()
    differences: list[str] = []
    static = dict(contents.static or {})

    def visit(item: Item) -> Any:
        paths.add(item.path)
        difference = _difference(contents, item, static, strict)
        if difference:
            differences.append(f"{item.path or 'the tree'}: {difference}")
        elif item.is_data:
            fitting.add(item.path)
        return item.value

    mapped_tree("load", like, visit)
    differences += [f"{path}: in the file, missing in like" for path in contents.leaves if path not in paths]
    differences += [
        f"{path}: static {shown_static(text)} in the file, missing in like" for path, text in static.items()
    ]
    if differences and strict:
        listed = "\n  ".join(differences)
        raise ArgumentError(
            f"load: like must have the structure of {name}; got {len(differences)} differences:\n  {listed}\n"
            "Pass strict=False to take what fits, and keep the rest of like."
        )
    if not fitting and contents.leaves:
        raise ArgumentError(f"load: like must share a leaf with {name}; got none of the file's {len(contents.leaves)}.")
    return fitting


def _difference(contents: _Contents, item: Item, static: dict[str, Text], strict: bool) -> str:
    """Say in what an item of `like` differs from the file's; "" for nothing."""
    if not item.is_data:
        own, text = static_text(item.value), static.pop(item.path, None)
        if contents.static is None or text == own:
            return ""
        came = "missing" if text is None else f"static {shown_static(text)}"
        return f"{came} in the file, {shown_static(own)} in like"
    own_space = _space(plain_leaf("load", f"like.{item.path}", item.value))
    if item.path not in contents.leaves:
        return f"missing in the file, {_shown_space(own_space)} in like"
    space = contents.space(item.path)
    if space == own_space or (not strict and _can_cast(space, own_space)):
        return ""
    return f"{_shown_space(space)} in the file, {_shown_space(own_space)} in like"


def _space(value: Any) -> Space:
    """Return what is compared of a leaf: its dtype, byte order aside, and shape; or its kind."""
    if isinstance(value, np.ndarray | np.generic):
        return (value.dtype.newbyteorder("="), value.shape)
    if type(value) in (bool, int, float, complex):
        return (np.dtype(type(value)), ())
    if isinstance(value, np.random.Generator):
        return ("generator", type(value.bit_generator).__name__)
    return (type(value).__name__,)


def _can_cast(space: Space, own: Space) -> bool:
    """Return whether strict=False takes an array of one dtype for one of another, as for a model in float64."""
    is_arrays = isinstance(space[0], np.dtype) and isinstance(own[0], np.dtype)
    return is_arrays and space[1] == own[1] and np.can_cast(space[0], own[0], "same_kind")


def _shown_space(space: Space) -> str:
    if isinstance(space[0], np.dtype):
        return f"shape {space[1]}, {space[0]}"
    return " ".join(space)


def _loaded(item: Item, values: Mapping[str, Any]) -> Any:
    """Return a loaded leaf as `like` has it: an array, NumPy's scalar or a Python number."""
    value, own = values[item.path], item.value
    if type(own) in (bool, int, float, complex) and hasattr(value, "item"):
        return value.item()
    if isinstance(own, np.generic):
        return np.asarray(value, own.dtype)[()]
    if isinstance(own, np.ndarray) and not isinstance(value, np.ndarray):  # a number, in the file
        return np.asarray(value, own.dtype)
    if isinstance(own, np.ndarray) and value.dtype.newbyteorder("=") != own.dtype.newbyteorder("="):
        return value.astype(own.dtype)
    return value


# ---- arguments ----


def _checked_path(function: str, path: Any) -> Path:
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise ArgumentTypeError(f"{function}: path must be a string or a pathlib.Path; got {shown(path)}.")
    if not os.fspath(path) or "\0" in os.fspath(path):
        raise ArgumentError(f"{function}: path must name a file; got {os.fspath(path)!r}.")
    return Path(path)


def _checked_metadata(metadata: Any) -> dict[str, str]:
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise ArgumentTypeError(f"save: metadata must be a dict of strings; got {shown(metadata)}.")
    for key, text in metadata.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise ArgumentTypeError(
                f"save: metadata must be a dict of strings; got {shown(text)} for {shown(key)}. Write str(...) of it."
            )
        if key == _KEY:
            raise ArgumentError(f"save: metadata must have keys of its own; got {key!r}, which tapenet writes.")
    return dict(metadata)
