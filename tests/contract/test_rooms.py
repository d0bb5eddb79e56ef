"""The same rooms in every house, and imports in one direction."""

from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[2]
HOUSES = ("auth_service", "tracker_service", "billing_service", "analytics_service")
ROOMS = {
    "__init__",
    "__main__",
    "api",
    "app",
    "cli",
    "commands",
    "config",
    "domain",
    "errors",
    "events",
    "handlers",
    "jobs",
    "migrations",
    "models",
    "queries",
    "schemas",
    "static",
    "templates",
    "ui",
}
#: What only this house needs: the company that `make up` seeds, letters.
EXTRA_ROOMS = {"auth_service": {"demo"}, "billing_service": {"mail", "routing"}}


@pytest.mark.parametrize("house", HOUSES)
def test_a_room_never_has_another_name(house: str) -> None:
    found = {path.stem for path in (ROOT / house).iterdir() if path.name != "__pycache__"}
    assert found <= ROOMS | EXTRA_ROOMS.get(house, set())


@pytest.mark.parametrize("house", HOUSES)
def test_a_house_says_at_its_door_what_it_is(house: str) -> None:
    text = (ROOT / house / "__init__.py").read_text()
    assert '"""' in text
    assert len(text) > 100


def test_imports_keep_their_direction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.syspath_prepend(str(ROOT))
    assert lint_imports(no_cache=True) == 0
