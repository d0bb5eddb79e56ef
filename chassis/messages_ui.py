"""The pages under /messages, the same in every service, for administrators: the outbox and the dead letters."""

from dataclasses import replace
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response

from chassis.dead_letters import (
    AlreadyDecided,
    InvalidEvent,
    decide_about,
    decide_about_all,
    event_of_text,
    letter_story,
    page_of_letters,
    replay_with,
)
from chassis.errors import N_
from chassis.i18n import translate
from chassis.identity import require_roles
from chassis.input.sent import load_query, load_sent
from chassis.messages_api import DeadLetterArgs, SelectionOnPage
from chassis.people import Role
from chassis.runtime import runtime
from messaging import outbox_status
from messaging.dead_letters import (
    OPEN,
    STATE_FILTERS,
    DeadLetterGroup,
    Decision,
    Selection,
    State,
    dead_letter_groups,
    recent_decisions,
)
from messaging.envelope import MAX_BYTES

messages_pages = Blueprint("messages_pages", __name__, template_folder="templates", url_prefix="/messages")

_LETTERS_ON_A_PAGE = 25
_DECISIONS_SHOWN = 10

_REASONS = {
    "not-an-event": N_("no event"),
    "wrong-content-type": N_("wrong content type"),
    "too-large": N_("too large"),
    "unknown-type": N_("unknown type"),
    "schema-invalid": N_("does not fit its schema"),
    "refused-by-handler": N_("refused"),
    "attempts-used-up": N_("all attempts used up"),
    "kills-the-process": N_("ends the process"),
    "given-up-by-broker": N_("given up by RabbitMQ"),
}
#: Of the states, and of what a letter's history can hold besides them.
_NAMES = {
    "open": N_("in the queue"),
    "dead": N_("dead"),
    "replay_requested": N_("replay requested"),
    "discard_requested": N_("discard requested"),
    "replayed": N_("replayed"),
    "discarded": N_("discarded"),
    "all": N_("all of them"),
    "died": N_("died"),
    "edited": N_("edited and replay requested"),
}
_SERVICES = {"auth": N_("Users"), "tracker": N_("Tasks"), "billing": N_("Accounts"), "analytics": N_("Analytics")}


@messages_pages.get("")
@require_roles(Role.ADMIN)
def overview() -> str:
    """How the outbox is, the dead letters in groups and one by one, and who decided what."""
    asked = load_query(DeadLetterArgs)
    state, wanted = asked["state"], Selection(asked["type"], asked["reason"])
    with runtime().database.reading() as session:
        outbox = outbox_status(session)
        groups = dead_letter_groups(session)
        decisions = recent_decisions(session, limit=_DECISIONS_SHOWN)
    return render_template(
        "messages/overview.html",
        outbox=outbox,
        groups=groups,
        total=sum(group.count for group in groups),
        undecided=sum(group.undecided for group in groups),
        last_position=max((group.last_position for group in groups), default=0),
        letters=page_of_letters(replace(asked["page"], limit=_LETTERS_ON_A_PAGE), wanted, state),
        decisions=decisions,
        wanted=wanted,
        state=state,
        types=_choices([group.type for group in groups], wanted.type),
        reasons=_choices([group.reason for group in groups], wanted.reason),
        states=list(STATE_FILTERS),
        under_way=any(group.undecided < group.count for group in groups),
        **_frame(),
    )


@messages_pages.get("/<uuid:letter_id>")
@require_roles(Role.ADMIN)
def show_letter(letter_id: UUID) -> str:
    """One dead letter with all that is known of it."""
    return _letter(letter_id)


@messages_pages.post("/<uuid:letter_id>/replay")
@require_roles(Role.ADMIN)
def replay_letter(letter_id: UUID) -> Response:
    """Have it handled once more."""
    return _decide(letter_id, Decision.REPLAY, _("It is on its way to be handled once more."))


@messages_pages.post("/<uuid:letter_id>/discard")
@require_roles(Role.ADMIN)
def discard_letter(letter_id: UUID) -> Response:
    """Give it up."""
    return _decide(letter_id, Decision.DISCARD, _("Given up. It stays on record."))


@messages_pages.post("/<uuid:letter_id>/edit")
@require_roles(Role.ADMIN)
def edit_letter(letter_id: UUID) -> tuple[str, int] | Response:
    """Send an edited event in its place; with its faults, the form comes back as it was filled in."""
    try:
        replay_with(letter_id, event_of_text(request.form.get("event", "").encode()) or {})
    except InvalidEvent as error:
        return _letter(letter_id, error), error.status
    except AlreadyDecided as error:
        flash(translate(error.message, error.parts), "warn")
    else:
        flash(_("The edited event is on its way."))
    return redirect(url_for("messages_pages.show_letter", letter_id=letter_id), 303)


@messages_pages.post("/replay")
@require_roles(Role.ADMIN)
def replay_group() -> Response:
    """Have a group, or all, handled once more."""
    count = decide_about_all(_sent_selection(), Decision.REPLAY)
    flash(ngettext("%(num)d letter is on its way.", "%(num)d letters are on their way.", count))
    return redirect(url_for("messages_pages.overview"), 303)


@messages_pages.get("/discard")
@require_roles(Role.ADMIN)
def confirm_discard() -> str:
    """Ask before a group, or all, are given up."""
    selection = _sent_selection()
    with runtime().database.reading() as session:
        groups = [group for group in dead_letter_groups(session) if _is_in(group, selection)]
    return render_template("messages/discard.html", groups=groups, selection=selection, **_frame())


@messages_pages.post("/discard")
@require_roles(Role.ADMIN)
def discard_group() -> Response:
    """Give up a group, or all."""
    count = decide_about_all(_sent_selection(), Decision.DISCARD)
    flash(ngettext("%(num)d letter was given up.", "%(num)d letters were given up.", count))
    return redirect(url_for("messages_pages.overview"), 303)


def _letter(letter_id: UUID, refusal: InvalidEvent | None = None) -> str:
    story = letter_story(letter_id)
    return render_template(
        "messages/letter.html",
        story=story,
        letter=story.letter,
        is_cut=story.size > MAX_BYTES,
        is_open=story.letter.state in OPEN,
        is_dead=story.letter.state is State.DEAD,
        edited=request.form.get("event") if refusal else story.text,
        refusal=translate(refusal.message, refusal.parts) if refusal else None,
        **_frame(),
    )


def _decide(letter_id: UUID, decision: Decision, said: str) -> Response:
    try:
        decide_about(letter_id, decision)
    except AlreadyDecided as error:
        flash(translate(error.message, error.parts), "warn")
    else:
        flash(said)
    return redirect(url_for("messages_pages.show_letter", letter_id=letter_id), 303)


def _sent_selection() -> Selection:
    """Which letters the form or the link names. Nothing that died after the page was shown is among them."""
    sent = load_sent(SelectionOnPage, request.values)
    return Selection(sent["type"], sent["reason"], sent["up_to"])


def _is_in(group: DeadLetterGroup, selection: Selection) -> bool:
    return selection.type in (None, group.type) and selection.reason in (None, group.reason)


def _choices(found: list[str], chosen: str | None) -> list[str]:
    """Return what a filter offers: also what is chosen, when there is none of it any more."""
    return sorted({*found, *([chosen] if chosen else [])})


def _frame() -> dict[str, object]:
    """Return what every page needs: the names of things, and the way to the messages of the other services."""
    settings = runtime().settings
    return {
        "reason_name": _reason_name,
        "name_of": _name_of,
        "services": [
            (translate(title), f"{settings.public_urls[service]}/messages", service == settings.service)
            for service, title in _SERVICES.items()
        ],
    }


def _reason_name(reason: str) -> str:
    return translate(_REASONS.get(reason, reason))


def _name_of(state_or_action: str) -> str:
    return translate(_NAMES[state_or_action])
