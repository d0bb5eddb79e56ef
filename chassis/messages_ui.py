"""The pages under /messages, the same in every service, for administrators: the outbox and the dead letters."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import format_decimal, ngettext
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from chassis.db import utc_now
from chassis.dead_letters import (
    AlreadyDecided,
    InvalidEvent,
    decide_about,
    decide_about_all,
    event_of_text,
    letter_story,
    page_of_letters,
    replay_with,
    retry_all,
)
from chassis.errors import N_
from chassis.i18n import translate
from chassis.identity import require_roles
from chassis.input.sent import load_query, load_sent
from chassis.messages_api import DeadLetterArgs, SelectionOnPage
from chassis.people import Role
from chassis.runtime import runtime
from messaging import count_waiting, outbox_status
from messaging.dead_letters import (
    LIVING,
    STATE_FILTERS,
    Action,
    DeadLetterGroup,
    DeadLetterStory,
    Decision,
    Outcome,
    OutcomeCounts,
    RecentDecision,
    Selection,
    State,
    dead_letter_groups,
    recent_decisions,
)
from messaging.envelope import MAX_BYTES
from messaging.errors import UnknownType

messages_pages = Blueprint("messages_pages", __name__, template_folder="templates", url_prefix="/messages")

_LETTERS_ON_A_PAGE = 25
_DECISIONS_SHOWN = 10
#: For so long after a decision the pages refresh themselves; then there is a link.
_WATCHED = timedelta(minutes=2)
#: For so long the outcome of the latest replay stands above the list.
_NEWS = timedelta(minutes=10)

_REASONS = {
    "not-an-event": N_("not an event"),
    "wrong-content-type": N_("wrong content type"),
    "too-large": N_("too large"),
    "not-from-its-producer": N_("not from its producer"),
    "unknown-type": N_("unknown type"),
    "schema-invalid": N_("does not fit its schema"),
    "refused-by-handler": N_("refused by its handler"),
    "attempts-used-up": N_("all attempts used up"),
    "kills-the-process": N_("ends the process"),
    "ends-the-transaction": N_("its handler ends the transaction"),
    "given-up-by-broker": N_("rejected by RabbitMQ"),
}
#: Of the states, and of what a letter's history can hold besides them.
_NAMES = {
    "open": N_("undecided"),
    "held": N_("not dead: waiting"),
    "waiting": N_("waits for its next attempt"),
    "blocked": N_("waits behind another event"),
    "dead": N_("dead"),
    "replay_requested": N_("replay requested"),
    "replayed": N_("replayed"),
    "discarded": N_("discarded"),
    "all": N_("all"),
    # Stands in histories of earlier days.
    "discard_requested": N_("discard requested"),
    "died": N_("died"),
    "edited": N_("edited and replay requested"),
}


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
        waiting = count_waiting(session)
    return render_template(
        "messages/overview.html",
        outbox=outbox,
        groups=groups,
        waiting=waiting,
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
        unknown_types=[group.type for group in groups if group.reason == UnknownType.reason],
        news=_news(decisions),
        watched=_is_watched(groups, decisions),
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
    return _decide(letter_id, Decision.REPLAY, _("It will be handled once more."))


@messages_pages.post("/<uuid:letter_id>/discard")
@require_roles(Role.ADMIN)
def discard_letter(letter_id: UUID) -> Response:
    """Give it up."""
    return _decide(letter_id, Decision.DISCARD, _("Discarded. Its record stays."))


@messages_pages.get("/<uuid:letter_id>/edit")
@require_roles(Role.ADMIN)
def show_edit_form(letter_id: UUID) -> Response:
    """Lead to the page with the form: a refusal leaves this address in the browser."""
    return redirect(url_for("messages_pages.show_letter", letter_id=letter_id))


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
    flash(
        ngettext(
            "%(num)d dead letter will be handled once more.", "%(num)d dead letters will be handled once more.", count
        )
    )
    return redirect(url_for("messages_pages.overview"), 303)


@messages_pages.post("/retry")
@require_roles(Role.ADMIN)
def retry() -> Response:
    """Have everything tried at once that waits for its next attempt."""
    count = retry_all()
    flash(ngettext("%(num)d event gets its next attempt now.", "%(num)d events get their next attempt now.", count))
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
    flash(ngettext("%(num)d dead letter was discarded.", "%(num)d dead letters were discarded.", count))
    return redirect(url_for("messages_pages.overview"), 303)


def _letter(letter_id: UUID, refusal: InvalidEvent | None = None) -> str:
    story = letter_story(letter_id)
    under_way = _letter_is_under_way(story)
    return render_template(
        "messages/letter.html",
        story=story,
        letter=story.letter,
        is_cut=story.size > MAX_BYTES,
        is_dead=story.letter.state is State.DEAD,
        never_died=not story.letter.deaths,
        under_way=under_way,
        watched=under_way and bool(story.history) and _is_recent(story.history[-1].at, _WATCHED),
        is_handled=story.outcome is Outcome.HANDLED,
        is_dead_again=story.outcome is Outcome.DEAD_AGAIN,
        edited_id=next((entry.detail for entry in reversed(story.history) if entry.action == Action.EDITED), None),
        edited=request.form.get("event") if refusal else story.text,
        refusal=translate(refusal.message, refusal.parts) if refusal else None,
        **_frame(),
    )


def _letter_is_under_way(story: DeadLetterStory) -> bool:
    """Tell whether the consumer has yet to do what was decided."""
    if story.letter.state is State.REPLAYED:
        return story.outcome is Outcome.UNDER_WAY
    return story.letter.state in LIVING


def _is_watched(groups: Sequence[DeadLetterGroup], decisions: Sequence[RecentDecision]) -> bool:
    """Tell whether something is under way of which the outcome should be known in a moment."""
    under_way = any(group.undecided < group.count for group in groups) or any(
        decision.outcome is not None and decision.outcome.under_way for decision in decisions
    )
    return under_way and bool(decisions) and _is_recent(decisions[0].at, _WATCHED)


def _news(decisions: Sequence[RecentDecision]) -> RecentDecision | None:
    """Return the latest decision if it is fresh and its outcome is worth telling."""
    latest = decisions[0] if decisions else None
    return latest if latest and latest.outcome and _is_recent(latest.at, _NEWS) else None


def _is_recent(moment: datetime, age: timedelta) -> bool:
    return utc_now() - moment < age


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
    """Return what every page needs: the names of things."""
    return {"reason_name": _reason_name, "name_of": _name_of, "told_outcome": _told_outcome}


def _reason_name(reason: str) -> str:
    return translate(_REASONS.get(reason, reason))


def _name_of(state_or_action: str) -> str:
    return translate(_NAMES[state_or_action])


def _told_outcome(counts: OutcomeCounts) -> str:
    """Say what became of the letters of a decision: 398 handled, 2 dead again."""
    parts = [
        (counts.handled, _("%(num)s handled", num=format_decimal(counts.handled))),
        (counts.dead_again, _("%(num)s dead again", num=format_decimal(counts.dead_again))),
        (counts.under_way, _("%(num)s under way", num=format_decimal(counts.under_way))),
    ]
    return ", ".join(text for count, text in parts if count)
