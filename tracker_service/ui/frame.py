"""What all pages share: the blueprint, and reading what was sent."""

from collections.abc import Mapping, Sequence

from flask import Blueprint, request

from chassis.errors import ServiceError
from chassis.i18n import translate
from chassis.people import Role
from chassis.places import Place
from tracker_service.errors import N_, InvalidTask
from tracker_service.models import DONE, OPEN

#: The roles that see everybody's tasks and reassign them.
OVERSEERS = (Role.MANAGER, Role.ADMIN)

pages = Blueprint(
    "tracker", __name__, template_folder="../templates", static_folder="../static", static_url_path="/static/tracker"
)

#: The roles that can be assigned tasks.
_ASSIGNED = tuple(role for role in Role if role not in OVERSEERS)

#: What belongs to the first place, whoever's it is.
_TASKS = ("tracker.create_task", "tracker.show_task", "tracker.update_task")

PLACES = (
    Place(N_("My tasks"), "tracker.own_tasks", roles=_ASSIGNED, also=_TASKS),
    Place(N_("Overview"), "tracker.own_tasks", roles=OVERSEERS, also=_TASKS),
    Place(N_("Created by me"), "tracker.created_tasks"),
    Place(N_("All tasks"), "tracker.all_tasks", roles=OVERSEERS),
    Place(
        N_("Reassignments"),
        "tracker.list_reassignments",
        roles=OVERSEERS,
        also=("tracker.preview_reassignment", "tracker.show_reassignment"),
    ),
)

#: What people call the statuses of a task.
STATUS_NAMES = {OPEN: N_("birdie in a cage"), DONE: N_("millet in a bowl")}


@pages.app_template_global()
def status_name(status: str) -> str:
    """Return the status in the language of the request."""
    return translate(STATUS_NAMES[status])


def translated_errors(error: ServiceError | None) -> Mapping[str, Sequence[str]]:
    """Return what is wrong with which field, in the language of the page."""
    found = (error.errors if error else None) or {}
    return {field: [translate(text) for text in texts] for field, texts in found.items()}


def form_field(name: str) -> str:
    """Return what was typed into a field, or nothing."""
    return request.form.get(name, "")


def form_key() -> str | None:
    """Return the form's own Idempotency-Key: who clicks twice creates one thing."""
    return request.form.get("key", "")[:255] or None


def reason(error: ServiceError) -> str:
    """Return why it was refused, in the language of the page."""
    return translate(error.message or error.title, error.parts)


def above_the_form(error: ServiceError | None) -> str | None:
    """What stands above the form; faults of a field stand at the field."""
    return None if error is None or isinstance(error, InvalidTask) else reason(error)
