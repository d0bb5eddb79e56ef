"""When a failed event is tried again: after growing delays."""

from dataclasses import dataclass, field
from datetime import timedelta
from random import Random


@dataclass(frozen=True)
class RetryPolicy:
    """How often and after which delays."""

    #: Tries in all, the first included; after the last the event is dead.
    attempts: int = 8
    #: Milliseconds, growing; the last one for all further tries.
    delays_ms: tuple[int, ...] = (200, 1_000, 5_000, 30_000, 120_000)
    #: By which share a delay may be longer, so that what failed together does not come back together.
    jitter: float = 0.2
    random: Random = field(default_factory=Random, compare=False)

    def delay_after(self, attempts: int) -> timedelta:
        """Return how long to wait after this many failed attempts."""
        delay = self.delays_ms[min(attempts, len(self.delays_ms)) - 1]
        return timedelta(milliseconds=delay * (1 + self.jitter * self.random.random()))
