"""The small rules of auth: names and addresses, permissions, PKCE, clients, and the drawn parrots."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_service.demo.parrot import draw_parrot
from auth_service.demo.people import PEOPLE
from auth_service.domain.clients import clients_of, granted_scope
from auth_service.domain.permissions import permissions_of
from auth_service.domain.person import ROLES, is_external_id, person
from auth_service.domain.pkce import is_challenge, proves
from auth_service.errors import InvalidUser

# RFC 7636, appendix B
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_a_person_is_tidied() -> None:
    tidy = person("  Кеша ", " k@x.example ", "popug")
    assert (tidy.name, tidy.email) == ("Кеша", "k@x.example")


@pytest.mark.parametrize("email", ["", "k", "k@", "@x.example", "k@x", "k k@x.example", "k@x..example", "к@x.example"])
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(InvalidUser) as refused:
        person("Кеша", email, "popug")
    assert "email" in (refused.value.errors or {})


@pytest.mark.parametrize(
    "name", ["", "  ", "a\nb", "a\0b", "a\u2028b", "\ud800", "x" * 201, "\u200b", "\u3164", "\u0301"]
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidUser) as refused:
        person(name, "k@x.example", "popug")
    assert "name" in (refused.value.errors or {})


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(InvalidUser) as refused:
        person("", "", "king")
    assert (refused.value.errors or {}).keys() == {"name", "email", "role"}


@given(st.text(max_size=250), st.text(max_size=50))
def test_whatever_is_typed_is_taken_or_refused(name: str, email: str) -> None:
    try:
        tidy = person(name, email, "popug")
    except InvalidUser:
        return
    assert 1 <= len(tidy.name) <= 200
    assert tidy.email.count("@") == 1


def test_an_external_id_is_one_line() -> None:
    assert is_external_id("hr-17")
    assert not is_external_id("")
    assert not is_external_id(" hr")
    assert not is_external_id("a\nb")
    assert not is_external_id("x" * 201)


def test_permissions_follow_the_role() -> None:
    assert all("tasks.create" in permissions_of(role, active=True) for role in ROLES)
    may_complete = {role for role in ROLES if "tasks.complete_own" in permissions_of(role, active=True)}
    assert may_complete == {"popug", "boss", "accountant"}
    may_reassign = {role for role in ROLES if "tasks.reassign" in permissions_of(role, active=True)}
    assert may_reassign == {"manager", "admin"}
    assert {role for role in ROLES if "accounts.read_all" in permissions_of(role, active=True)} == {
        "accountant",
        "admin",
    }
    assert {role for role in ROLES if "analytics.read" in permissions_of(role, active=True)} == {"admin"}


def test_who_is_blocked_may_do_nothing() -> None:
    assert all(permissions_of(role, active=False) == [] for role in ROLES)


def test_the_example_of_the_rfc_is_proven() -> None:
    assert is_challenge(CHALLENGE)
    assert proves(VERIFIER, CHALLENGE)


@pytest.mark.parametrize("verifier", ["", VERIFIER[:-1], VERIFIER + "x", CHALLENGE, "ä" * 43, VERIFIER + "\n"])
def test_nothing_else_proves_it(verifier: str) -> None:
    assert not proves(verifier, CHALLENGE)


@given(st.text(max_size=150))
def test_no_text_breaks_the_proof(text: str) -> None:
    assert not proves(text, CHALLENGE)
    assert is_challenge(text) in (True, False)


def test_every_other_service_is_a_client_at_its_own_address() -> None:
    clients = clients_of({"auth": "http://a:1", "tracker": "http://t:2"})
    assert clients.keys() == {"tracker"}
    assert clients["tracker"].redirect_uri == "http://t:2/sign-in/callback"


def test_unknown_scopes_are_left_out() -> None:
    assert granted_scope("profile openid offline_access") == "openid profile"
    assert granted_scope("") == ""


def test_the_same_key_always_draws_the_same_parrot() -> None:
    assert draw_parrot("kesha") == draw_parrot("kesha")
    assert draw_parrot("kesha") != draw_parrot("gosha")


def test_the_demo_company_has_every_role_and_files_for_everybody() -> None:
    assert {one.role for one in PEOPLE} == set(ROLES)
    assert all(one.key.isascii() and one.key.islower() for one in PEOPLE)
    assert len({one.key for one in PEOPLE}) == len(PEOPLE) == 12
