"""What the OpenAPI documents say is what the services do, whatever is sent: schemathesis against real databases."""

from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from chassis.people import Role
from tests.integration.input_house import SERVICES, Visited, visit

CHECKS: list[Any] = [not_a_server_error, content_type_conformance, response_schema_conformance]
#: Where a browser would be shown a page.
JSON = {"Accept": "application/json, application/problem+json"}
#: Mostly somebody who gets past the door; None is nobody.
WHO = [Role.ADMIN, Role.ADMIN, Role.ADMIN, *Role, None]
#: Of each operation. There are some 140: in CI 2,000 cases in all, in a soak more than 50,000.
CASES, CASES_IN_CI, CASES_OF_A_SOAK = 3, 15, 400


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_keeps_to_its_document(service: str, migrated: Callable[..., Any]) -> None:
    attack(service, migrated, settings(max_examples=CASES, derandomize=True))


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_keeps_to_its_document_in_2000_cases(service: str, migrated: Callable[..., Any]) -> None:
    attack(service, migrated, settings(max_examples=CASES_IN_CI, derandomize=True))


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_keeps_to_its_document_for_long(service: str, migrated: Callable[..., Any]) -> None:
    attack(service, migrated, settings(max_examples=CASES_OF_A_SOAK))


def attack(service: str, migrated: Callable[..., Any], how_much: settings) -> None:
    """Send cases of every operation, those that fit its description and those that do not."""
    with visit(service, migrated) as visited:
        document = schemathesis.openapi.from_wsgi("/api/openapi.json", visited.app)
        for described in document.get_all_operations():
            assert isinstance(described, Ok), described
            attack_operation(visited, described.ok(), how_much)


def attack_operation(visited: Visited, operation: APIOperation[Any, Any, Any, Any], how_much: settings) -> None:
    """Send cases of one operation, by people of every role."""
    fitting, unfitting = (operation.as_strategy(generation_mode=mode) for mode in GenerationMode)

    @settings(how_much, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=fitting | unfitting, who=st.sampled_from(WHO), of_what_there_is=st.booleans())
    def send(case: Case[Any], who: Role | None, of_what_there_is: bool) -> None:
        if of_what_there_is:
            case.path_parameters = {
                name: str(visited.known.get(name, sent)) for name, sent in case.path_parameters.items()
            }
        headers = {**JSON, **(visited.headers[who] if who else {})}
        case.call_and_validate(headers=headers, checks=CHECKS)

    send()
