"""What people write about a group of dead letters, for whoever looks next."""

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from messaging.dead_letters.decisions import Actor
from messaging.tables import DeadLetterNote
from messaging.text import storable


def group_notes(session: Session) -> dict[tuple[str, str], DeadLetterNote]:
    """Return the notes by type and reason."""
    return {(note.type, note.reason): note for note in session.scalars(select(DeadLetterNote))}


def write_note(session: Session, type: str, reason: str, text: str, *, by: Actor) -> None:
    """Write a note in place of the one that the group has; an empty one takes it away."""
    text = storable(text).strip()
    if not text:
        is_of_group = (DeadLetterNote.type == type, DeadLetterNote.reason == reason)
        session.execute(delete(DeadLetterNote).where(*is_of_group))
        return
    words = {"text": text, "actor_id": by.user_id, "actor_name": by.name, "at": func.now()}
    note = insert(DeadLetterNote).values(type=type, reason=reason, **words)
    session.execute(note.on_conflict_do_update(index_elements=["type", "reason"], set_=words))
