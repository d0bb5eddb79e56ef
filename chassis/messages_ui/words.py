"""What the pages about messages call things."""

from flask_babel import format_decimal
from flask_babel import gettext as _

from chassis.errors import N_
from chassis.i18n import translate
from messaging.dead_letters import OutcomeCounts

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


def frame() -> dict[str, object]:
    """Return what every page needs: the names of things."""
    return {"reason_name": reason_name, "name_of": name_of, "told_outcome": told_outcome}


def reason_name(reason: str) -> str:
    """Return what a reason of death is called in the language of the request."""
    return translate(_REASONS.get(reason, reason))


def name_of(state_or_action: str) -> str:
    """Return what a state, or something in a history, is called in the language of the request."""
    return translate(_NAMES[state_or_action])


def told_outcome(counts: OutcomeCounts) -> str:
    """Say what became of the letters of a decision: 398 handled, 2 dead again."""
    parts = [
        (counts.handled, _("%(num)s handled", num=format_decimal(counts.handled))),
        (counts.dead_again, _("%(num)s dead again", num=format_decimal(counts.dead_again))),
        (counts.under_way, _("%(num)s under way", num=format_decimal(counts.under_way))),
        (counts.behind, _("%(num)s behind another event", num=format_decimal(counts.behind))),
    ]
    return ", ".join(text for count, text in parts if count)
