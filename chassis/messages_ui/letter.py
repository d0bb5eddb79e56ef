"""The page of one dead letter: what is known of it, and what is decided about it."""

import json
from collections.abc import Mapping
from difflib import unified_diff
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from chassis.dead_letters import (
    AlreadyDecided,
    InvalidEvent,
    decide_about,
    event_of_text,
    letter_story,
    replay_with,
    try_letter,
)
from chassis.i18n import translate
from chassis.identity import require_roles
from chassis.input.bodies import load_json
from chassis.messages_ui.parts import WATCHED, is_recent, messages_pages
from chassis.messages_ui.words import frame
from chassis.people import Role
from messaging.dead_letters import LIVING, Action, DeadLetterStory, Decision, Outcome, State, Trial
from messaging.envelope import MAX_BYTES


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
@messages_pages.get("/<uuid:letter_id>/trial")
@require_roles(Role.ADMIN)
def show_edit_form(letter_id: UUID) -> Response:
    """Lead to the page with the form: a refusal or a trial leaves this address in the browser."""
    return redirect(url_for("messages_pages.show_letter", letter_id=letter_id))


@messages_pages.post("/<uuid:letter_id>/edit")
@require_roles(Role.ADMIN)
def edit_letter(letter_id: UUID) -> tuple[str, int] | Response:
    """Send an edited event in its place, or show first what changes and what would come of it.

    With its faults, the form comes back as it was filled in.
    """
    try:
        if request.form.get("step") == "compare":
            return _compared(letter_id), 200
        replay_with(letter_id, event_of_text(request.form.get("event", "").encode()) or {})
    except InvalidEvent as error:
        return _letter(letter_id, error), error.status
    except AlreadyDecided as error:
        flash(translate(error.message, error.parts), "warn")
    else:
        flash(_("The edited event is on its way."))
    return redirect(url_for("messages_pages.show_letter", letter_id=letter_id), 303)


@messages_pages.post("/<uuid:letter_id>/trial")
@require_roles(Role.ADMIN)
def try_out(letter_id: UUID) -> str:
    """Show what a replay would do; nothing of it stays."""
    return _letter(letter_id, trial=try_letter(letter_id))


def _compared(letter_id: UUID) -> str:
    """Show what the edited event changes, and what would come of it. Raises InvalidEvent."""
    changes = event_of_text(request.form.get("event", "").encode()) or {}
    return _letter(letter_id, trial=try_letter(letter_id, changes), changes=changes)


def _differences(text: str, changes: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what changes, with the lines around it: each line with `-`, `+` or a blank for what stays."""
    try:
        before = load_json(text.encode())
    except ValueError:
        before = {}
    after = {**before, **changes} if isinstance(before, dict) else dict(changes)
    old, new = (json.dumps(event, indent=2, ensure_ascii=False).splitlines() for event in (before, after))
    lines = list(unified_diff(old, new, lineterm=""))[2:]  # without the names of files
    return [(line[0], line[1:]) for line in lines if not line.startswith("@@")]


def _letter(
    letter_id: UUID,
    refusal: InvalidEvent | None = None,
    *,
    trial: Trial | None = None,
    changes: Mapping[str, Any] | None = None,
) -> str:
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
        watched=under_way and bool(story.history) and is_recent(story.history[-1].at, WATCHED),
        is_handled=story.outcome is Outcome.HANDLED,
        is_dead_again=story.outcome is Outcome.DEAD_AGAIN,
        edited_id=next((entry.detail for entry in reversed(story.history) if entry.action == Action.EDITED), None),
        edited=request.form.get("event", story.text),
        trial=trial,
        differences=None if changes is None else _differences(story.text, changes),
        refusal=translate(refusal.message, refusal.parts) if refusal else None,
        **frame(),
    )


def _letter_is_under_way(story: DeadLetterStory) -> bool:
    """Tell whether the consumer has yet to do what was decided."""
    if story.letter.state is State.REPLAYED:
        return story.outcome in (Outcome.UNDER_WAY, Outcome.BEHIND)
    return story.letter.state in LIVING


def _decide(letter_id: UUID, decision: Decision, said: str) -> Response:
    try:
        decide_about(letter_id, decision)
    except AlreadyDecided as error:
        flash(translate(error.message, error.parts), "warn")
    else:
        flash(said)
    return redirect(url_for("messages_pages.show_letter", letter_id=letter_id), 303)
