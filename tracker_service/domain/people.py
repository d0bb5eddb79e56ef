"""People, as far as lists and reports show them."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Person:
    """Somebody who did something, or to whom it happened. The name is None for whom the tracker has not heard of."""

    user_id: UUID
    name: str | None
