"""The subscriptions of all services, from their HANDLERS tables, and the event types that have no subscriber."""

import importlib

from deploy.settings import CONSUMING_SERVICES, REPOSITORY
from messaging import HandlerTable, SchemaRegistry


def subscriptions() -> dict[str, HandlerTable]:
    """Return the table of each service; one that listens to nobody is not there."""
    return {service: importlib.import_module(f"{service}_service.handlers").HANDLERS for service in CONSUMING_SERVICES}


def unread_types() -> set[str]:
    """Return the types that have a schema and that nobody listens to, such as `auth.user_signed_in.v1`."""
    schemas = SchemaRegistry.load(REPOSITORY / "event_schemas").schemas
    heard = {name for table in subscriptions().values() for name in table}
    return {f"{name}.v{version}" for name in schemas.keys() - heard for version in schemas[name]}
