"""The page of all messages: the outbox, the dead letters in groups and one by one, and what is decided about many."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response

from chassis.db import utc_now
from chassis.dead_letters import (
    ReplayGoesOn,
    begin_gradually,
    decide_about_all,
    note_group,
    page_of_letters,
    retry_all,
    stop_gradually,
)
from chassis.i18n import translate
from chassis.identity import require_roles
from chassis.input.sent import load_query, load_sent
from chassis.messages_api import DeadLetterArgs, SelectionOnPage
from chassis.messages_ui.parts import WATCHED, is_recent, messages_pages
from chassis.messages_ui.words import frame
from chassis.operations_api import NoteArgs, NoteOf
from chassis.people import Role
from chassis.runtime import runtime
from messaging import count_waiting, outbox_status
from messaging.dead_letters import (
    STATE_FILTERS,
    DeadLetterGroup,
    Decision,
    GradualReplayView,
    RecentDecision,
    Selection,
    count_dead,
    count_dead_letters,
    dead_letter_groups,
    group_notes,
    latest_gradual_replay,
    recent_decisions,
)
from messaging.errors import UnknownType

_LETTERS_ON_A_PAGE = 25
_DECISIONS_SHOWN = 10
#: For so long the outcome of the latest replay stands above the list.
_NEWS = timedelta(minutes=10)


@messages_pages.get("")
@require_roles(Role.ADMIN)
def overview() -> str:
    """How the outbox is, the dead letters in groups and one by one, and who decided what."""
    asked = load_query(DeadLetterArgs)
    state, wanted = asked["state"], Selection(asked["type"], asked["reason"], field=asked["field"])
    with runtime().database.reading() as session:
        outbox = outbox_status(session)
        groups = dead_letter_groups(session)
        total, (last_position, undecided) = count_dead_letters(session), count_dead(session, Selection())
        decisions = recent_decisions(session, limit=_DECISIONS_SHOWN)
        waiting = count_waiting(session)
        notes = group_notes(session)
        gradual = latest_gradual_replay(session)
        is_filtered = state == "open" and any((wanted.type, wanted.reason, wanted.field))
        chosen = count_dead(session, wanted) if is_filtered else (0, 0)
    return render_template(
        "messages/overview.html",
        outbox=outbox,
        groups=groups,
        notes=notes,
        gradual=gradual if gradual and _is_news(gradual) else None,
        chosen={"count": chosen[1], "last_position": chosen[0]},
        waiting=waiting,
        total=total,
        undecided=undecided,
        last_position=last_position,
        letters=page_of_letters(replace(asked["page"], limit=_LETTERS_ON_A_PAGE), wanted, state),
        decisions=decisions,
        wanted=wanted,
        state=state,
        types=_choices([group.type for group in groups], wanted.type),
        reasons=_choices([group.reason for group in groups], wanted.reason),
        states=list(STATE_FILTERS),
        unknown_types=[group.type for group in groups if group.reason == UnknownType.reason],
        news=_news(decisions, gradual),
        watched=_is_watched(groups, decisions) or (gradual is not None and gradual.ended_at is None),
        **frame(),
    )


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


@messages_pages.post("/replay-gradually")
@require_roles(Role.ADMIN)
def replay_gradually() -> Response:
    """Have what the filter shows handled once more: 1, then 10, 100, ..., until letters die again."""
    try:
        count = begin_gradually(_sent_selection())
    except ReplayGoesOn as error:
        flash(translate(error.message), "warn")
    else:
        flash(ngettext("%(num)d dead letter is replayed.", "%(num)d dead letters are replayed, a few at first.", count))
    return redirect(url_for("messages_pages.overview"), 303)


@messages_pages.post("/replay-gradually/stop")
@require_roles(Role.ADMIN)
def stop_gradual_replay() -> Response:
    """Take no further step."""
    flash(_("Stopped. What is under way comes to its end.") if stop_gradually() else _("It had ended before."))
    return redirect(url_for("messages_pages.overview"), 303)


@messages_pages.get("/note")
@require_roles(Role.ADMIN)
def edit_note() -> str:
    """The note of a group, to be written or changed."""
    asked = load_query(NoteOf)
    with runtime().database.reading() as session:
        note = group_notes(session).get((asked["type"], asked["reason"]))
    return render_template("messages/note.html", note=note, **asked, **frame())


@messages_pages.post("/note")
@require_roles(Role.ADMIN)
def write_note() -> Response:
    """Write a note about a group, or take it away."""
    sent = load_sent(NoteArgs, request.form)
    note_group(sent["type"], sent["reason"], sent["text"])
    flash(_("Noted."))
    return redirect(url_for("messages_pages.overview", _anchor="groups"), 303)


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
        _newest, count = count_dead(session, selection)
    return render_template("messages/discard.html", groups=groups, count=count, selection=selection, **frame())


@messages_pages.post("/discard")
@require_roles(Role.ADMIN)
def discard_group() -> Response:
    """Give up a group, or all."""
    count = decide_about_all(_sent_selection(), Decision.DISCARD)
    flash(ngettext("%(num)d dead letter was discarded.", "%(num)d dead letters were discarded.", count))
    return redirect(url_for("messages_pages.overview"), 303)


def _is_watched(groups: Sequence[DeadLetterGroup], decisions: Sequence[RecentDecision]) -> bool:
    """Tell whether something is under way of which the outcome should be known in a moment."""
    under_way = any(group.undecided < group.count for group in groups) or any(
        decision.outcome is not None and decision.outcome.under_way for decision in decisions
    )
    return under_way and bool(decisions) and is_recent(decisions[0].at, WATCHED)


def _news(decisions: Sequence[RecentDecision], gradual: GradualReplayView | None) -> RecentDecision | None:
    """Return the latest decision if it is fresh, its outcome is worth telling, and no gradual replay tells it."""
    latest = decisions[0] if decisions else None
    if not latest or not latest.outcome or not is_recent(latest.at, _NEWS):
        return None
    is_step = gradual is not None and gradual.started_at <= latest.at <= (gradual.ended_at or utc_now())
    return None if is_step else latest


def _is_news(replay: GradualReplayView) -> bool:
    return replay.ended_at is None or is_recent(replay.ended_at, _NEWS)


def _sent_selection() -> Selection:
    """Which letters the form or the link names. Nothing that died after the page was shown is among them."""
    sent = load_sent(SelectionOnPage, request.values)
    return Selection(**sent)


def _is_in(group: DeadLetterGroup, selection: Selection) -> bool:
    return selection.type in (None, group.type) and selection.reason in (None, group.reason)


def _choices(found: list[str], chosen: str | None) -> list[str]:
    """Return what a filter offers: also what is chosen, when there is none of it any more."""
    return sorted({*found, *([chosen] if chosen else [])})
