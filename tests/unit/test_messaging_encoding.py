"""What is sent is, byte for byte, what pika would send."""

from datetime import UTC, datetime
from typing import Any

import pika
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pika.exceptions import ShortStringTooLong
from pika.frame import Body, Header, Method

from messaging.broker.encoding import encode, publication
from messaging.errors import CannotBeEncoded
from messaging.transport import Message

CHANNEL = 1
#: The smallest that a broker may ask for.
FRAME_MAX = 4096

#: Of one to four bytes a character, some of them too long.
texts = st.text(max_size=70) | st.sampled_from(("", "é" * 127, "é" * 128, "x" * 255, "x" * 256))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.sampled_from((2**31 - 1, 2**31, -(2**31), -(2**31) - 1))
    | st.text()
    | st.binary()
    | st.integers(0, 2**35).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
    max_leaves=5,
)
messages = st.builds(
    Message,
    tag=st.integers(),
    exchange=texts,
    routing_key=texts,
    body=st.binary(max_size=20) | st.integers(FRAME_MAX - 10, 3 * FRAME_MAX).map(bytes),
    content_type=texts,
    message_id=texts,
    type=texts,
    app_id=texts,
    correlation_id=texts,
    timestamp=st.none() | st.integers(0, 2**64 - 1),
    headers=st.dictionaries(texts, values, max_size=4),
)


def as_pika_sends_it(message: Message, user_id: str) -> bytes:
    properties = pika.BasicProperties(
        content_type=message.content_type,
        delivery_mode=pika.DeliveryMode.Persistent.value,
        message_id=message.message_id or None,
        type=message.type or None,
        user_id=user_id,
        app_id=message.app_id or None,
        correlation_id=message.correlation_id or None,
        timestamp=message.timestamp,
        headers=dict(message.headers) or None,
    )
    publish = pika.spec.Basic.Publish(exchange=message.exchange, routing_key=message.routing_key, mandatory=True)
    room = FRAME_MAX - pika.spec.FRAME_HEADER_SIZE - pika.spec.FRAME_END_SIZE
    parts = [message.body[start : start + room] for start in range(0, len(message.body), room)]
    frames = [Method(CHANNEL, publish), Header(CHANNEL, len(message.body), properties)]
    return b"".join(frame.marshal() for frame in [*frames, *(Body(CHANNEL, part) for part in parts)])


@given(messages, st.text(min_size=1, max_size=20))
@example(
    Message(1, "events", "shop.sold.v1", b"{}", "application/json", headers={"subject": "ä", "sequence": 2**40}), "shop"
)
def test_a_message_is_encoded_as_pika_encodes_it_or_refused_as_by_pika(message: Message, user_id: str) -> None:
    try:
        expected = as_pika_sends_it(message, user_id)
    except ShortStringTooLong:
        with pytest.raises(CannotBeEncoded):
            encode(message, user_id=user_id)
    else:
        assert publication(encode(message, user_id=user_id), channel=CHANNEL, frame_max=FRAME_MAX) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"timestamp": -1},
        {"timestamp": 2**64},
        {"message_id": "\ud800"},
        {"routing_key": "x" * 256},
        {"headers": {"n": 2**63}},
        {"headers": {"n": 0.5}},
        {"headers": {"note": "x" * 128 * 1024}},
    ],
    ids=str,
)
def test_what_amqp_cannot_say_is_refused_before_it_is_sent(changes: dict[str, Any]) -> None:
    message = Message(1, "events", "shop.sold.v1", b"{}", "application/json", type="shop.sold.v1")
    with pytest.raises(CannotBeEncoded, match=r"shop\.sold\.v1"):
        encode(message._replace(**changes), user_id="shop")
