"""The events as an AsyncAPI 3.0 document: https://www.asyncapi.com/docs/reference/specification/v3.0.0.

A channel is a routing key of the events exchange. A producer sends the newest version of each of its events; a consumer
receives every version of what it listens to.
"""

import json
from collections.abc import Mapping
from typing import Any

from messaging.envelope import CONTENT_TYPE
from messaging.schemas.compatibility import Subscriptions
from messaging.schemas.examples import Glossary, example_event
from messaging.schemas.json_schema import Schema
from messaging.schemas.registry import SchemaRegistry
from messaging.topology import DEFAULT_EXCHANGE, events_queue

_BINDING_VERSION = "0.3.0"
_UUID = {"type": "string", "format": "uuid"}

#: What every envelope has; each message narrows it down to its type.
_CLOUD_EVENT: Schema = {
    "title": "A CloudEvent 1.0 in structured JSON",
    "type": "object",
    "required": [
        *("specversion", "id", "source", "type", "subject", "time"),
        *("datacontenttype", "dataschema", "sequence", "correlationid", "data"),
    ],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {**_UUID, "description": "Consumers know by it what they have handled already"},
        "source": {"type": "string", "format": "uri-reference"},
        "type": {"type": "string"},
        "subject": {"type": "string", "minLength": 1, "description": "The aggregate: order is kept within it"},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "dataschema": {"type": "string", "format": "uri"},
        "sequence": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1, "description": "The aggregate's version"},
        "correlationid": {**_UUID, "description": "Of everything that one request set off"},
        "causationid": {**_UUID, "description": "The event whose handling made this one"},
        "traceparent": {"type": "string", "minLength": 1, "description": "W3C trace context"},
        "data": {"type": "object"},
    },
}

#: Headers beside the AMQP properties message_id, type, app_id, timestamp and correlation_id.
_HEADERS: Schema = {
    "title": "Headers of the AMQP message, for whoever looks at it in a console",
    "type": "object",
    "required": ["subject", "sequence"],
    "properties": {"subject": {"type": "string"}, "sequence": {"type": "integer"}},
}


def document(
    registry: SchemaRegistry,
    subscriptions: Subscriptions,
    glossary: Glossary,
    *,
    info: Mapping[str, Any],
    servers: Mapping[str, Any],
    exchange: str = DEFAULT_EXCHANGE,
) -> dict[str, Any]:
    """Return the document. info, servers: the objects of these names in AsyncAPI."""
    types = [f"{name}.v{version}" for name in sorted(registry.names()) for version in sorted(registry.schemas[name])]
    newest = [f"{name}.v{registry.newest(name)}" for name in sorted(registry.names())]
    sends = [_operation("send", type.partition(".")[0], type) for type in newest]
    receives = [
        _operation("receive", service, type)
        for service, names in subscriptions.items()
        for type in types
        if type.rpartition(".v")[0] in names
    ]
    return {
        "asyncapi": "3.0.0",
        "info": dict(info),
        "defaultContentType": CONTENT_TYPE,
        "servers": dict(servers),
        "channels": {type: _channel(type, exchange) for type in types},
        "operations": dict(sends + receives),
        "components": {
            "messages": {type: _message(registry, glossary, type) for type in types},
            "schemas": {
                "CloudEvent": _CLOUD_EVENT,
                "Headers": _HEADERS,
                **{type: _data_schema(registry, type) for type in types},
            },
        },
    }


def as_json(found: Mapping[str, Any]) -> str:
    """Return the document as text, for a file."""
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def _channel(type: str, exchange: str) -> dict[str, Any]:
    where = {"name": exchange, "type": "topic", "durable": True, "autoDelete": False}
    return {
        "address": type,
        "messages": {type: {"$ref": f"#/components/messages/{type}"}},
        "bindings": {"amqp": {"is": "routingKey", "exchange": where, "bindingVersion": _BINDING_VERSION}},
    }


def _operation(action: str, service: str, type: str) -> tuple[str, dict[str, Any]]:
    if action == "send":
        summary = f"{service} publishes it through its outbox"
        binding: dict[str, Any] = {"deliveryMode": 2, "mandatory": True, "timestamp": True}
    else:
        summary = f"{service} handles it from its queue {events_queue(service)}"
        binding = {"ack": True}
    return f"{service}.{action}.{type}", {
        "action": action,
        "summary": summary,
        "channel": {"$ref": f"#/channels/{type}"},
        "messages": [{"$ref": f"#/channels/{type}/messages/{type}"}],
        "tags": [{"name": service}],
        "bindings": {"amqp": {**binding, "bindingVersion": _BINDING_VERSION}},
    }


def _message(registry: SchemaRegistry, glossary: Glossary, type: str) -> dict[str, Any]:
    event = example_event(registry, type, glossary)
    envelope = json.loads(event.to_bytes())
    told = {name: {"const": envelope[name]} for name in ("type", "source", "dataschema")}
    return {
        "name": type,
        "title": _schema(registry, type).get("title", type),
        "contentType": CONTENT_TYPE,
        "headers": {"$ref": "#/components/schemas/Headers"},
        "payload": {
            "allOf": [
                {"$ref": "#/components/schemas/CloudEvent"},
                {"properties": {**told, "data": {"$ref": f"#/components/schemas/{type}"}}},
            ]
        },
        "correlationId": {"location": "$message.payload#/correlationid"},
        "bindings": {"amqp": {"messageType": type, "bindingVersion": _BINDING_VERSION}},
        "examples": [{"headers": {"subject": event.subject, "sequence": event.sequence}, "payload": envelope}],
    }


def _data_schema(registry: SchemaRegistry, type: str) -> Schema:
    """The schema without what names it a document of its own: here it is a part of one."""
    return {key: value for key, value in _schema(registry, type).items() if key not in ("$schema", "$id")}


def _schema(registry: SchemaRegistry, type: str) -> Schema:
    name, _, version = type.rpartition(".v")
    return registry.schemas[name][int(version)]
