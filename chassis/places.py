"""What a service tells of its pages, for the second row of the bar."""

from dataclasses import dataclass

from chassis.people import Role


@dataclass(frozen=True)
class Place:
    """A page of a service that stands in the second row of its bar. `build_app` takes them in their order."""

    #: Marked for translation, not translated.
    text: str
    #: The view that the link leads to.
    endpoint: str
    #: The roles that may go there; empty: everybody who is signed in.
    roles: tuple[Role, ...] = ()
    #: Further views that belong to it.
    also: tuple[str, ...] = ()
