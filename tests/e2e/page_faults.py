"""What is wrong with a page that stands in the browser: what axe finds, and what axe does not look for."""

import re
from collections.abc import Iterator
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from tests.e2e.tour import View

#: The rules of axe: all of WCAG 2.2 A and AA, good practice, and those that axe is not yet sure of.
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice", "experimental"]
_RUN_AXE = """([tags, contrast]) => axe.run({
    runOnly: tags, rules: {"color-contrast": {enabled: contrast}}, resultTypes: ["violations"]
})"""

#: Words in Latin letters that Russian has taken as they are.
_LATIN = {"aTES", "API", "CSV", "Inc", "JPEG", "JSON", "Jira", "PNG", "RabbitMQ", "UberPopug", "English"}
#: What people have written, names and programs' words stand in these elements, and are in any language.
_FOREIGN = "bdi, code, kbd, pre, samp, textarea, script, style, [lang]:not(html)"
_TEXTS = """foreign => {
    const found = [];
    const visit = element => {
        if (element.matches(foreign)) return;
        for (const name of ["alt", "aria-label", "placeholder", "title"]) found.push(element.getAttribute(name) || "");
        for (const child of element.childNodes) {
            if (child.nodeType === Node.TEXT_NODE) found.push(child.data);
            if (child.nodeType === Node.ELEMENT_NODE) visit(child);
        }
    };
    visit(document.documentElement);
    return found;
}"""

#: With the one to "Skip to the content" it is five Tabs from the beginning of the page.
_MOST_TABS = 4
#: Counts the stops in the content up to the first that does something, or jumps to what does; 0 if there is none.
_TABS_TO_ACT = """() => {
    const stops = document.querySelectorAll(["a[href]", "button", "input", "select", "textarea", "summary"]
        .map(stop => `main ${stop}`).join(", "));
    const reached = [...stops].filter(stop => !stop.disabled && stop.type !== "hidden" && stop.checkVisibility());
    return reached.findIndex(stop => stop.matches(":not(a), [role=button], [href^='#']")) + 1;
}"""


def faults(view: View) -> Iterator[str]:
    """Tell everything that is wrong, each with where it was seen; nothing for a page that is well."""
    for fault in _faults(view):
        yield f"{view.name}: {fault}"


def _faults(view: View) -> Iterator[str]:
    yield from _found_by_axe(view.page, view.look.contrast)
    yield from _nameless(view.page)
    language = view.place.language or view.look.language
    if view.page.get_attribute("html", "lang") != language:
        yield f"its language is not said to be {language}"
    if language == "ru":
        yield from _left_in_english(view.page)
    if view.page.locator("main").count() and view.page.evaluate(_TABS_TO_ACT) > _MOST_TABS:
        yield f"its first action is {view.page.evaluate(_TABS_TO_ACT)} Tabs from the beginning of its content"
    if view.page.evaluate("document.scrollingElement.scrollWidth > document.documentElement.clientWidth"):
        yield "it scrolls sideways"


def _found_by_axe(page: Page, contrast: bool) -> Iterator[str]:
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    violations: list[dict[str, Any]] = page.evaluate(_RUN_AXE, [_RULES, contrast])["violations"]
    for violation in violations:
        for node in violation["nodes"]:
            yield f"{violation['id']}: {node['target']} {node['html']}\n{node['failureSummary']}"


def _nameless(page: Page) -> Iterator[str]:
    if not page.title().strip():
        yield "it has no title"
    headings = page.locator("h1:visible").all_inner_texts()
    if len(headings) != 1 or not headings[0].strip():
        yield f"it has not one heading of the first level, but {headings}"


def _left_in_english(page: Page) -> Iterator[str]:
    texts: list[str] = page.evaluate(_TEXTS, _FOREIGN)
    for text in texts:
        words = set(re.findall(r"(?<![\w@./-])[A-Za-z]{3,}(?![\w@./-])", text)) - _LATIN
        if words:
            yield f"English in a Russian page: {' '.join(text.split())!r}"
