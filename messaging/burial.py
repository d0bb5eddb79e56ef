"""The burial of a message: written down as dead once, and told from a copy of one that is dead already."""

from typing import NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from messaging import inbox, suspects
from messaging.dead_letters.messages import dead_message
from messaging.dead_letters.record import holding_letters, letter_ids, record_dead_letter, same_message
from messaging.dead_letters.rules import State
from messaging.envelope import Event
from messaging.errors import PermanentError
from messaging.observer import OutcomeName
from messaging.sender import is_sent_on
from messaging.tables import DeadLetter
from messaging.transport import Delivery, Message


class Buried(NamedTuple):
    """What has become of the message."""

    outcome: OutcomeName
    #: What is to be put among the dead letters.
    twin: Message | None = None
    letter_id: UUID | None = None


class Burial:
    """The burial of one message."""

    def __init__(
        self, service: str, delivery: Delivery, event: Event | None, error: PermanentError, *, attempts: int
    ) -> None:
        """Take the message, why it is dead, and after how many attempts. `event`: what it was read as, if it was."""
        self._service = service
        self._delivery = delivery
        self._event = event
        self._error = error
        self._attempts = attempts
        self._letter_ids = letter_ids(delivery, error)
        #: The letter that was made, and which of its deaths this is; perhaps in a transaction that was rolled back.
        self._written: tuple[UUID, int] | None = None

    def write_down(self, session: Session) -> Buried:
        """Write it down, unless it was handled meanwhile by somebody else or is a copy of what a letter holds back.

        May be called again after a failure, and then writes nothing twice: a commit may succeed without an answer.
        """
        buried = (
            self._handled_meanwhile(session)
            or self._held_back(session)
            or self._dead(session)
            or self._held_back(session)  # since this very moment
            or Buried("duplicate")
        )
        waited = self._waited_as(buried)
        if waited is not None:
            inbox.stop_waiting(session, [waited])
            suspects.clear(session, [waited])
        return buried

    def _waited_as(self, buried: Buried) -> UUID | None:
        """Return the event that others perhaps waited for. What is not valid any more may have been when it began to.

        The letter of a message that no longer can be read is named by the message, so a stranger's says nothing.
        """
        if self._event is not None:
            return self._event.id
        return buried.letter_id if is_sent_on(self._delivery) or _is_event(self._delivery.body) else None

    def _handled_meanwhile(self, session: Session) -> Buried | None:
        if self._event is None or not inbox.was_handled(session, self._event.id):
            return None
        return Buried("duplicate")

    def _held_back(self, session: Session) -> Buried | None:
        letter = holding_letters(session, self._letter_ids).get(same_message(self._delivery))
        if letter is None:
            return None
        written = (letter.id, letter.deaths) == self._written
        twin = missing_twin(letter, self._service, perhaps=written or self._delivery.redelivered)
        return Buried("dead" if written else "duplicate", twin, letter.id)

    def _dead(self, session: Session) -> Buried | None:
        letter = record_dead_letter(session, self._letter_ids, self._delivery, self._error, attempts=self._attempts)
        if letter is None:
            return None
        self._written = (letter.id, letter.deaths)
        return Buried("dead", dead_message(letter, self._service), letter.id)


def missing_twin(letter: DeadLetter, service: str, *, perhaps: bool) -> Message | None:
    """Return what is to be put among the dead letters if perhaps it is missing there: the letter's message."""
    return dead_message(letter, service) if perhaps and letter.state == State.DEAD else None


def _is_event(body: bytes) -> bool:
    """Tell whether the body can be read as an event, valid or not."""
    try:
        Event.from_bytes(body)
    except PermanentError:
        return False
    return True
