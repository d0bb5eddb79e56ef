"""What the commands need besides a session, one set per application."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask, current_app

from auth_service.commands.keys import KeyRing
from auth_service.domain.clients import Client, clients_of
from auth_service.queries.beaks import BeakMemory
from chassis.db import Database
from chassis.neighbours import Neighbours
from chassis.settings import Settings

_EXTENSION = "auth"
#: The services that have something to tell of a person, and how many people may be asked about at once.
TELLING = ("tracker", "billing")
_THREADS = 4
#: Seconds that the console waits for what it is about; 200,000 dead letters are counted in half of one.
_OVERVIEW_PATIENCE = 2.0


@dataclass(frozen=True)
class Tools:
    """Everything that lives longer than a request."""

    keys: KeyRing
    beaks: BeakMemory
    clients: Mapping[str, Client]
    #: What the other services tell of a person, for the first page.
    summaries: Neighbours[dict[str, Any]]
    #: How each service fares, for the console of operators.
    overviews: Neighbours[dict[str, Any]]


def make_tools(settings: Settings, database: Database) -> Tools:
    """Make them; nothing is read from the database yet."""
    summaries = Neighbours[dict[str, Any]](TELLING, about="summary", threads=_THREADS)
    overviews = Neighbours[dict[str, Any]](
        settings.public_urls, about="overview", threads=_THREADS, patience=_OVERVIEW_PATIENCE
    )
    return Tools(KeyRing(database), BeakMemory(), clients_of(settings.public_urls), summaries, overviews)


def install_tools(app: Flask, tools: Tools) -> None:
    """Let the views of this application find them."""
    app.extensions[_EXTENSION] = tools


def tools() -> Tools:
    """Return those of the application that serves this request."""
    found: Tools = current_app.extensions[_EXTENSION]
    return found
