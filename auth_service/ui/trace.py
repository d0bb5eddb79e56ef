"""The timeline of a request or a job over all services, as far as they answer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from babel.units import format_unit
from flask import redirect, render_template, request, url_for
from flask_babel import get_locale
from flask_babel import gettext as _
from marshmallow import Schema
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from auth_service.ui.blueprint import pages
from auth_service.ui.tokens import token_of
from chassis import neighbours
from chassis.errors import N_
from chassis.i18n import format_money, translate
from chassis.identity import current_principal, require_roles
from chassis.input.sent import load_query
from chassis.messages_ui import reason_name
from chassis.navigation import SERVICE_NAMES
from chassis.people import Role
from chassis.runtime import runtime
from chassis.timeline.api import MAX_IDS, MAX_THREADS, TRACE_PATH, KnownStepsSchema, ThreadArgs, ThreadsSchema
from chassis.timeline.diagram import Diagram, Drawn, Kind, folded, sequence_diagram
from chassis.timeline.steps import PENDING, KnownSteps, Step, What, causes_of, known_steps
from chassis.timeline.story import Moment, merged_threads, put_together
from messaging.trail import threads_of

T = TypeVar("T")

#: Rows of the diagram: who wants to know more of a long story reads the table.
_DRAWN = 60

#: The column of whoever set it off, which is no service.
_OUTSIDE = ""

_STATES = {
    What.HELD: {
        "waiting": N_("waits for its next attempt"),
        "blocked": N_("waits behind another event"),
        "dead": N_("dead"),
        "replay_requested": N_("replay requested"),
        "replayed": N_("replayed"),
        "discarded": N_("discarded"),
    },
    What.LEDGER: {
        "fee": N_("fee"),
        "reward": N_("reward"),
        "payout": N_("payout"),
        "correction": N_("correction"),
    },
    What.LETTER: {
        "pending": N_("letter: to be sent"),
        "sending": N_("letter: to be sent"),
        "sent": N_("letter: sent"),
        "failed": N_("letter: not delivered"),
        "unknown": N_("letter: perhaps sent"),
    },
}
#: Of durations: each with its milliseconds, and up to how many it is used.
_UNITS = (("millisecond", 1, 1_000), ("second", 1_000, 100_000), ("minute", 60_000, 6_000_000))
_LARGEST = ("hour", 3_600_000)
_IN_TROUBLE = ("dead", "waiting", "blocked", "failed", "unknown", PENDING)


@dataclass(frozen=True)
class Line:
    """A moment as people read it."""

    moment: Moment
    service: str
    #: What happened, without the event's name.
    words: str
    #: The event's name without its service and version.
    name: str
    #: Needs a person, or waits.
    urgent: bool
    #: The page about it, if there is one.
    url: str | None


@pages.get("/trace")
@require_roles(Role.ADMIN)
def find_timeline() -> str | Response:
    """What has to do with an id; if that is one request or job alone, its timeline."""
    what = request.args.get("id", "").strip()
    if not what:
        return render_template("auth/timelines.html", what="", threads=[], silent=[])
    load_query(ThreadArgs)
    answers = _ask(
        f"{TRACE_PATH}?{urlencode({'id': what})}",
        ThreadsSchema,
        lambda session: threads_of(session, what, limit=MAX_THREADS),
    )
    threads = merged_threads(thread for told in answers.values() for thread in told or ())
    if len(threads) == 1:
        return redirect(url_for("auth.show_timeline", correlation_id=threads[0].correlation_id))
    return render_template("auth/timelines.html", what=what, threads=threads[:MAX_THREADS], silent=_silent(answers))


@pages.get("/trace/<uuid:correlation_id>")
@require_roles(Role.ADMIN)
def show_timeline(correlation_id: UUID) -> str:
    """Everything that has this correlation id, as a table and as a diagram."""
    answers = _ask_steps(correlation_id, ())
    known = sorted(_steps(answers), key=lambda step: step.at)
    event_ids = list(dict.fromkeys(causes_of(known)))[:MAX_IDS]
    if event_ids:
        answers = _ask_steps(correlation_id, event_ids)
    lines = [_line(moment) for moment in put_together(_steps(answers)).moments]
    return render_template(
        "auth/timeline.html",
        correlation_id=correlation_id,
        lines=lines,
        diagram=_diagram(lines),
        drawn=_DRAWN,
        left_out=sum(told.left_out for told in answers.values() if told),
        silent=_silent(answers),
        duration=duration,
        reason_name=reason_name,
    )


def duration(milliseconds: int) -> str:
    """Write a time as short as it can be understood: 12 ms, 1.2 sec, 5 min."""
    unit, size = next(((unit, size) for unit, size, most in _UNITS if milliseconds < most), _LARGEST)
    value = milliseconds / size
    shown = round(value, 1) if size > 1 and value < 10 else round(value)
    return format_unit(shown, f"duration-{unit}", "short", locale=get_locale())


def _ask_steps(correlation_id: UUID, event_ids: Sequence[UUID]) -> dict[str, KnownSteps | None]:
    query = f"?{urlencode({'event_ids': ','.join(map(str, event_ids))})}" if event_ids else ""
    return _ask(
        f"{TRACE_PATH}/{correlation_id}{query}",
        KnownStepsSchema,
        lambda session: known_steps(session, "auth", correlation_id, event_ids),
    )


def _ask(path: str, schema: type[Schema], own: Callable[[Session], T]) -> dict[str, T | None]:
    """Ask every service in the name of the person, and the own database."""
    settings, database, token = runtime().settings, runtime().database, token_of(current_principal())

    def asked(url: str) -> Callable[[], Any]:
        return lambda: schema().load(neighbours.ask_service(url + path, token))

    def looked_up() -> T:
        with database.reading() as session:
            return own(session)

    ask = {service: asked(url) for service, url in settings.internal_urls.items()}
    return neighbours.ask_all({**ask, settings.service: looked_up}, about="trace")


def _steps(answers: Mapping[str, KnownSteps | None]) -> Iterable[Step]:
    return (step for told in answers.values() if told for step in told.items)


def _silent(answers: Mapping[str, object]) -> list[str]:
    return [translate(SERVICE_NAMES[service]) for service, told in answers.items() if told is None]


def _line(moment: Moment) -> Line:
    step = moment.step
    return Line(
        moment,
        service=translate(SERVICE_NAMES.get(step.service, step.service)),
        words=_words(step),
        name=_short(step.type),
        urgent=step.what is not What.LEDGER and step.state in _IN_TROUBLE,
        url=_page_about(step),
    )


def _words(step: Step) -> str:
    words: str
    if step.what is What.EVENT:
        words = _("waits to be published") if step.state == PENDING else _("published")
        return words
    if step.what is What.HANDLED:
        words = _("handled")
        return words
    words = translate(_STATES[step.what].get(step.state or "", step.state or ""))
    return words if step.amount_cents is None else f"{words} {format_money(step.amount_cents)}"


def _short(type: str | None) -> str:
    """Return the name alone of `tracker.task_created.v2`."""
    return "" if type is None else type.partition(".")[2].rpartition(".v")[0]


def _page_about(step: Step) -> str | None:
    urls = runtime().settings.public_urls
    if step.what is What.HELD:
        return f"{urls[step.service]}/messages/{step.id}"
    if step.what is What.LETTER:
        return f"{urls['billing']}/payouts/{step.id}"
    if step.what is What.EVENT and step.type and step.type.startswith("tracker.task_"):
        return f"{urls['tracker']}/tasks/{step.subject}"
    return None


def _diagram(lines: Sequence[Line]) -> Diagram | None:
    """Draw who told whom what: an event is an arrow to each who has handled it, anything else a note."""
    heard = {line.moment.step.id for line in lines if line.moment.producer is not None}
    rows = folded(row for line in lines for row in _drawn(line, heard))[:_DRAWN]
    columns = [name for name in (_OUTSIDE, *SERVICE_NAMES) if any(name in (row.at, row.origin) for row in rows)]
    return _named(sequence_diagram(columns, rows)) if rows else None


def _drawn(line: Line, heard: set[UUID]) -> Iterable[Drawn]:
    moment, step = line.moment, line.moment.step
    told = {"at": step.service, "time": f"+{duration(moment.since_ms)}", "name": line.name}
    state = f": {line.words}" if line.urgent else ""
    if moment.sets_off:
        yield Drawn(Kind.ARROW, step.service, told["time"], words=_("request or job"), origin=_OUTSIDE)
    if step.what is What.EVENT:
        if step.id not in heard:
            yield Drawn(Kind.TROUBLE if line.urgent else Kind.QUIET, words=state, **told)
    elif step.what in (What.HANDLED, What.HELD):
        words = state if line.name else line.words
        yield Drawn(Kind.TROUBLE if line.urgent else Kind.ARROW, words=words, origin=moment.producer, **told)
    else:
        yield Drawn(Kind.TROUBLE if line.urgent else Kind.NOTE, words=line.words, **told)


def _named(diagram: Diagram) -> Diagram:
    names = {**SERVICE_NAMES, _OUTSIDE: N_("Outside")}
    columns = [replace(column, name=translate(names[column.name])) for column in diagram.columns]
    return replace(diagram, columns=columns)
