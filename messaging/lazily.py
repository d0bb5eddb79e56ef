"""A package whose public names are imported when somebody first asks for them (PEP 562).

A relay needs neither the ORM nor the validator of schemas, which are most of the memory and of the time to start. What
is public, and where it comes from, stands in the package's `__init__.py` as ever, below `if TYPE_CHECKING:`.
"""

import ast
import sys
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any


def importer(package: str, file: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of the package whose `__init__.py` is this file."""

    @cache
    def homes() -> dict[str, str]:
        return {name: module for module, name in _imports(ast.parse(Path(file).read_text(encoding="utf-8")))}

    def import_name(name: str) -> Any:
        if name.startswith("_") or name not in homes():
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = homes()[name]
        found = import_module(f"{home}.{name}") if home == package else getattr(import_module(home), name)
        setattr(sys.modules[package], name, found)
        return found

    return import_name


def _imports(source: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield module and name of what is imported for type checkers alone."""
    for statement in source.body:
        if isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING":
            for inner in statement.body:
                if isinstance(inner, ast.ImportFrom) and inner.module:
                    yield from ((inner.module, alias.name) for alias in inner.names)
