"""The enrolled beaks, kept in memory: a sign-in reads only what was enrolled since the one before."""

import threading

from sqlalchemy import select
from sqlalchemy.orm import Session

from auth_service.domain.beak import from_bytes
from auth_service.domain.gallery import Gallery
from auth_service.models import Beak


class BeakMemory:
    """The gallery of this process. A gallery never changes, so whoever has one needs no lock."""

    def __init__(self) -> None:
        """Start with an empty memory; the first look reads everything."""
        self._lock = threading.Lock()
        self._gallery = Gallery()

    def look(self, session: Session) -> Gallery:
        """Return all beaks enrolled so far, and remember them. Not for who enrols one in the same transaction."""
        gallery = self.peek(session)
        with self._lock:
            if gallery.revision > self._gallery.revision:
                self._gallery = gallery
        return gallery

    def peek(self, session: Session) -> Gallery:
        """Return all beaks that the transaction sees, its own as well, which may yet be rolled back."""
        known = self._gallery
        newer = select(Beak).where(Beak.revision > known.revision).order_by(Beak.revision)
        rows = session.scalars(newer).all()
        if not rows:
            return known
        return known.with_beaks([(row.user_id, from_bytes(row.descriptor)) for row in rows], revision=rows[-1].revision)
