"""Letters: how they are written, and the two ways out of the house."""

import os
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import cache
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from chassis.files import private_folder
from chassis.formats import LOCALES, format_day_in, format_money
from chassis.input.text import isolated

_TEMPLATES = Path(__file__).parent / "templates"
#: Seconds that a mail server may take for each of its replies; and for taking a letter.
_TIMEOUT, _TAKING_TIMEOUT = 10, 120
_SMTP_PORT, _SMTPS_PORT = 25, 465
#: Replies of RFC 5321 by which a command is done.
_DONE, _WILL_FORWARD = 250, 251
_POLICY = SMTP.clone(max_line_length=None)


class MailError(Exception):
    """A letter was not sent as it should be, for the reason that the text gives."""


class NotDelivered(MailError):
    """The letter was not taken."""


class DeliveryUnknown(MailError):
    """The connection broke off while the letter was handed over: it may have been taken."""


class PostIsAway(MailError):
    """Nobody is there to take letters: no other one would fare better now."""


@dataclass(frozen=True, kw_only=True)
class Letter:
    """What a letter about a payout says."""

    payout_id: UUID
    day: date
    amount_cents: int
    name: str
    address: str
    made_at: datetime


class Post(Protocol):
    """A way out of the house."""

    #: Longer than it may take for a letter.
    lease: timedelta
    #: Whether a letter that may have been taken can be sent once more without harm.
    repeatable: bool

    def connect(self) -> None:
        """Make sure that somebody is there to take letters. Raises PostIsAway."""
        ...

    def deliver(self, letter: Letter) -> None:
        """Send the letter. Raises MailError. Twice the same letter is the same message."""
        ...


def compose(letter: Letter, sender: str) -> EmailMessage:
    """Write the letter, in both languages. Its Message-ID is the payout's: a repeated one can be told.

    Raises NotDelivered for an address that cannot stand in a letter.
    """
    message = EmailMessage(policy=_POLICY)
    message["From"] = sender
    try:
        message["To"] = letter.address
    except ValueError as error:
        raise NotDelivered(f"{letter.address!r} is no address: {error}") from error
    said = {"amount": format_money(letter.amount_cents)} | {
        language: format_day_in(locale, letter.day, "long") for language, locale in LOCALES.items()
    }
    message["Subject"] = "aTES: {amount} за {ru} / for {en}".format(**said)
    message["Date"] = format_datetime(letter.made_at)
    message["Message-ID"] = f"<payout-{letter.payout_id}@{sender.rpartition('@')[2].rstrip('>')}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_text().render(letter=letter, **said), cte="8bit")
    return message


def file_name(letter: Letter) -> str:
    """Return the name under which the letter is kept: the same for every attempt."""
    return f"{letter.day:%Y-%m-%d}-{letter.payout_id}.eml"


@contextmanager
def open_post(smtp_url: str | None, folder: Path, sender: str) -> Iterator[Post]:
    """Yield the way out: the mail server at the URL, or without one the folder."""
    if smtp_url is None:
        yield FolderPost(folder, sender)
        return
    post = SmtpPost(smtp_url, sender)
    try:
        yield post
    finally:
        post.close()


class FolderPost:
    """Keeps letters as .eml files, for a house without a mail server."""

    lease = timedelta(minutes=1)
    repeatable = True  # a second attempt replaces the file by its like

    def __init__(self, folder: Path, sender: str) -> None:
        """Take the folder, which is made when the first letter comes."""
        self._folder = folder
        self._sender = sender

    def connect(self) -> None:
        """See `Post`."""
        try:
            private_folder(self._folder)
        except OSError as error:
            raise PostIsAway(f"{self._folder}: {error.strerror}") from error

    def deliver(self, letter: Letter) -> None:
        """See `Post`. A file is there as a whole or not at all."""
        name = file_name(letter)
        unfinished = self._folder / f".{name}.{os.getpid()}"
        try:
            with unfinished.open("wb") as file:
                file.write(compose(letter, self._sender).as_bytes())
                file.flush()
                os.fsync(file.fileno())  # it is about to be noted as sent
            unfinished.replace(self._folder / name)
        except OSError as error:
            raise PostIsAway(f"{self._folder}: {error.strerror}") from error


class SmtpPost:
    """Sends letters to a mail server: `smtp://user:password@host:port`, or `smtps://` for TLS from the start."""

    lease = timedelta(minutes=10)
    repeatable = False

    def __init__(self, url: str, sender: str) -> None:
        """Take the address of the server; it is connected to when the first letter comes."""
        self._url = urlsplit(url)
        self._sender = sender
        self._server: smtplib.SMTP | None = None

    def connect(self) -> None:
        """See `Post`. A connection that is there already is asked whether it still works."""
        if self._server is not None and not _answers(self._server):
            self.close()
        if self._server is not None:
            return
        try:
            self._server = self._connect()
        except (smtplib.SMTPException, OSError) as error:
            raise PostIsAway(f"{self._url.hostname}: {error}") from error

    def deliver(self, letter: Letter) -> None:
        """See `Post`. After any failure the next letter needs a new connection."""
        if self._server is None:
            raise RuntimeError("connect first")
        message = compose(letter, self._sender)
        try:
            _address(self._server, message["From"].addresses[0].addr_spec, letter.address)
            _hand_over(self._server, message.as_bytes(policy=_POLICY.clone(cte_type="7bit")))
        except MailError:
            self.close()
            raise

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def _connect(self) -> smtplib.SMTP:
        host = self._url.hostname or "localhost"
        if self._url.scheme == "smtps":
            context = ssl.create_default_context()
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                host, self._url.port or _SMTPS_PORT, timeout=_TIMEOUT, context=context
            )
        else:
            server = smtplib.SMTP(host, self._url.port or _SMTP_PORT, timeout=_TIMEOUT)
        try:
            self._greet(server)
        except BaseException:
            server.close()
            raise
        return server

    def _greet(self, server: smtplib.SMTP) -> None:
        server.ehlo_or_helo_if_needed()
        if self._url.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
            server.ehlo()
        if self._url.username:
            server.login(unquote(self._url.username), unquote(self._url.password or ""))


def _answers(server: smtplib.SMTP) -> bool:
    try:
        return server.noop()[0] == _DONE
    except (smtplib.SMTPException, OSError):
        return False


def _address(server: smtplib.SMTP, sender: str, address: str) -> None:
    """Say from whom and to whom. Raises NotDelivered: whatever happens here, the server has no letter yet."""
    try:
        for command, mailbox in ((server.mail, sender), (server.rcpt, address)):
            code, words = command(mailbox)
            if code not in (_DONE, _WILL_FORWARD):
                raise _refusal(code, words)
    except UnicodeEncodeError as error:
        raise NotDelivered(f"the address cannot be written in ASCII: {address}") from error
    except (smtplib.SMTPException, OSError) as error:
        raise NotDelivered(f"the connection broke off before the letter: {error}") from error


def _hand_over(server: smtplib.SMTP, message: bytes) -> None:
    """Hand over the letter. Raises NotDelivered when the server says no, DeliveryUnknown when it does not say."""
    try:
        with _patience(server):
            code, words = server.data(message)
    except smtplib.SMTPDataError as error:
        raise _refusal(error.smtp_code, error.smtp_error) from error
    except (smtplib.SMTPException, OSError) as error:
        raise DeliveryUnknown(f"the connection broke off with the letter: {error}") from error
    if code != _DONE:
        raise _refusal(code, words)


@contextmanager
def _patience(server: smtplib.SMTP) -> Iterator[None]:
    """Wait longer: a letter that is given up here is one of which nobody knows whether it was taken."""
    if server.sock is None:
        raise smtplib.SMTPServerDisconnected("please run connect() first")
    server.sock.settimeout(_TAKING_TIMEOUT)
    yield
    server.sock.settimeout(_TIMEOUT)


def _refusal(code: int, words: bytes | str) -> NotDelivered:
    return NotDelivered(f"{code} {words.decode(errors='replace') if isinstance(words, bytes) else words}")


@cache
def _text() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=False,  # noqa: S701 (plain text)
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
    )
    environment.filters["isolated"] = isolated
    return environment.get_template("billing/letter.txt")
