"""When a failed event is tried again: growing delays, one wait queue for each."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from messaging.topology import RETRY_DELAYS_MS

#: More than a broker needs to get going after a restart.
_PATIENCE = timedelta(minutes=10)


@dataclass(frozen=True)
class RetryPolicy:
    """How often and after which delays."""

    #: Tries in all, the first included; after the last the event is dead.
    attempts: int = 8
    #: Milliseconds, growing; each has a wait queue of its own.
    delays_ms: tuple[int, ...] = RETRY_DELAYS_MS
    #: Chance to wait in the next longer queue instead, so that what failed together does not come back together.
    jitter: float = 0.2
    random: Random = field(default_factory=Random, compare=False)

    def next_try(self, attempts: int) -> tuple[int, datetime]:
        """Return the delay in milliseconds after this many failed attempts, and when that will be."""
        step = attempts - 1 + (1 if self.random.random() < self.jitter else 0)
        delay = self.delays_ms[min(step, len(self.delays_ms) - 1)]
        return delay, datetime.now(UTC) + timedelta(milliseconds=delay)

    @property
    def patience(self) -> timedelta:
        """How much later than expected an event may be back."""
        return _PATIENCE + timedelta(milliseconds=max(self.delays_ms))

    def behind(self, head_back_at: datetime) -> tuple[int, datetime]:
        """Return the delay of an event that waits behind one that is back at that time, and when it will be itself."""
        delay = self.delay_until(head_back_at)
        return delay, datetime.now(UTC) + timedelta(milliseconds=delay)

    def delay_until(self, moment: datetime) -> int:
        """Return the shortest delay in milliseconds that lasts until then, or else the longest one."""
        left = (moment - datetime.now(UTC)) / timedelta(milliseconds=1)
        return next((delay for delay in self.delays_ms if delay >= left), self.delays_ms[-1])
