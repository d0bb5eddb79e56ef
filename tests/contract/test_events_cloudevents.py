"""Every message is a valid CloudEvent: the official SDK (https://github.com/cloudevents/sdk-python) reads it."""

import re

import pytest
from cloudevents.core.bindings.rabbitmq import RabbitMQMessage, from_rabbitmq_event, to_structured_event

from deploy import schemas
from messaging import Event, SchemaRegistry, message_context
from messaging.envelope import CONTENT_TYPE
from messaging.schemas import example_event

REGISTRY: SchemaRegistry = schemas.registry()
TYPES = [f"{name}.v{version}" for name, versions in REGISTRY.schemas.items() for version in versions]
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def an_event(type: str) -> Event:
    """A valid event of the type that another one caused, as a consumer makes it."""
    cause = example_event(REGISTRY, type, schemas.glossary())
    with message_context(correlation_id=cause.correlation_id, cause=cause, traceparent=TRACE):
        return Event.new(type, subject=cause.subject, sequence=7, data=cause.data)


@pytest.mark.parametrize("type", TYPES)
def test_the_official_sdk_reads_every_attribute(type: str) -> None:
    event = an_event(type)
    read = from_rabbitmq_event(RabbitMQMessage(headers={}, content_type=CONTENT_TYPE, body=event.to_bytes()))
    assert read.get_attributes() == {
        "specversion": "1.0",
        "id": str(event.id),
        "source": f"/{event.producer}",
        "type": type,
        "subject": event.subject,
        "time": event.time,
        "datacontenttype": "application/json",
        "dataschema": f"urn:event:{type}",
        "sequence": 7,
        "correlationid": str(event.correlation_id),
        "causationid": str(event.causation_id),
        "traceparent": TRACE,
    }
    assert read.get_data() == event.data


@pytest.mark.parametrize("type", TYPES)
def test_what_the_official_sdk_writes_is_read_here(type: str) -> None:
    event = an_event(type)
    read = from_rabbitmq_event(RabbitMQMessage(headers={}, content_type=CONTENT_TYPE, body=event.to_bytes()))
    written = to_structured_event(read)
    assert written.content_type == CONTENT_TYPE
    assert Event.from_bytes(written.body) == event


@pytest.mark.parametrize("type", TYPES)
def test_names_of_attributes_are_as_the_specification_wants_them(type: str) -> None:
    read = from_rabbitmq_event(RabbitMQMessage({}, CONTENT_TYPE, an_event(type).to_bytes()))
    assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in read.get_attributes())


def test_the_data_schema_is_the_id_of_the_schema() -> None:
    for name, versions in REGISTRY.schemas.items():
        for version, schema in versions.items():
            assert schema["$id"] == f"urn:event:{name}.v{version}"
