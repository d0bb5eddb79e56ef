"""The same rooms in every house, and imports in one direction."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from deploy.settings import SERVICES

ROOT = Path(__file__).parents[2]
HOUSES = tuple(f"{service}_service" for service in SERVICES)
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
#: What only this house needs: what looks at photos, the company that `make up` seeds, letters.
EXTRA_ROOMS = {"auth_service": {"decoder", "demo"}, "billing_service": {"mail", "routing"}}


def test_the_list_of_services_in_the_settings_is_complete() -> None:
    found = {path.parent.name for path in ROOT.glob("*_service/__init__.py")}
    assert found == set(HOUSES), "the list is DEFAULT_PORTS in chassis/settings.py"


@pytest.mark.parametrize("house", HOUSES)
def test_a_house_is_named_wherever_imports_are_checked(house: str) -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    contracts = {contract["name"]: contract for contract in config["contracts"]}
    layers = contracts["Services stand on the chassis, the chassis on messaging"]["layers"]
    listed = {
        "root_packages": config["root_packages"],
        "the uppermost layer": layers[0].split(" | "),
        "containers of rooms": contracts["In every house the rooms stand in the same order"]["containers"],
    }
    assert [place for place, houses in listed.items() if house not in houses] == [], "in pyproject.toml"


@pytest.mark.parametrize("house", HOUSES)
def test_a_room_never_has_another_name(house: str) -> None:
    found = {path.stem for path in (ROOT / house).iterdir() if path.name != "__pycache__"}
    assert found <= ROOMS | EXTRA_ROOMS.get(house, set())


@pytest.mark.parametrize("house", HOUSES)
def test_a_house_says_at_its_door_what_it_is(house: str) -> None:
    text = (ROOT / house / "__init__.py").read_text()
    assert '"""' in text
    assert len(text) > 100


def test_imports_keep_their_direction() -> None:
    # A process of its own: it sets up logging anew, and would silence the loggers that other tests listen to.
    linter = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    found = subprocess.run(linter, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("module", ["auth_service.app", "auth_service.cli", "auth_service.jobs"])
def test_pictures_are_decoded_nowhere_but_in_a_process_of_their_own(module: str) -> None:
    program = f"import {module}, sys; print({{'cv2', 'PIL'}} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
