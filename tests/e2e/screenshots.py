"""Pictures of every page: `python -m tests.e2e.screenshots [FOLDER]`.

A system is started for it, in a folder and on ports of its own: first nobody has done anything yet, then there is of
everything something. Each page is there in both languages, light and dark, wide and on a phone; `index.html` shows all.
"""

import shutil
import signal
import sys
from collections import defaultdict
from collections.abc import Sequence
from html import escape
from pathlib import Path

from tests.e2e.browsing import chromium
from tests.e2e.catalogue import Place
from tests.e2e.companies import busy_company, fresh_company
from tests.e2e.running import RunningSystem
from tests.e2e.tour import EVERY_LOOK, Look, each_look_once, tour


def take_pictures(folder: Path) -> int:
    """Write a PNG for each view, and `index.html`, into the folder; return how many. Older ones are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*__*.png"):
        old.unlink()
    system = RunningSystem()
    try:
        system.launch()
        run = system.wait_until_ready()
        with chromium() as browser:
            for company in (fresh_company, busy_company):
                for view in tour(browser, company(run), _looks):
                    view.page.screenshot(path=folder / f"{view.name}.png", full_page=True)
                    sys.stdout.write(f"{view.name}\n")
    finally:
        system.stop(signal.SIGTERM)
        shutil.rmtree(system.state_dir)
    return _write_index(folder)


def _looks(place: Place, role: str, state: str) -> Sequence[Look]:
    """Everything once; what differs by the person alone, or not at all, once more in one look."""
    if role == place.roles[0] and not place.again:
        return EVERY_LOOK
    return each_look_once(place, role, state)


def _write_index(folder: Path) -> int:
    pages = defaultdict(list)
    for picture in sorted(folder.glob("*__*.png")):
        pages[picture.name.partition("__")[0]].append(picture.name)
    with (folder / "index.html").open("w", encoding="utf-8") as index:
        index.write("<!doctype html><html lang=en><meta charset=utf-8><title>Every page of aTES</title>\n")
        for page, pictures in pages.items():
            index.write(f"<h2>{escape(page)}</h2>\n")
            index.writelines(
                f'<a href="{escape(name)}" title="{escape(name)}"><img src="{escape(name)}" alt="" height=360></a>\n'
                for name in pictures
            )
    return sum(len(pictures) for pictures in pages.values())


if __name__ == "__main__":
    where = Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots")
    count = take_pictures(where)
    sys.stdout.write(f"{count} pictures, all on one page: {(where / 'index.html').resolve()}\n")
