"""Telling a database that is away from a statement that is wrong."""

from sqlalchemy.exc import DBAPIError

#: SQLSTATE classes and codes that say "the database is away", not "your statement is wrong".
_AWAY_CLASSES = ("08", "57P", "53")


def database_is_away(error: DBAPIError) -> bool:
    """Tell whether the same statement may succeed once the database is back."""
    code = getattr(error.orig, "pgcode", None)
    if code is None:
        return error.connection_invalidated or type(error.orig).__name__ in (
            "OperationalError",
            "InterfaceError",
        )
    return str(code).startswith(_AWAY_CLASSES)
