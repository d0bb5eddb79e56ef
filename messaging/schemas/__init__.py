"""The schemas of events: what services validate with, and the tools that a build runs over them.

A service needs `SchemaRegistry` (which `messaging` exports, too) and an `UpcasterTable`. For CI there are

    lock           refuses a published schema that was changed
    compatibility  says what a new version breaks, and for whom; it compares schemas with gaps.py
    catalogue      writes a page of all events in Markdown, with the examples of examples.py
    asyncapi       writes the same for programs
    json_schema    the part of JSON Schema that all of these understand
"""

from messaging.schemas import asyncapi, catalogue, compatibility, json_schema, lock
from messaging.schemas.examples import Glossary, example, example_event
from messaging.schemas.json_schema import Schema
from messaging.schemas.registry import SchemaRegistry, Upcaster, UpcasterTable

__all__ = [
    "Glossary",
    "Schema",
    "SchemaRegistry",
    "Upcaster",
    "UpcasterTable",
    "asyncapi",
    "catalogue",
    "compatibility",
    "example",
    "example_event",
    "json_schema",
    "lock",
]
