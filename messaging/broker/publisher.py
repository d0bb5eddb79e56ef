"""Sends to RabbitMQ with publisher confirms (https://www.rabbitmq.com/docs/confirms), many messages at a time."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pika
from pika.channel import Channel

from messaging.broker.encoding import Encoded, encode, publication
from messaging.broker.link import Link
from messaging.broker.mailbox import Mailbox
from messaging.errors import CannotBeEncoded
from messaging.transport import Message, Outcome

#: Messages written before the broker's answers are looked at.
_WRITE_AT_ONCE = 200
#: The broker's answers, each for one message or many, that are looked at together.
_OUTCOMES_AT_ONCE = 10_000
#: Seconds of nothing but refusals from the same place, after which another channel is tried. A channel that was told
#: that a quorum queue is full believes it until the queue says otherwise, which it never does if what made it full was
#: a limit that is gone (`rabbit_fifo_client`, the queue's status).
_STUBBORN = 15.0
#: Seconds in which confirms within chains may come together before anybody is told of them.
_NEWS_AFTER = 0.01
_LOST = "the connection to the broker was lost"


class RabbitPublisher:
    """Sends with confirms and `mandatory`, any number of messages at a time. Used by one thread."""

    def __init__(self, parameters: pika.URLParameters, on_news: Callable[[], None]) -> None:
        """Start to connect; `on_news` is called on the link's thread."""
        self._on_news = on_news
        self._user: str = parameters.credentials.username
        self._outcomes: Mailbox[list[Outcome]] = Mailbox()
        #: Handed over and not yet written to a connection.
        self._handed: deque[Encoded] = deque()
        #: By the tag of a message without an outcome: what stands behind it in its chain, the next one last. An outcome
        #: stands in the place of a message that cannot be sent.
        self._behind: dict[int, list[Encoded | Outcome]] = {}
        # The rest belongs to the link's thread. Delivery tags count up from 1 on each channel.
        self._channel: Channel | None = None
        self._sent = 0
        self._unconfirmed: dict[int, Encoded] = {}
        self._returned: dict[str, str] = {}
        #: Somebody is to be told of outcomes in a moment.
        self._news_due = False
        #: By exchange and routing key: since when messages are refused there, by the monotonic clock.
        self._refusing: dict[tuple[str, str], float] = {}
        self._link = Link(parameters, self._use, self._lost)
        self._link.start()

    def wait_until_connected(self, timeout: float) -> bool:
        """See `Publisher`."""
        return self._link.ready.wait(timeout)

    def obstacle(self) -> str:
        """See `Publisher`."""
        return self._link.obstacle()

    def send(self, messages: Sequence[Message]) -> None:
        """See `Publisher`."""
        self.send_chains((message,) for message in messages)

    def send_chains(self, chains: Iterable[Sequence[Message]]) -> None:
        """See `Publisher`."""
        for chain in chains:
            encoded = self._encode(chain)
            first = encoded.pop()
            if encoded:
                self._behind[first.tag] = encoded
            if isinstance(first, Encoded):
                self._handed.append(first)
            else:
                self._outcomes.put([first])
                self._on_news()
        self._link.call(self._publish)  # without a connection, the next one to open takes them along

    def _encode(self, chain: Sequence[Message]) -> list[Encoded | Outcome]:
        """Return the chain from its end to its beginning; it ends with the first message that cannot be sent."""
        encoded: list[Encoded | Outcome] = []
        for message in chain:
            try:
                encoded.append(encode(message, user_id=self._user))
            except CannotBeEncoded as error:  # here, for on the link's thread it would cost the connection
                encoded.append(Outcome(message.tag, False, f"cannot be encoded: {error}", hopeless=True))
                break
        encoded.reverse()
        return encoded

    def outcomes(self, timeout: float) -> list[Outcome]:
        """See `Publisher`."""
        return [outcome for together in self._outcomes.take(_OUTCOMES_AT_ONCE, timeout) for outcome in together]

    def close(self) -> None:
        """See `Publisher`."""
        self._link.close()

    def _use(self, channel: Channel, _number: int) -> None:
        channel.add_on_return_callback(self._on_return)
        channel.confirm_delivery(self._on_confirm, callback=lambda _frame: self._ready(channel))

    def _ready(self, channel: Channel) -> None:
        self._sent = 0
        self._refusing = {}
        self._news_due = False
        self._channel = channel
        self._link.opened()
        self._on_news()
        self._publish()

    def _lost(self) -> None:
        self._channel = None
        lost = [Outcome(message.tag, False, _LOST, lost=True) for message in self._unconfirmed.values()]
        for outcome in lost:
            self._behind.pop(outcome.tag, None)
        self._unconfirmed = {}
        self._returned = {}
        if lost:
            self._outcomes.put(lost)
        self._on_news()

    def _publish(self) -> None:
        if self._write(_WRITE_AT_ONCE) and self._handed:
            self._link.call(self._publish)  # confirms that came in meanwhile have their turn first

    def _write(self, limit: int) -> bool:
        channel = self._channel
        if channel is None or not channel.is_open or not self._handed:
            return False
        messages = [self._handed.popleft() for _ in range(min(len(self._handed), limit))]
        for message in messages:
            self._sent += 1
            self._unconfirmed[self._sent] = message
        number, frame_max = channel.channel_number, channel.connection.params.frame_max
        publications = [publication(message, channel=number, frame_max=frame_max) for message in messages]
        channel.connection.write(b"".join(publications))
        return True

    def _on_return(self, _channel: Channel, method: Any, properties: Any, _body: bytes) -> None:
        # The broker confirms a returned message right afterwards: no queue failed to take it, there was none.
        self._returned[properties.message_id or ""] = method.reply_text

    def _on_confirm(self, frame: Any) -> None:
        method = frame.method
        confirmed = isinstance(method, pika.spec.Basic.Ack)
        outcomes = [self._settle(number, confirmed) for number in self._answered(method)]
        following = self._next(outcomes) if self._behind else []
        self._outcomes.put(outcomes)
        if following:
            self._handed.extendleft(following)
            self._write(len(following))
        if len(following) < len(outcomes):
            self._on_news()
        else:
            self._give_news_soon()
        if self._link.trouble:
            self._link.works()
        if self._refusing and time.monotonic() - min(self._refusing.values()) >= _STUBBORN:
            self._link.reopen("RabbitMQ refuses what is sent to " + " and ".join(key for _, key in self._refusing))

    def _answered(self, method: Any) -> list[int]:
        if not method.multiple:
            return [method.delivery_tag]
        found = []
        for number in self._unconfirmed:  # in the order sent
            if number > method.delivery_tag:
                break
            found.append(number)
        return found

    def _give_news_soon(self) -> None:
        """All chains go on, so nothing depends on who hears of it: tell of many confirms at once."""
        if self._channel is not None and not self._news_due:
            self._news_due = True
            self._channel.connection.ioloop.call_later(_NEWS_AFTER, self._give_news)

    def _give_news(self) -> None:
        self._news_due = False
        self._on_news()

    def _next(self, outcomes: list[Outcome]) -> list[Encoded]:
        """Return what follows in the chains now; what cannot be sent is one more outcome."""
        following: list[Encoded] = []
        for outcome in outcomes:  # also over those that are added
            behind = self._behind.pop(outcome.tag, None)
            if behind and outcome.confirmed:
                message = behind.pop()
                if behind:
                    self._behind[message.tag] = behind
                if isinstance(message, Encoded):
                    following.append(message)
                else:
                    outcomes.append(message)
        return following

    def _settle(self, number: int, confirmed: bool) -> Outcome:
        message = self._unconfirmed.pop(number)
        returned = self._returned.pop(message.message_id, None) if self._returned else None
        if returned is not None:
            return Outcome(message.tag, False, f"returned: {returned}")
        if not confirmed:
            self._refusing.setdefault((message.exchange, message.routing_key), time.monotonic())
            return Outcome(message.tag, False, "refused by the broker")
        if self._refusing:
            self._refusing.pop((message.exchange, message.routing_key), None)
        return Outcome(message.tag, True)
