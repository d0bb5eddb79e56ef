"""Who listens to what, as the HANDLERS tables of the services say."""

import importlib

from deploy.settings import CONSUMING_SERVICES
from messaging import HandlerTable


def subscriptions() -> dict[str, HandlerTable]:
    """Return the table of each service; one that listens to nobody is not there."""
    return {service: importlib.import_module(f"{service}_service.handlers").HANDLERS for service in CONSUMING_SERVICES}
