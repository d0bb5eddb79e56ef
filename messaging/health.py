"""What a relay or consumer is doing at this moment, for probes that ask from another thread.

Ready and alive are two questions (https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/):
who waits for a server is not ready and quite alive; who has not come round for a long time should be started anew.
"""

import time


class Health:
    """Written by the thread that works, read by any other."""

    def __init__(self) -> None:
        """Begin as not ready."""
        #: Whether it does its work, or stands by for the one that does.
        self.ready = False
        #: In words, for a person who looks at the probe.
        self.doing = "starting"
        self._turned_at = time.monotonic()

    def turn(self, doing: str, *, ready: bool) -> None:
        """Say once in each round of the main loop what is being done."""
        self.doing = doing
        self.ready = ready
        self.come_round()

    def come_round(self) -> None:
        """Say within a long round that the work goes on, whatever it is."""
        self._turned_at = time.monotonic()

    def seconds_since_turn(self) -> float:
        """How long ago the main loop last came round."""
        return time.monotonic() - self._turned_at
