"""Lays Python source out as the package's own: double quotes, 120 columns, an argument a line where they do not fit."""

import textwrap
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

WIDTH = 120
"""Columns of a line."""

_STEP = 4


@dataclass(frozen=True)
class Comment:
    """A remark between the items of brackets."""

    text: str


@dataclass(frozen=True)
class Quoted:
    """A text as a literal."""

    text: str


@dataclass(frozen=True)
class Brackets:
    """A call, or a tuple, with what stands before it: ``Column``, ``bins=``, ``target=Classes``.

    Attributes
    ----------
    head : str
    items : tuple
    is_tuple : bool
        Whether one item alone needs a comma.
    """

    head: str
    items: tuple["Item", ...]
    is_tuple: bool = False


Item = str | Comment | Quoted | Brackets
"""A piece of source; a str stands for itself."""


def tuple_of(head: str, *items: Item) -> Brackets:
    """Return a tuple, such as that of an argument ``columns=``."""
    return Brackets(head, items, is_tuple=True)


def quote(text: str) -> str:
    """Return a text as a literal, in the quotes that need fewer escapes."""
    mark = "'" if text.count('"') > text.count("'") else '"'
    return mark + "".join(_escaped(each, mark) for each in text) + mark


def lay_out(item: Item, indent: int = 0, tail: str = "") -> Iterator[str]:
    """Yield the lines of a piece of source.

    Parameters
    ----------
    item : Item
    indent : int
        Columns that it stands from the left.
    tail : str
        What follows on its last line.
    """
    pad = " " * indent
    if isinstance(item, Comment):
        text = " ".join("".join(each if each.isprintable() else " " for each in item.text).split())
        yield from (f"{pad}# {line}" for line in textwrap.wrap(text, WIDTH - indent - 2))
        return
    flat = _flat(item)
    if flat is not None and (isinstance(item, str) or _fits(indent, flat, tail)):
        yield f"{pad}{flat}{tail}"
    elif isinstance(item, Quoted):
        *parts, last = _parts(item.text, WIDTH - indent - len(tail))
        yield from (f"{pad}{part}" for part in parts)
        yield f"{pad}{last}{tail}"
    elif isinstance(item, Brackets):
        yield f"{pad}{item.head}("
        joined = None if item.is_tuple and len(item.items) == 1 else _joined(item.items)
        if joined is not None and _fits(indent + _STEP, joined):
            yield f"{pad}{' ' * _STEP}{joined}"
        else:
            for each in item.items:
                yield from lay_out(each, indent + _STEP, ",")
        yield f"{pad}){tail}"


def _flat(item: Item) -> str | None:
    """Return a piece in one line, None where a comment keeps it from being one."""
    match item:
        case str():
            return item
        case Comment():
            return None
        case Quoted(text):
            return quote(text)
        case Brackets(head, items, is_tuple):
            joined = _joined(items)
            return None if joined is None else f"{head}({joined}{',' if is_tuple and len(items) == 1 else ''})"


def _joined(items: tuple[Item, ...]) -> str | None:
    parts = [flat for item in items if (flat := _flat(item)) is not None]
    return ", ".join(parts) if len(parts) == len(items) else None


def _parts(text: str, width: int) -> list[str]:
    """Return literals that together are a text, each within a width."""
    parts, taken = [], ""
    for each in text:
        if _width(quote(taken + each)) > width:
            parts.append(quote(taken))
            taken = ""
        taken += each
    return [*parts, quote(taken)]


def _fits(indent: int, text: str, tail: str = "") -> bool:
    return indent + _width(text) + len(tail) <= WIDTH


def _width(text: str) -> int:
    """Return the columns that a text takes: letters of the Far East take two."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text)


def _escaped(each: str, mark: str) -> str:
    if each in "'\"":
        return f"\\{each}" if each == mark else each
    return repr(each)[1:-1]
