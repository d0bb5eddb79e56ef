"""The tree at the head of errors.py is the tree of the classes."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import messaging
from messaging import MessagingError, errors

_INDENT = 4


def drawn() -> Iterator[tuple[str, str]]:
    """Every name of the tree in the docstring, and the name above it."""
    above: list[str] = []
    for line in (inspect.getdoc(errors) or "").splitlines()[2:]:
        depth = (len(line) - len(line.lstrip())) // _INDENT
        name, _, words = line.strip().partition(" ")
        assert words.strip(), f"{name}: nothing is said about it"
        above[depth:] = [name]
        yield name, above[depth - 1] if depth else "Exception"


def written(root: type[Exception] = MessagingError) -> Iterator[tuple[str, str]]:
    """Every class of messaging's below the root, and the class above it, in the order of the source."""
    yield root.__name__, root.__bases__[0].__name__
    for below in root.__subclasses__():
        if below.__module__.partition(".")[0] == messaging.__name__:
            yield from written(below)


def test_the_tree_in_words_is_the_tree_of_the_classes() -> None:
    for module in pkgutil.walk_packages(messaging.__path__, "messaging."):
        importlib.import_module(module.name)
    assert list(drawn()) == list(written())


def test_every_error_is_defined_in_one_module_and_says_what_it_means() -> None:
    names = [name for name, _ in written()]
    found = [name for name, _ in inspect.getmembers(errors, inspect.isclass)]
    assert sorted(names) == found
    assert [name for name in names if not getattr(errors, name).__dict__.get("__doc__")] == []
