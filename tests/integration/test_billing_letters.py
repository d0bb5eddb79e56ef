"""Letters about payouts: each once, again when it was refused, given up in the end, and never twice by itself."""

import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import structlog
from apscheduler.schedulers.blocking import BlockingScheduler

from billing_service import commands
from billing_service.domain.retries import ATTEMPTS, wait_after
from billing_service.jobs import add_jobs, send_letters, send_next_letter
from billing_service.mail import DeliveryUnknown, Letter, MailError, NotDelivered, PostIsAway
from chassis.scheduler import JobWaits
from tests.integration.billing_house import DAY, NOON, House, completed, operator, someone, user

LEASE = timedelta(minutes=10)


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("billing"))
    yield house
    house.dispose()


class Box:
    """A post that keeps what it takes, or fails."""

    lease = LEASE
    repeatable = False

    def __init__(self, failure: MailError | BaseException | None = None, *, away: bool = False) -> None:
        self.failure = failure
        self.away = away
        self.letters: list[Letter] = []

    def connect(self) -> None:
        if self.away:
            raise PostIsAway("mail.example: nobody answers")

    def deliver(self, letter: Letter) -> None:
        if self.failure is not None:
            raise self.failure
        self.letters.append(letter)


def send(house: House, post: Box, at: datetime = NOON) -> bool:
    house.clock.set(at)
    return send_next_letter(house.database, post)


def recover(house: House, *, at: datetime, repeatable: bool = False) -> None:
    house.clock.set(at)
    with house.database.transaction() as session:
        commands.recover_letters(session, repeatable=repeatable)


def send_again(house: House) -> None:
    ((payout_id,),) = house.rows("SELECT id FROM payouts")
    with house.database.transaction() as session:
        commands.send_letter_again(session, payout_id)


def letters(house: House) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in house.rows("SELECT letter, attempts FROM payouts ORDER BY amount_cents")]


def paid(house: House, *cents: int) -> None:
    """Let people be owed these sums and close the day."""
    for amount in cents:
        house.post_to_new(someone(), amount)
    house.close(DAY, at=NOON)


def test_the_job_sends_every_letter_once_as_a_file(house: House) -> None:
    paid(house, 100, 200, 300)
    send_letters(house.settings, house.database)
    send_letters(house.settings, house.database)
    files = sorted(house.settings.letters_dir.iterdir())
    read = [message_from_bytes(Path(file).read_bytes(), policy=policy.default) for file in files]
    assert sorted(str(message["Subject"]).split()[1] for message in read) == ["$1.00", "$2.00", "$3.00"]
    assert len({message["Message-ID"] for message in read}) == 3
    assert {message["To"] for message in read} == {"rio@uberpopug.example"}
    assert letters(house) == [("sent", 1)] * 3


def test_letters_are_looked_for_every_few_seconds(house: House) -> None:
    scheduler = BlockingScheduler()
    add_jobs(scheduler, house.settings, house.database)
    (interval,) = (job.trigger.interval for job in scheduler.get_jobs() if job.id == "send_letters")
    assert interval <= timedelta(seconds=5)


def test_no_letter_is_sent_for_a_payout_that_is_not_committed(house: House) -> None:
    house.post_to_new(someone(), 100)
    with house.database.transaction() as session:
        commands.close_next_day(session, commands.open_books(session), up_to=DAY)
        post = Box()
        assert not send(house, post)
    assert send(house, post)
    assert [letter.amount_cents for letter in post.letters] == [100]


def test_nothing_is_locked_while_a_letter_is_on_its_way(house: House) -> None:
    paid(house, 100)

    class Looking(Box):
        def deliver(self, letter: Letter) -> None:
            idle = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
            assert house.rows(idle) == []
            super().deliver(letter)

    assert send(house, Looking())
    assert letters(house) == [("sent", 1)]


def test_a_letter_whose_sender_died_is_of_unknown_fate_and_not_sent_again(house: House) -> None:
    paid(house, 100)
    with pytest.raises(KeyboardInterrupt):
        send(house, Box(KeyboardInterrupt()))
    recover(house, at=NOON + LEASE / 2)
    assert letters(house) == [("sending", 0)]
    recover(house, at=NOON + LEASE)
    assert letters(house) == [("unknown", 0)]
    assert not send(house, Box(), NOON + timedelta(days=1))


def test_a_letter_whose_sender_died_is_sent_again_where_that_does_no_harm(house: House) -> None:
    paid(house, 100)
    with pytest.raises(KeyboardInterrupt):
        send(house, Box(KeyboardInterrupt()))
    house.clock.set(NOON + LEASE)
    send_letters(house.settings, house.database)
    assert letters(house) == [("sent", 1)]
    assert len(list(house.settings.letters_dir.iterdir())) == 1


def test_a_sender_that_comes_back_after_its_time_tells_what_it_knows_and_undoes_nothing(house: House) -> None:
    paid(house, 100)
    with house.database.transaction() as session:
        claim = commands.claim_letter(session, LEASE)
    assert claim
    recover(house, at=NOON + LEASE)
    with house.database.transaction() as session:
        commands.finish_letter(session, claim)
    assert letters(house) == [("sent", 1)]
    send_again(house)
    with house.database.transaction() as session:
        commands.finish_letter(session, claim, NotDelivered("too late to say so"))
    assert letters(house) == [("pending", 0)]


def test_a_letter_that_may_have_been_taken_is_not_repeated_and_others_go_on(house: House) -> None:
    paid(house, 100, 200)
    assert send(house, Box(DeliveryUnknown("the connection broke off")))
    post = Box()
    assert send(house, post)
    assert not send(house, post, NOON + timedelta(days=1))
    assert sorted(letters(house)) == [("sent", 1), ("unknown", 1)]


def test_a_refused_letter_is_tried_again_later_and_others_go_on(house: House) -> None:
    paid(house, 100)
    post = Box(NotDelivered("no such mailbox"))
    assert send(house, post)
    assert not send(house, post)
    post.failure = None
    assert not send(house, post, NOON + timedelta(seconds=59))
    assert send(house, post, NOON + timedelta(minutes=1))
    assert letters(house) == [("sent", 2)]


@pytest.mark.parametrize("post", [Box(away=True), Box(PostIsAway("the disk is full"))])
def test_a_post_that_is_away_costs_no_attempt_and_no_other_letter_is_tried(house: House, post: Box) -> None:
    paid(house, 100, 200)
    for _ in range(2 * ATTEMPTS):
        with pytest.raises(PostIsAway):
            send(house, post)
    assert letters(house) == [("pending", 0), ("pending", 0)]
    assert send(house, Box())


def test_of_a_post_that_is_away_only_the_job_tells(house: House) -> None:
    paid(house, 100)
    with structlog.testing.capture_logs() as lines, pytest.raises(PostIsAway):
        send(house, Box(PostIsAway("the disk is full")))
    assert lines == []


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


@pytest.mark.parametrize("failure", [None, DeliveryUnknown("broke off"), NotDelivered("mailbox full")])
def test_whatever_became_of_a_letter_it_is_sent_again_by_hand_to_the_present_address(
    house: House, failure: MailError | None
) -> None:
    rio, post = someone(), Box(failure)
    house.post_to_new(rio, 100)
    house.close(DAY, at=NOON)
    assert send(house, post)
    house.handle(user(rio, sequence=2, name="Kea", kind="user_updated"))
    post.failure = None
    for _ in range(2):
        send_again(house)
    assert send(house, post)
    assert not send(house, post)
    assert post.letters[-1].address == "kea@uberpopug.example"
    assert letters(house) == [("sent", 1)]


def test_a_letter_that_a_sender_has_at_the_moment_is_left_to_it(house: House) -> None:
    paid(house, 100)

    class Asked(Box):
        def deliver(self, letter: Letter) -> None:
            send_again(house)
            super().deliver(letter)

    post = Asked()
    assert send(house, post)
    assert not send(house, post)
    assert letters(house) == [("sent", 1)]


def test_a_letter_to_somebody_unknown_waits_until_it_is_known_who_it_is(house: House) -> None:
    rio, task = someone(), someone()
    house.handle(completed(task, rio))
    house.post_to_new(someone(), 100)
    house.close(DAY, at=NOON)
    post = Box()
    assert send(house, post)  # the other one, who is known
    assert not send(house, post)
    house.handle(user(rio, name="Kea"))
    assert send(house, post, NOON + timedelta(minutes=1))
    assert [letter.address for letter in post.letters] == ["rio@uberpopug.example", "kea@uberpopug.example"]


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


def test_an_operator_has_all_letters_of_unknown_fate_sent_again(house: House) -> None:
    paid(house, 100, 200)
    post = Box(DeliveryUnknown("broke off"))
    assert send(house, post)
    assert send(house, post)
    assert json.loads(operator(house, "send-letters-again", "failed").stdout) == {"letters": 0}
    assert json.loads(operator(house, "send-letters-again", "unknown").stdout) == {"letters": 2}
    assert letters(house) == [("pending", 0), ("pending", 0)]


def payout_id(house: House) -> UUID:
    ((found,),) = house.rows("SELECT id FROM payouts")
    return UUID(str(found))


@pytest.mark.parametrize(("role", "status"), [("popug", 403), ("manager", 403), ("accountant", 202), ("admin", 202)])
def test_accountants_and_administrators_have_a_letter_sent_again(house: House, role: str, status: int) -> None:
    paid(house, 100)
    send(house, Box(DeliveryUnknown("broke off")))
    api = house.api(house.person(role))
    (unknown,) = house.api(house.person("admin")).get("/payouts").json["items"]
    assert unknown["letter"] == "unknown"
    answer = api.post(f"/payouts/{payout_id(house)}/letter")
    assert answer.status_code == status
    assert api.post(f"/payouts/{someone()}/letter").status_code == (404 if status == 202 else 403)
    if status == 202:
        assert (answer.json["id"], answer.json["letter"]) == (unknown["id"], "pending")
        assert send(house, Box())


def test_the_page_of_a_letter_of_unknown_fate_says_so_and_has_a_button(house: House) -> None:
    paid(house, 100)
    send(house, Box(DeliveryUnknown("broke off")))
    address = f"/payouts/{payout_id(house)}"
    browser = house.browser(house.person("accountant"))
    page = browser.get(f"{address}?lang=en").text
    assert "nobody knows whether it was taken" in page
    assert "Send again" in page
    assert "The letter is on its way." in browser.post(f"{address}/letter", follow_redirects=True).text
    assert "Send again" not in browser.get(address).text
    assert send(house, Box())
