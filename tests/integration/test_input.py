"""Whatever is sent to a service, it answers that it does not understand: never that it broke."""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import pytest
from werkzeug.routing import Rule

from tests.integration.input_house import SERVICES, Visited, visit

DEEP = "[" * 100_000
LONG_NUMBER = "9" * 5_000

#: What pages read of their addresses, by kind, with what they cannot understand.
NASTY: Mapping[tuple[str, ...], Sequence[str]] = {
    ("day", "from", "to"): ["0001-01-01", "9999-12-31", "2026-02-30", "nut\0", LONG_NUMBER],
    ("up_to", "limit"): ["-1", str(2**63), "1e400", "\0", LONG_NUMBER],
    ("type", "reason"): ["a\0b", "x" * 5_000, "\u202e"],
    ("state", "status", "role", "period", "whose", "lang", "next", "prompt"): ["a\0b", "x" * 5_000, "//x", "\u202e"],
}
#: What pages read of their forms, and what nobody means to write there.
FIELDS = ("title", "jira_id", "description", "note", "amount", "key", "name", "email", "role", "event", "type", "up_to")
NASTY_FIELDS = (
    "",
    "a\0b",
    "\u202e",
    "\u200b",
    "x" * 20_000,
    LONG_NUMBER,
    "[" * 5_000,
    '{"type": 1e400}',
    '{"data": "\\ud800"}',
)


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


NASTY_CURSORS = [
    "",
    "!",
    "жако",
    "WyIwMDAxLTAxLTAxIiwgMV0",
    cursor(DEEP[:700]),
    cursor("[1e400]"),
    cursor(f"[{2**70}]"),
    cursor('["9999-12-31T23:59:59-14:00", "00000000-0000-4000-8000-000000000001"]'),
    cursor('["a\\u0000b", 1]'),
    cursor("[[[[1]]]]"),
    cursor("{}"),
]


@pytest.fixture(scope="module", params=SERVICES)
def service(request: pytest.FixtureRequest, migrated: Callable[..., Any]) -> Iterator[Visited]:
    with visit(request.param, migrated) as visited:
        yield visited


def pages(visited: Visited, method: str) -> list[str]:
    """The addresses of all pages, filled in with things that there are."""
    adapter = visited.app.url_map.bind("")

    def address(rule: Rule) -> str:
        values = {name: visited.known.get(name, UUID(int=1)) for name in rule.arguments}
        return str(adapter.build(rule.endpoint, values, method=method))

    wanted = [rule for rule in visited.app.url_map.iter_rules() if method in (rule.methods or ())]
    return [
        address(rule)
        for rule in wanted
        if not rule.rule.startswith(("/api/", "/static/")) and "filename" not in rule.arguments
    ]


def rest_lists(visited: Visited) -> list[str]:
    """The paths of all lists that come page by page."""
    described = visited.app.test_client().get("/api/openapi.json").get_json()["paths"]
    return [
        path.removeprefix("/api/v1").format(**visited.known)
        for path, methods in described.items()
        if any(parameter.get("name") == "cursor" for parameter in methods.get("get", {}).get("parameters", []))
    ]


def test_a_list_refuses_a_cursor_that_it_does_not_understand(service: Visited) -> None:
    for path in rest_lists(service):
        for nasty in NASTY_CURSORS:
            answer = service.rest("GET", path, query_string={"cursor": nasty})
            assert (answer.status_code, list(answer.json["errors"])) == (422, ["cursor"]), (path, nasty)


def test_a_list_refuses_a_filter_that_it_does_not_know_and_names_it(service: Visited) -> None:
    for path in rest_lists(service):
        assert service.rest("GET", path, query_string={"lang": "ru"}).status_code < 400, path
        answer = service.rest("GET", path, query_string={"statsu": "open"})
        assert (answer.status_code, answer.json["errors"]) == (422, {"statsu": ["Unknown field."]}), path


def test_no_page_breaks_whatever_its_address_says(service: Visited) -> None:
    for path in pages(service, "GET"):
        for names, values in {**NASTY, ("cursor", "done"): NASTY_CURSORS}.items():
            for nasty in values:
                answer = service.browser.get(path, query_string=dict.fromkeys(names, nasty), buffered=True)
                assert answer.status_code < 500, (path, names, nasty)


@pytest.mark.parametrize(
    "name", ["Accept-Language", "Accept", "Idempotency-Key", "X-Request-ID", "traceparent", "Cookie", "Authorization"]
)
def test_no_header_breaks_a_service(service: Visited, name: str) -> None:
    deep_token = "Bearer " + cursor("[" * 4_000) + ".e30.x"
    for value in (
        "x" * 4_000,
        "en;q=1e999, *;q=nan",
        "\xff\xfe",
        "," * 500,
        f"lang={'9' * 5_000}",
        deep_token,
        LONG_NUMBER,
    ):
        for path in ("/", "/api/v1/messages/outbox", "/messages"):
            answer = service.app.test_client().get(path, headers={name: value})
            assert answer.status_code < 500, (path, value)


def test_json_beyond_all_limits_is_refused_in_words(service: Visited) -> None:
    for path in (f"/messages/dead-letters/{UUID(int=1)}/replay", "/messages/dead-letters/replay"):
        for body in (DEEP, LONG_NUMBER, f'{{"type": {LONG_NUMBER}}}', '{"type": 1e400}'):
            answer = service.rest("POST", path, data=body, content_type="application/json")
            assert answer.status_code == 422, (path, body[:20])
            assert "nested too deeply" in answer.json["detail"]


def test_no_page_breaks_whatever_its_form_says(service: Visited) -> None:
    for path in pages(service, "POST"):
        if path not in ("/sign-in", "/sign-out"):
            for nasty in NASTY_FIELDS:
                answer = service.browser.post(path, data=dict.fromkeys(FIELDS, nasty))
                assert answer.status_code < 500, (path, nasty)
