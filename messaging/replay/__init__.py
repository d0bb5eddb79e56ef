"""Replay: what producers have published is sent once more, to one consumer only, which may start from nothing.

replay.py     the whole, from the pause of the live consumers to its end
pause.py      the row that makes them pause
history.py    the producers' side: outboxes, read while they go on being written
verdicts.py   what is dead stays dead
sending.py    to the private queue, in step with the consumer
queue.py      from the private queue, in order
"""

from messaging.replay.history import Producer, Survey
from messaging.replay.pause import abandon, ongoing
from messaging.replay.replay import Forget, Progress, Replay, ReplayReport, producers_of

__all__ = ["Forget", "Producer", "Progress", "Replay", "ReplayReport", "Survey", "abandon", "ongoing", "producers_of"]
