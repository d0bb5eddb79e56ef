"""The pictures of the README: `make pictures`, in a running system in which `make demo` has let a month pass."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PIL import Image
from playwright.sync_api import Page, ViewportSize

from deploy.cli.running import running_system
from deploy.errors import DeployError
from deploy.run_file import Run
from deploy.settings import REPOSITORY
from tests.e2e.browsing import chromium, show_beak
from tests.e2e.companies import observer
from tests.e2e.parrots import Parrot

FOLDER = REPOSITORY / "docs/pictures"
#: Bytes that a picture may have: whoever reads the README loads all of them.
MOST_BYTES = 150_000

_WINDOW: ViewportSize = {"width": 1280, "height": 800}
#: As many as flat pages need; more would only make the files larger.
_COLOURS = 240
_PATIENCE_MS = 60_000


@dataclass(frozen=True)
class Picture:
    """A page of the README."""

    name: str
    role: str
    service: str
    #: Where it is, as the administrator finds it.
    path: Callable[[Parrot], str]


PICTURES = (
    Picture("tasks", "popug", "tracker", lambda _admin: "/"),
    Picture("reassignment", "manager", "tracker", lambda admin: f"/reassignments/{_reassignment(admin)}"),
    Picture("day", "accountant", "billing", lambda admin: f"/days/{_closed_day(admin)}"),
    Picture("analytics", "admin", "analytics", lambda _admin: "/"),
    Picture("dead-letters", "admin", "billing", lambda _admin: "/messages"),
)


def take_pictures(run: Run, folder: Path) -> list[Path]:
    """Write the pictures into the folder and return them."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {"services": run.services, "people": run.people}
    admin = Parrot(told, observer(told, "admin"))
    taken = []
    with chromium() as browser:
        for picture in PICTURES:
            context = browser.new_context(locale="en-US", viewport=_WINDOW, color_scheme="light")
            context.set_default_timeout(_PATIENCE_MS)
            page = context.new_page()
            who = _busiest(admin, told, picture.role)
            _open(page, told, picture, picture.path(admin), who["beak"])
            file = folder / f"{picture.name}.png"
            file.write_bytes(_small(page.screenshot()))
            taken.append(file)
            context.close()
    return taken


def _open(page: Page, run: dict[str, Any], picture: Picture, path: str, beak: str) -> None:
    url = run["services"][picture.service]
    page.context.add_cookies([{"name": "lang", "value": "en", "domain": urlsplit(url).hostname, "path": "/"}])
    show_beak(page, run["services"]["auth"], beak)
    page.wait_for_url(lambda found: "/sign-in" not in found)
    page.goto(f"{url}{path}")
    page.wait_for_load_state("networkidle")


def _small(png: bytes) -> bytes:
    file = BytesIO()
    with Image.open(BytesIO(png)) as picture:
        flat = picture.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
        flat.save(file, "PNG", optimize=True)
    if file.tell() > MOST_BYTES:
        raise DeployError(f"A picture has {file.tell()} bytes, more than {MOST_BYTES}.")
    return file.getvalue()


def _busiest(admin: Parrot, run: dict[str, Any], role: str) -> Any:
    """Return who of the role has the most to do: there is something on their pages."""

    def to_do(person: Any) -> int:
        return len(admin.get("tracker", "/api/v1/tasks", assignee=person["id"], status="open", limit=200)["items"])

    return max((person for person in run["people"] if person["role"] == role), key=to_do)


def _closed_day(admin: Parrot) -> str:
    """The latest on which much was paid."""
    days = [day for day in admin.get("billing", "/api/v1/days", limit=31)["items"] if day["status"] == "closed"]
    if not days:
        raise DeployError("No day is closed yet: run `make demo` first.")
    busiest = max(days, key=lambda day: admin.get("billing", f"/api/v1/days/{day['day']}")["totals"]["rewards_cents"])
    return str(busiest["day"])


def _reassignment(admin: Parrot) -> str:
    runs = admin.get("tracker", "/api/v1/reassignments")["items"]
    if not runs:
        raise DeployError("Nothing was reassigned yet: run `make demo` first.")
    return str(max(runs, key=lambda run: run["done"])["id"])


if __name__ == "__main__":
    try:
        for made in take_pictures(running_system(), FOLDER):
            sys.stdout.write(f"{made.relative_to(REPOSITORY)}  {made.stat().st_size // 1000} KB\n")
    except DeployError as failure:
        sys.exit(str(failure))
