"""A document of sections, and the same document as Markdown and as one HTML page that fetches nothing."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from jinja2 import Template

MARKDOWN, PAGE = "model_card.md", "model_card.html"

_SIGNS = re.compile(r"([\\`*\[\]<>#|~&]|(?<!\w)_|_(?!\w))")
"""What Markdown, or the HTML within it, would read as more than a sign; an underscore within a word is one."""


@dataclass(frozen=True)
class Table:
    """Rows below a head.

    Attributes
    ----------
    title : str
        What it shows, in a sentence.
    head : tuple of str
    rows : tuple of tuple of str
        As many cells each as the head has.
    numbers_from : int
        The first column that holds numbers; those before it hold texts.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers_from: int = 1

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.head):
                raise ValueError(f"a row of {self.title!r} has {len(row)} cells: expected {len(self.head)}")


@dataclass(frozen=True)
class Section:
    """Paragraphs, then points, then tables.

    Attributes
    ----------
    title : str
    paragraphs, points : tuple of str
    tables : tuple of Table
    """

    title: str
    paragraphs: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Document:
    """A title, a summary, and sections; all of it plain text."""

    title: str
    summary: str
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class ModelCard:
    """The card of a version, as it is stored with it.

    Attributes
    ----------
    summary : str
        The first lines of it.
    markdown, page : str
        The same card, for a terminal and for a browser.
    """

    summary: str
    markdown: str
    page: str

    @classmethod
    def of(cls, document: Document) -> Self:
        """Write a document both ways."""
        return cls(document.summary, as_markdown(document), as_page(document))

    def save(self, folder: Path) -> None:
        """Write both forms, and the summary, to a folder."""
        (folder / MARKDOWN).write_text(self.markdown, encoding="utf-8")
        (folder / PAGE).write_text(self.page, encoding="utf-8")
        (folder / "summary.txt").write_text(self.summary, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        names = ("summary.txt", MARKDOWN, PAGE)
        return cls(*((folder / name).read_text(encoding="utf-8") for name in names))


def as_markdown(document: Document) -> str:
    """Return a document as Markdown: headings, paragraphs, lists and tables as GitHub has them, and no HTML."""
    parts = [f"# {_escape(document.title)}", _escape(document.summary)]
    for section in document.sections:
        parts.append(f"## {_escape(section.title)}")
        parts.extend(map(_escape, section.paragraphs))
        if section.points:
            parts.append("\n".join(f"- {_escape(point)}" for point in section.points))
        for table in section.tables:
            parts += [f"**{_escape(table.title)}**", _rows(table)]
    return "\n\n".join(parts) + "\n"


def as_page(document: Document) -> str:
    """Return a document as one HTML page with its style in itself; nothing in it is run or fetched."""
    return _template().render(document=document)


def _rows(table: Table) -> str:
    sides = ["---" if column < table.numbers_from else "---:" for column in range(len(table.head))]
    head, *rows = (tuple(map(_escape, cells)) for cells in (table.head, *table.rows))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, sides, *rows))


def _escape(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line: a table's cell must not end early."""
    return _SIGNS.sub(r"\\\1", " ".join(text.split()))


@cache
def _template() -> "Template":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("housing_assets.packaging.card", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("model_card.html.jinja")
