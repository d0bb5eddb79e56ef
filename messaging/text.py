"""Text from anywhere, made such that it can be kept."""

#: Characters of a header that holds a text of any length; the database and the log have all of it.
_MAX_HEADER = 500


def header_text(text: str) -> str:
    """Return the text as a header can hold it: not too long, and storable."""
    return storable(text[:_MAX_HEADER])


def storable(text: str) -> str:
    """Return the text as Postgres can keep it: without NUL and halves of surrogate pairs."""
    return text.encode(errors="replace").decode().replace("\0", "?")
