"""Producers, schemas and subscriptions fit together."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from deploy.settings import SERVICES
from deploy.subscriptions import subscriptions
from messaging import SchemaRegistry

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "event_schemas"
REGISTRY = SchemaRegistry.load(SCHEMAS)
FILES = sorted(SCHEMAS.glob("*/*/*.json"))


def produced_by(service: str) -> set[str]:
    """The event types that the service's events.py names."""
    room = ROOT / f"{service}_service" / "events.py"
    return set(re.findall(rf'"({service}\.[a-z_]+\.v\d+)"', room.read_text())) if room.exists() else set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SCHEMAS)))
def test_a_schema_is_closed_complete_and_named_after_its_file(path: Path) -> None:
    producer, event, file_name = path.relative_to(SCHEMAS).parts
    schema: dict[str, Any] = json.loads(path.read_text())
    assert schema["$id"] == f"urn:event:{producer}.{event}.v{file_name.removesuffix('.json')}"
    assert schema["additionalProperties"] is False, "a producer sends nothing that its schema does not name"
    assert schema["title"]
    unknown = set(schema["required"]) - set(schema["properties"])
    assert not unknown
    optional = set(schema["properties"]) - set(schema["required"])
    assert all("default" in schema["properties"][name] for name in optional), "what may be absent needs a default"


@pytest.mark.parametrize("name", sorted(REGISTRY.schemas))
def test_versions_are_numbered_without_gaps_and_new_fields_can_be_filled_in(name: str) -> None:
    versions = REGISTRY.schemas[name]
    assert sorted(versions) == list(range(1, len(versions) + 1))
    for version in range(2, len(versions) + 1):
        older, newer = versions[version - 1]["properties"], versions[version]["properties"]
        assert all("default" in newer[added] for added in newer.keys() - older.keys())


@pytest.mark.parametrize("service", SERVICES)
def test_every_event_produced_has_a_schema_and_it_is_the_newest(service: str) -> None:
    newest = {f"{name}.v{REGISTRY.newest(name)}" for name in REGISTRY.names() if name.startswith(f"{service}.")}
    assert produced_by(service) == newest


@pytest.mark.parametrize("service", subscriptions())
def test_every_subscription_has_a_schema(service: str) -> None:
    assert set(subscriptions()[service]) <= set(REGISTRY.names())


@pytest.mark.parametrize("service", subscriptions())
def test_every_service_hears_of_what_ends_a_session(service: str) -> None:
    assert {"auth.user_blocked", "auth.user_unblocked", "auth.user_signed_out"} <= set(subscriptions()[service])


def test_every_business_event_has_a_consumer_except_those_kept_for_audit() -> None:
    consumed = set().union(*subscriptions().values())
    nobody = set(REGISTRY.names()) - consumed
    assert nobody <= {
        "auth.user_signed_in",
        "billing.account_opened",
        "billing.account_closed",
        "billing.balance_carried",
        "billing.payout_made",
        "billing.payout_failed",
        "tracker.reassignment_finished",
    }
