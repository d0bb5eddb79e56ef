"""Letters that go to a mail server, which may refuse them, break off or be away."""

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest

from billing_service.domain.retries import ATTEMPTS
from billing_service.jobs import send_letters
from chassis.scheduler import JobWaits
from tests.integration.billing_house import DAY, NOON, House
from tests.integration.billing_letters import letters, paid


class MailServer(socketserver.ThreadingTCPServer):
    """A mail server that takes all letters but those for `nobody@`; it can break off at a command or after a letter."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), MailSession)
        self.taken: list[tuple[str, bytes]] = []
        self.breaks_off_at: bytes | None = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.server_address[1]}"


class MailSession(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as smtplib needs."""

    server: MailServer

    def handle(self) -> None:
        self._say("220 ready")
        to = ""
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == self.server.breaks_off_at:
                return
            if word == b"RCPT":
                to = line.decode().partition("<")[2].partition(">")[0]
                self._say("550 no such popug" if to.startswith("nobody@") else "250 ok")
            elif word == b"DATA":
                self._say("354 go on")
                self.server.taken.append((to, b"".join(iter(self.rfile.readline, b".\r\n"))))
                if self.server.breaks_off_at == b".":
                    return
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


@pytest.fixture
def by_mail(migrated: Callable[..., Any], mail_server: MailServer) -> Iterator[House]:
    house = House(migrated("billing", SMTP_URL=mail_server.url))
    yield house
    house.dispose()


def test_with_a_mail_server_letters_go_there_and_a_refused_one_waits(by_mail: House, mail_server: MailServer) -> None:
    for name in ("Rio", "Nobody", "Kea"):
        by_mail.post(by_mail.person(name=name), 1234)
    by_mail.close(DAY, at=NOON)
    send_letters(by_mail.settings, by_mail.database)
    assert sorted(to for to, _ in mail_server.taken) == ["kea@uberpopug.example", "rio@uberpopug.example"]
    for _, letter in mail_server.taken:
        assert letter.isascii()  # for servers that take no more than RFC 5321 asks
        message = message_from_bytes(letter, policy=policy.default)
        assert "вам выплачено $12.34" in message.get_content()
    assert sorted(letters(by_mail)) == [("pending", 1), ("sent", 1), ("sent", 1)]
    ((error,),) = by_mail.rows("SELECT last_error FROM payouts WHERE letter = 'pending'")
    assert "no such popug" in error
    assert not by_mail.settings.letters_dir.exists()


def test_a_mail_server_that_breaks_off_before_the_letter_has_none_so_it_is_tried_again(
    by_mail: House, mail_server: MailServer
) -> None:
    paid(by_mail, 100)
    mail_server.breaks_off_at = b"RCPT"
    send_letters(by_mail.settings, by_mail.database)
    assert letters(by_mail) == [("pending", 1)]
    mail_server.breaks_off_at = None
    by_mail.clock.set(NOON + timedelta(minutes=1))
    send_letters(by_mail.settings, by_mail.database)
    assert letters(by_mail) == [("sent", 2)]
    assert len(mail_server.taken) == 1


def test_a_mail_server_that_breaks_off_after_the_letter_gets_it_once_and_the_others_go_on(
    by_mail: House, mail_server: MailServer
) -> None:
    paid(by_mail, 100, 200)
    mail_server.breaks_off_at = b"."
    for hours in range(24):
        by_mail.clock.set(NOON + timedelta(hours=hours))
        send_letters(by_mail.settings, by_mail.database)
    assert letters(by_mail) == [("unknown", 1), ("unknown", 1)]
    assert len(mail_server.taken) == 2


@pytest.mark.parametrize("greeted", [False, True])
def test_a_mail_server_that_is_absent_or_lets_nobody_in_costs_no_attempt(
    migrated: Callable[..., Any], mail_server: MailServer, greeted: bool
) -> None:
    mail_server.breaks_off_at = b"EHLO"
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        url = mail_server.url if greeted else f"smtp://127.0.0.1:{nobody.getsockname()[1]}"
        house = House(migrated("billing", SMTP_URL=url))
        paid(house, 100)
        for _ in range(2 * ATTEMPTS):
            with pytest.raises(JobWaits):
                send_letters(house.settings, house.database)
    assert letters(house) == [("pending", 0)]
    house.dispose()
