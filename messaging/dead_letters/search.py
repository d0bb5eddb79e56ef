"""Looking for dead letters by a field of their events: `data.task_id=7f0c...`."""

from dataclasses import dataclass
from typing import Self

from sqlalchemy import ARRAY, ColumnElement, LargeBinary, Text, func, literal
from sqlalchemy.dialects.postgresql import JSONB

from messaging.tables import HeldMessage

#: Characters that JSON may write in more than one way: a body with them is not found by its bytes.
_MORE_THAN_ONE_WAY = set('"\\/')


@dataclass(frozen=True)
class FieldIs:
    """The events in which the field has this value, as text: 1500, true, a UUID."""

    path: tuple[str, ...]
    value: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `field.inner=value`. Raises ValueError for what is no such thing."""
        path, equals, value = text.partition("=")
        parts = tuple(part.strip() for part in path.split("."))
        if not equals or not all(parts):
            raise ValueError("this is not field=value")
        return cls(parts, value.strip())

    def __str__(self) -> str:
        """Return it as it is read."""
        return f"{'.'.join(self.path)}={self.value}"

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions for a query of HeldMessage: first, and cheap, that the body has the value anywhere."""
        said = func.held_body(HeldMessage.body, type_=JSONB)
        # One array, however long: a function takes a hundred arguments at most.
        is_value = said.op("#>>", return_type=Text())(literal(list(self.path), ARRAY(Text))) == self.value
        if not self.value.isascii() or not self.value.isprintable() or _MORE_THAN_ONE_WAY & set(self.value):
            return [is_value]
        has_value = func.pg_catalog.position(HeldMessage.body, literal(self.value.encode(), LargeBinary)) > 0
        return [has_value, is_value]
