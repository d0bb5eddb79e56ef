"""A real browser, and people who sign in with it."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.waiting import PATIENCE

#: Milliseconds that a page may take.
PATIENCE_MS = PATIENCE * 1000

#: Debian's browser asks nobody on the internet for anything.
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

#: The first one has no window to draw, which makes it the quickest.
_BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield a browser without a window, until the end of the block."""
    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    assert path, "there is no chromium: `make env` installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()


def show_beak(page: Page, url: str, photo: str | Path) -> None:
    """Open the address and sign in there with the photo."""
    page.goto(url)
    page.set_input_files("input[name=photo]", photo)
    page.get_by_role("button", name=re.compile("^(Sign in|Войти)$")).click()
