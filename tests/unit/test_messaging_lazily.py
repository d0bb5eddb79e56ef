"""Packages whose names are imported when somebody asks for them."""

import importlib
from pathlib import Path

import pytest

from deploy.settings import REPOSITORY

LAZY = [
    ".".join(path.parent.relative_to(REPOSITORY).parts)
    for house in ("messaging", "chassis", "auth_service", "tracker_service", "billing_service", "analytics_service")
    for path in sorted((REPOSITORY / house).rglob("__init__.py"))
    if "importer(__name__" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("package", LAZY)
def test_nothing_public_is_called_as_the_module_that_it_comes_from(package: str) -> None:
    """Python binds an imported module to the name in its package: whoever asks then gets the module."""
    found = importlib.import_module(package)
    folder = Path(found.__file__ or "").parent
    twice = {
        name for name in found.__all__ if (folder / f"{name}.py").exists() and _is_more_than_a_module(package, name)
    }
    assert twice == set()


def _is_more_than_a_module(package: str, name: str) -> bool:
    """Tell whether the module has something of its own name in it, which the package would offer."""
    return hasattr(importlib.import_module(f"{package}.{name}"), name)
