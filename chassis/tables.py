"""The columns of a table on a page.

Their texts are written once: they stand in the head of the table, and on a phone, where each row becomes a card, before
each cell.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Sorting:
    """Where the head of a column leads, by which the table can be sorted."""

    url: str
    #: How the table is sorted by it now: `ascending`, `descending`, or not at all.
    direction: str = ""


@dataclass(frozen=True)
class Column:
    """A column. In a template `<td {{ column.fee }}>` opens a cell of it."""

    text: str
    #: The CSS classes of its head and of its cells, such as `number`.
    kind: str = ""
    sorting: Sorting | None = None

    def __html__(self) -> str:
        """Return the attributes of a cell."""
        label = Markup('data-label="{}"').format(self.text)
        return Markup('class="{}" {}').format(self.kind, label) if self.kind else label


class Columns:
    """The columns of one table, in their order, each an attribute."""

    def __init__(self, named: dict[str, Column]) -> None:
        """Take the columns that are shown."""
        self.__dict__.update(named)

    def __iter__(self) -> Iterator[Column]:
        """Go through them in their order."""
        return iter(self.__dict__.values())


def columns(**named: str | tuple[str, str] | tuple[str, str, Sorting]) -> Columns:
    """Return the columns of a table: each a text, or a text, CSS classes and how it is sorted.

    One without a text is left out.
    """
    found = {name: Column(*told) if isinstance(told, tuple) else Column(told) for name, told in named.items() if told}
    return Columns({name: column for name, column in found.items() if column.text})
