"""What a web application of ours carries with it, for the views to reach."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import current_app

from chassis.db import Database
from chassis.dead_letter_counts import DeadLetterCounts
from chassis.overview import FurtherNeeds
from chassis.people import FindUser
from chassis.places import Place
from chassis.sessions import Confirmations
from chassis.settings import Settings
from chassis.timeline.steps import FurtherSteps
from chassis.tokens import TokenVerifier
from messaging import HandlerTable

EXTENSION = "ates"


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """The parts of a running service: `with runtime().database.transaction() as session: ...`."""

    settings: Settings
    database: Database
    find_user: FindUser
    verifier: TokenVerifier
    #: auth's word on sessions; None in auth itself, whose `find_user` knows.
    confirmations: Confirmations | None
    #: Where a person without a session is sent.
    sign_in_url: str
    dead_letter_counts: DeadLetterCounts
    #: What the service subscribes to.
    handlers: HandlerTable
    #: The second row of the bar.
    places: Sequence[Place]
    #: What follows from events of this service, on a timeline.
    further_steps: FurtherSteps
    #: What of this service waits for a person, besides messages and jobs.
    further_needs: FurtherNeeds


def runtime() -> Runtime:
    """Return the runtime of the application that serves this request."""
    found: Runtime = current_app.extensions[EXTENSION]
    return found
