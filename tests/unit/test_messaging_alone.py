"""Messaging is a package that others can take: it names nothing of ours, and says truly what it offers and needs."""

import ast
import importlib
import inspect
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import messaging
from deploy.settings import SERVICES
from messaging.testing.broker_suite import BrokerSuite
from tests.code_blocks import code_blocks

PACKAGE = Path(messaging.__file__).parent
README = (PACKAGE / "README.md").read_text(encoding="utf-8")
INTERFACE = README.partition("## The public interface")[2]
SOURCES = sorted(PACKAGE.rglob("*.py"))
FILES = sorted(path for path in PACKAGE.rglob("*") if path.suffix in {".py", ".md", ".toml"})
#: The name of the system, its people, and its services.
OURS = re.compile(rf"(?<![a-z])(ates|(uber)?popugs?|parrots?|beaks?|{'|'.join(SERVICES)})(?![a-z])", re.IGNORECASE)


#: The packages that have an `__all__`.
PUBLIC = sorted(
    ".".join(("messaging", *path.parent.relative_to(PACKAGE).parts))
    for path in SOURCES
    if re.search(r"^__all__ = ", path.read_text(encoding="utf-8"), re.MULTILINE)
)


@pytest.mark.parametrize("text", ["an aTES event", "ates.events", "tracker.task_created", "a popug's", "AUTH_URL"])
def test_a_name_of_ours_is_recognised(text: str) -> None:
    assert OURS.search(text)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_messaging_names_nothing_of_ours(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [f"{number}: {line}" for number, line in enumerate(text.splitlines(), 1) if OURS.search(line)] == []


def test_the_readme_names_the_whole_public_interface() -> None:
    named = set(re.findall(r"`(\w+)`", INTERFACE))
    assert set(messaging.__all__) - named == set()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([\w.]+)`", INTERFACE)) - {"messaging", "run"}))
def test_what_the_readme_calls_public_is_there(name: str) -> None:
    if name.startswith("messaging."):
        assert importlib.import_module(name).__doc__
    else:
        assert name in messaging.__all__ or name in messaging.dead_letters.__all__


@pytest.mark.parametrize("package", PUBLIC)
def test_every_public_name_is_there_and_says_what_it_is(package: str) -> None:
    module = importlib.import_module(package)
    assert [name for name in module.__all__ if not is_documented(module, name)] == []


@pytest.mark.parametrize("package", PUBLIC[1:])
def test_what_the_readme_takes_from_a_module_is_public(package: str) -> None:
    used = set(re.findall(rf"(?<![\w.]){package.rpartition('.')[2]}\.(\w+)", README))
    assert used - set(importlib.import_module(package).__all__) == set()


def test_the_readmes_example_uses_the_public_interface_alone() -> None:
    programs = [block for block in code_blocks(README) if block.language == "python"]
    imports = [node for program in programs for node in ast.walk(ast.parse(program.text))]
    ours = [
        node for node in imports if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("messaging")
    ]
    assert {node.module for node in ours} == {"messaging", "messaging.testing.broker_suite"}
    assert {alias.name for node in ours for alias in node.names} <= {*messaging.__all__, BrokerSuite.__name__}


def test_it_can_be_installed_alone_with_everything_that_it_imports() -> None:
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())
    folders = {".".join(("messaging", *path.parent.relative_to(PACKAGE).parts)) for path in SOURCES}
    assert set(project["tool"]["setuptools"]["packages"]) == folders
    extras = project["project"]["optional-dependencies"]
    assert extras.keys() == {"testing"}
    wanted = [*project["project"]["dependencies"], *extras["testing"]]
    names = [re.split(r"[<>=]", name)[0] for name in wanted]
    needed = {name.removesuffix("-binary").replace("-", "_") for name in names}
    # jsonschema imports the validator of times by itself, if it is there.
    assert needed == third_party() | {"rfc3339_validator"}


def is_documented(package: ModuleType, name: str) -> bool:
    """Whether a public name has words of its own: a docstring, or what stands above it as a comment."""
    value = getattr(package, name)
    if inspect.ismodule(value) or inspect.isclass(value) or inspect.isfunction(value):
        return bool(value.__doc__)
    (source,) = [
        node.module
        for node in ast.walk(ast.parse(inspect.getsource(package)))
        if isinstance(node, ast.ImportFrom) and node.module and name in [alias.name for alias in node.names]
    ]
    text = inspect.getsource(importlib.import_module(source))
    return re.search(rf"^#: .*\n{name}\b.* = ", text, re.MULTILINE) is not None


def third_party() -> set[str]:
    """The packages that messaging imports from elsewhere."""
    found: set[str] = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"messaging"}
