"""A browser that visits the pages of the catalogue, each in several looks."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby, product
from typing import Literal, NamedTuple, Protocol
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, Response, ViewportSize

from tests.e2e.browsing import PATIENCE_MS, show_beak
from tests.e2e.catalogue import NOBODY, PAGES, Place
from tests.e2e.companies import Company

LANGUAGES = ("en", "ru")
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS: dict[str, ViewportSize] = {
    "wide": {"width": 1440, "height": 900},
    "phone": {"width": 390, "height": 844},
}


class Look(NamedTuple):
    """How a page is looked at."""

    language: str
    theme: Literal["light", "dark"]
    #: A key of `WIDTHS`.
    width: str
    #: Whether it is measured how text stands out from what is behind it, which takes the most time by far.
    contrast: bool = True


EVERY_LOOK = tuple(Look(*look) for look in product(LANGUAGES, THEMES, WIDTHS))
#: Both languages, themes and widths.
_OPPOSITE = (Look("en", "light", "wide"), Look("ru", "dark", "phone"))


class View(NamedTuple):
    """A page that stands in the browser now."""

    place: Place
    role: str
    look: Look
    #: That of the company.
    state: str
    page: Page

    @property
    def name(self) -> str:
        """Return a name of which there are no two in one tour."""
        return f"{self.place.name}__{self.role}-{'-'.join(self.look[:3])}-{self.state}"


class ChooseLooks(Protocol):
    """Says in which looks a page is visited by the people of a role."""

    def __call__(self, place: Place, role: str, state: str) -> Sequence[Look]:
        """Return the looks; none for a page that is left out."""


def every_look(place: Place, role: str, state: str) -> Sequence[Look]:
    """All there are, for everybody."""
    return EVERY_LOOK


def each_look_once(place: Place, role: str, state: str) -> Sequence[Look]:
    """Both languages, both themes and both widths of each page of a company at work; otherwise one look, in turn.

    Otherwise: for a company not yet at work, and at work, without the contrast, for the other roles of a page and for
    the same page of another service. As long as there is nothing yet, these show nothing else.
    """
    nth = place.roles.index(role) + place.again
    if nth == 0 and state == "full":
        return _OPPOSITE
    if nth > 0 and state == "empty":
        return ()
    return (_OPPOSITE[(PAGES.index(place) + nth) % 2]._replace(contrast=nth == 0),)


def tour(browser: Browser, company: Company, looks: ChooseLooks = every_look) -> Iterator[View]:
    """Visit all pages that the company has; each stands still until the next is asked for.

    Raises AssertionError when a page answers otherwise than the catalogue says.
    """
    for role in dict.fromkeys(role for place in PAGES for role in place.roles):
        with _signed_in(browser, company, role) as page:
            for place in PAGES:
                path = place.path(company.known[place.service])
                if role not in place.roles or path is None:
                    continue
                url = f"{company.run['services'][place.service]}{path}"
                chosen = sorted(looks(place, role, company.state))
                for language, of_one_language in groupby(chosen, lambda look: look.language):
                    _go(page, url, language, place)
                    for look in of_one_language:
                        page.set_viewport_size(WIDTHS[look.width])
                        page.emulate_media(color_scheme=look.theme, reduced_motion="reduce")
                        with _opened(page, place.clicks):
                            yield View(place, role, look, company.state, page)


@contextmanager
def _signed_in(browser: Browser, company: Company, role: str) -> Iterator[Page]:
    """Yield a page of somebody with the role, who is signed in everywhere."""
    with ExitStack() as stack:
        context = stack.enter_context(browser.new_context())
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        if role != NOBODY:
            show_beak(page, company.run["services"]["auth"], company.person(role)["beak"])
            page.wait_for_url(lambda url: "/sign-in" not in url)
            for url in company.run["services"].values():
                page.goto(url)
        yield page


#: What wide pages do without.
_ONLY_ON_A_PHONE = ".menu-button"


@contextmanager
def _opened(page: Page, button: str) -> Iterator[None]:
    """Click on the button, if there is one to be seen, and close again what that opens."""
    if not button or (button == _ONLY_ON_A_PHONE and not page.locator(button).first.is_visible()):
        yield
        return
    page.locator(button).first.click()
    yield
    page.keyboard.press("Escape")


def _go(page: Page, url: str, language: str, place: Place) -> None:
    host = urlsplit(url).hostname
    page.context.add_cookies([{"name": "lang", "value": language, "domain": host, "path": "/"}])
    answer = page.goto(url)
    if place.sends:
        answer = _send(page, place.sends)
    assert answer is not None
    assert answer.status == place.status, f"{place.name}: {answer.status} at {url}"
    if place.awaits:
        page.wait_for_selector(place.awaits)
    # What drops down would cover the rest of the page: it is clicked on, in a line of its own in the catalogue.
    page.evaluate("document.querySelectorAll('details:not(.drop)').forEach(folded => folded.open = true)")


def _send(page: Page, form: str) -> Response | None:
    """Send the form without the browser's own look at it."""
    with page.expect_navigation() as sent:
        page.locator(form).first.evaluate("form => form.submit()")
    return sent.value
