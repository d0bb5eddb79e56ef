"""The documents lead nowhere that is not there, and tell to type nothing that does not exist."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click
import pytest

from chassis.settings import REPOSITORY
from deploy.cli.__main__ import ates
from deploy.settings import SERVICES
from messaging import errors

DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"), REPOSITORY / "messaging" / "README.md"])
HOUSES = [f"{service}_service" for service in SERVICES]
_CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
#: The names of all modules of ours.
MODULES = {
    path.name
    for folder in (*HOUSES, "messaging", "chassis", "deploy", "tests")
    for path in (REPOSITORY / folder).rglob("*.py")
}
_FILE = re.compile(r"`((?:tests|deploy|docs|chassis|messaging|\w+_service|event_schemas)/[\w./-]*\w/?)(?:::\w+)?`")


def named(document: Path) -> str:
    return str(document.relative_to(REPOSITORY))


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as they are made of them where it is shown."""
    text = _CODE.sub("", document.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ +(.+)$", text, re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    return set(plain)


def broken(document: Path, link: str) -> bool:
    parts = urlsplit(link)
    if parts.scheme:
        return False  # elsewhere in the world, where a test has no business
    target = (document.parent / unquote(parts.path)).resolve() if parts.path else document
    if not target.exists() or not target.is_relative_to(REPOSITORY):
        return True
    return bool(parts.fragment) and parts.fragment not in anchors(target)


def commands(group: click.Command, words: tuple[str, ...] = ()) -> dict[tuple[str, ...], click.Command]:
    """Return every command of the operator by its words."""
    found = {words: group}
    if isinstance(group, click.Group):
        for name, command in group.commands.items():
            found |= commands(command, (*words, name))
    return found


OPERATOR = commands(ates)


def misunderstood(line: str) -> str | None:
    """Return what is wrong with a line that calls ./ates; None if it would be understood."""
    words = [word for word in line.split()[1:] if word != "..."]
    path: tuple[str, ...] = ()
    while words and (*path, words[0]) in OPERATOR:
        path += (words.pop(0),)
    command = OPERATOR[path]
    options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    if isinstance(command, click.Group) and words and not words[0].startswith("-"):
        return f"{' '.join(path)} has no {words[0]}"
    return next(
        (f"{' '.join(path)} has no {word}" for word in words if word.startswith("--") and word not in options), None
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_link_leads_somewhere(document: Path) -> None:
    links = _LINK.findall(_CODE.sub("", document.read_text(encoding="utf-8")))
    assert [link for link in links if broken(document, link)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_file_that_is_named_is_there(document: Path) -> None:
    text = _CODE.sub("", document.read_text(encoding="utf-8"))
    missing = [name for name in _FILE.findall(text) if not (REPOSITORY / name).exists()]
    assert [name for name in missing if named(document) not in ("CHANGELOG.md", "docs/recipes.md")] == []


#: Decisions and the changelog tell of files that were there once.
OF_TODAY = [one for one in DOCUMENTS if one.parent.name != "decisions" and one.name != "CHANGELOG.md"]


@pytest.mark.parametrize("document", OF_TODAY, ids=named)
def test_every_module_that_is_named_without_its_folder_is_there(document: Path) -> None:
    text = _CODE.sub("", document.read_text(encoding="utf-8"))
    assert set(re.findall(r"`(\w+\.py)`", text)) - MODULES == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_command_of_the_operator_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    lines = re.findall(r"(?:^|`)(\./ates(?: [^`\n|#]*)?)", text, re.MULTILINE)
    assert [wrong for line in lines if (wrong := misunderstood(line.rstrip(" .")))] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_target_of_make_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    told = re.findall(r"(?:^|`)(?:[A-Z_]+=\S+ )*make ([a-z-]+)", document.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(told) <= targets


def test_both_readmes_tell_of_the_same_commands() -> None:
    english, russian = ((REPOSITORY / name).read_text(encoding="utf-8") for name in ("README.md", "README.ru.md"))
    for pattern in (r"^\| `([^`]+)` \|", r"\]\(([^)]+)\)", r"^((?:make|\./ates) .*)$"):
        said = [set(re.findall(pattern, text, re.MULTILINE)) for text in (english, russian)]
        assert said[0] - {"README.ru.md"} == said[1] - {"README.md"}


def test_the_runbook_knows_every_reason_for_which_an_event_dies() -> None:
    page = (REPOSITORY / "docs" / "runbooks" / "dead-letters.md").read_text()
    reasons = {each.reason for each in vars(errors).values() if isinstance(each, type) and hasattr(each, "reason")}
    assert len(reasons) > 5
    assert {reason for reason in reasons if f"`{reason}`" not in page} == set()


def test_every_runbook_is_named_where_the_operator_looks() -> None:
    page = (REPOSITORY / "docs" / "operation.md").read_text()
    for runbook in (REPOSITORY / "docs" / "runbooks").glob("*.md"):
        assert f"(runbooks/{runbook.name})" in page
