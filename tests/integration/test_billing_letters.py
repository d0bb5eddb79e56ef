"""Letters about payouts: each once, again when the post is away, given up in the end."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
import time_machine

from billing_service import commands
from billing_service.domain.retries import ATTEMPTS, wait_after
from billing_service.jobs import send_letters
from billing_service.mail import Letter, NotDelivered, PostIsAway
from tests.integration.billing_house import DAY, NOON, House, completed, someone, user


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("billing"))
    yield house
    house.dispose()


class Box:
    """A post that keeps what it takes, or refuses it."""

    def __init__(self, refusal: NotDelivered | None = None) -> None:
        self.refusal = refusal
        self.letters: list[Letter] = []

    def deliver(self, letter: Letter) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.letters.append(letter)


def send(house: House, post: Box, at: datetime = NOON) -> bool:
    with house.database.transaction() as session:
        return commands.send_next_letter(session, post, now=at)


def letters(house: House) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in house.rows("SELECT letter, attempts FROM payouts ORDER BY amount_cents")]


def test_the_job_sends_every_letter_once_as_a_file(house: House) -> None:
    for cents in (100, 200, 300):
        house.post_to_new(someone(), cents)
    house.close(DAY, at=NOON)
    with time_machine.travel(NOON, tick=False):
        send_letters(house.settings, house.database)
        send_letters(house.settings, house.database)
    files = sorted(house.settings.letters_dir.iterdir())
    read = [message_from_bytes(Path(file).read_bytes(), policy=policy.default) for file in files]
    assert sorted(str(message["Subject"]).split()[1] for message in read) == ["$1.00", "$2.00", "$3.00"]
    assert len({message["Message-ID"] for message in read}) == 3
    assert {message["To"] for message in read} == {"rio@uberpopug.example"}
    assert letters(house) == [("sent", 1)] * 3


def test_no_letter_is_sent_for_a_payout_that_is_not_committed(house: House) -> None:
    house.post_to_new(someone(), 100)
    with house.database.transaction() as session:
        commands.close_next_day(session, commands.open_books(session, now=NOON), up_to=DAY)
        post = Box()
        assert not send(house, post)
    assert send(house, post)
    assert [letter.amount_cents for letter in post.letters] == [100]


def test_a_crash_after_sending_sends_the_same_letter_again_under_the_same_id(house: House) -> None:
    house.post_to_new(someone(), 100)
    house.close(DAY, at=NOON)
    post = Box()
    with pytest.raises(KeyboardInterrupt), house.database.transaction() as session:
        commands.send_next_letter(session, post, now=NOON)
        raise KeyboardInterrupt
    assert send(house, post)
    first, second = post.letters
    assert first == second
    assert not send(house, post)


def test_a_refused_letter_is_tried_again_later_and_others_go_on(house: House) -> None:
    house.post_to_new(someone(), 100)
    house.close(DAY, at=NOON)
    post = Box(NotDelivered("no such mailbox"))
    assert send(house, post)
    assert not send(house, post)
    post.refusal = None
    assert not send(house, post, NOON + timedelta(seconds=59))
    assert send(house, post, NOON + timedelta(minutes=1))
    assert letters(house) == [("sent", 2)]


def test_while_the_post_is_away_no_other_letter_is_tried(house: House) -> None:
    house.post_to_new(someone(), 100)
    house.post_to_new(someone(), 200)
    house.close(DAY, at=NOON)
    assert not send(house, Box(PostIsAway("mail.example: nobody answers")))
    assert sorted(attempts for _, attempts in letters(house)) == [0, 1]


def test_a_letter_is_given_up_after_all_attempts_and_the_payout_stands(house: House) -> None:
    rio = someone()
    house.post_to_new(rio, 100)
    house.close(DAY, at=NOON)
    at = NOON
    for attempt in range(1, ATTEMPTS + 1):
        assert house.events("payout_failed") == []
        assert send(house, Box(NotDelivered("mailbox full")), at)
        at += wait_after(attempt) or timedelta(0)
    (failed,) = house.events("payout_failed")
    assert failed.data["reason"] == "mailbox full"
    assert failed.data["amount_cents"] == 100
    assert failed.data["user_id"] == str(rio)
    assert letters(house) == [("failed", ATTEMPTS)]
    assert not send(house, Box(), at + timedelta(days=1))
    assert house.balance(rio) == 0
    account = [event for event in house.events() if event.subject == failed.subject]
    assert [event.sequence for event in account] == list(range(1, len(account) + 1))


def test_a_letter_to_somebody_unknown_waits_until_it_is_known_who_it_is(house: House) -> None:
    rio, task = someone(), someone()
    house.handle(completed(task, rio))
    house.close(DAY, at=NOON)
    post = Box()
    assert not send(house, post)
    house.handle(user(rio, name="Kea"))
    assert send(house, post)
    assert post.letters[0].address == "kea@uberpopug.example"


class MailServer(socketserver.ThreadingTCPServer):
    """A mail server that takes every letter, but none for `nobody@`."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), MailSession)
        self.taken: list[tuple[str, bytes]] = []


class MailSession(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as smtplib needs."""

    def handle(self) -> None:
        self._say("220 ready")
        to, letter = "", b""
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"RCPT":
                to = line.decode().partition("<")[2].partition(">")[0]
                self._say("550 no such popug" if to.startswith("nobody@") else "250 ok")
            elif word == b"DATA":
                self._say("354 go on")
                letter = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.taken.append((to, letter))  # type: ignore[attr-defined]
                self._say("250 taken")
            else:
                self._say("221 bye" if word == b"QUIT" else "250 ok")

    def _say(self, words: str) -> None:
        self.wfile.write(words.encode() + b"\r\n")


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with MailServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_with_a_mail_server_letters_go_there_and_a_refused_one_waits(
    migrated: Callable[..., Any], mail_server: MailServer
) -> None:
    house = House(migrated("billing", SMTP_URL=f"smtp://127.0.0.1:{mail_server.server_address[1]}"))
    for name in ("Rio", "Nobody", "Kea"):
        house.post(house.person(name=name), 1234)
    house.close(DAY, at=NOON)
    with time_machine.travel(NOON, tick=False):
        send_letters(house.settings, house.database)
    assert sorted(to for to, _ in mail_server.taken) == ["kea@uberpopug.example", "rio@uberpopug.example"]
    for _, letter in mail_server.taken:
        assert letter.isascii()  # for servers that take no more than RFC 5321 asks
        message = message_from_bytes(letter, policy=policy.default)
        assert "вам выплачено $12.34" in message.get_content()
    assert sorted(letters(house)) == [("pending", 1), ("sent", 1), ("sent", 1)]
    ((error,),) = house.rows("SELECT last_error FROM payouts WHERE letter = 'pending'")
    assert "no such popug" in error
    assert not house.settings.letters_dir.exists()
    house.dispose()
