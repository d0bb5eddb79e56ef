"""Bytes at everything that a consumer does with a message, guided by the code that they reach.

    python -m tests.soak.fuzz_wire CORPUS -max_total_time=300

The options are libFuzzer's. The folder CORPUS is begun with the examples of all events, and keeps what reached
something new; an input that fails is left where `-artifact_prefix` says: name its file in place of CORPUS to try again.
"""

import sys
from pathlib import Path
from struct import pack, unpack_from

import atheris
import pika

with atheris.instrument_imports(include=["messaging", "pika"]):
    from messaging import SchemaRegistry
    from messaging.envelope import CONTENT_TYPE
    from messaging.schemas import Glossary, example_event
    from tests.strangers import as_delivered, encounter

from deploy.settings import REPOSITORY

REGISTRY = SchemaRegistry.load(REPOSITORY / "event_schemas")
NAMES = sorted(REGISTRY.names())


def one_message(found: bytes) -> None:
    """Take the length of the properties in two bytes, the properties, and the body."""
    if len(found) < 2:
        return
    (length,) = unpack_from(">H", found)
    encounter(as_delivered(found[2 : 2 + length], found[2 + length :]), REGISTRY, NAMES)


def begin(corpus: Path) -> None:
    """Put messages of ours into the folder: bytes that are read to the end are a better start than none."""
    corpus.mkdir(parents=True, exist_ok=True)
    headers = {"subject": "apples", "attempts": 2, "x-death": [{"count": 1, "queue": "a.retry.200"}], "none": None}
    properties = b"".join(pika.BasicProperties(content_type=CONTENT_TYPE, message_id="m", headers=headers).encode())
    for name in NAMES:
        for version in REGISTRY.schemas[name]:
            event = example_event(REGISTRY, f"{name}.v{version}", Glossary())
            message = pack(">H", len(properties)) + properties + event.to_bytes()
            (corpus / event.type).write_bytes(message)


if __name__ == "__main__":
    if not Path(sys.argv[1]).is_file():
        begin(Path(sys.argv[1]))
    atheris.Setup(sys.argv, one_message)
    atheris.Fuzz()
