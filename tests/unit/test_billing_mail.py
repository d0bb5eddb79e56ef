from dataclasses import replace
from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from pathlib import Path
from uuid import UUID

import pytest

from billing_service.mail import FolderPost, Letter, NotDelivered, PostIsAway, compose, open_post

SENDER = "Accounting <accounting@uberpopug.example>"
LETTER = Letter(
    payout_id=UUID(int=7),
    day=date(2026, 11, 21),
    amount_cents=123456,
    name="Рио",
    address="rio@uberpopug.example",
    made_at=datetime(2026, 11, 21, 21, 0, tzinfo=UTC),
)


def test_the_letter_names_the_sum_and_the_day_in_both_languages() -> None:
    message = compose(LETTER, SENDER)
    text = message.get_content()
    assert text.count("$1,234.56") == 2
    assert "Здравствуйте, Рио!" in text
    assert "За 21 ноября 2026" in text
    assert "Hello, Рио!" in text
    assert "for 21 November 2026" in text
    assert message["To"] == "rio@uberpopug.example"
    assert "$1,234.56" in message["Subject"]


def test_a_name_from_right_to_left_turns_nothing_around_it() -> None:
    text = compose(replace(LETTER, name="כוכבית\u202e"), SENDER).get_content()
    assert "Hello, \u2068כוכבית\u2069!" in text


def test_the_message_id_is_the_payouts_own_however_often_it_is_written() -> None:
    first, second = compose(LETTER, SENDER), compose(LETTER, SENDER)
    assert first["Message-ID"] == second["Message-ID"] == f"<payout-{UUID(int=7)}@uberpopug.example>"
    assert first.as_bytes() == second.as_bytes()
    assert compose(replace(LETTER, payout_id=UUID(int=8)), SENDER)["Message-ID"] != first["Message-ID"]


def test_a_name_cannot_smuggle_in_a_header() -> None:
    message = compose(replace(LETTER, name="Rio\r\nBcc: all@uberpopug.example"), SENDER)
    assert message["Bcc"] is None


def test_an_address_that_cannot_stand_in_a_letter_is_a_letter_not_delivered() -> None:
    with pytest.raises(NotDelivered, match="is no address"):
        compose(replace(LETTER, address="rio@uberpopug.example\nBcc: all@uberpopug.example"), SENDER)


def test_without_a_mail_server_letters_become_files_and_a_second_attempt_makes_no_second_one(tmp_path: Path) -> None:
    post = FolderPost(tmp_path / "letters", SENDER)
    post.connect()
    post.deliver(LETTER)
    post.deliver(LETTER)
    (only,) = (tmp_path / "letters").iterdir()
    assert only.suffix == ".eml"
    read = message_from_bytes(only.read_bytes(), policy=policy.default)
    assert read["To"] == "rio@uberpopug.example"
    assert "$1,234.56" in read.get_content()


def test_a_folder_that_cannot_be_written_is_a_post_that_is_away(tmp_path: Path) -> None:
    (tmp_path / "letters").write_text("not a folder")
    with pytest.raises(PostIsAway):
        FolderPost(tmp_path / "letters", SENDER).connect()


def test_a_mail_server_that_does_not_answer_is_a_post_that_is_away(tmp_path: Path) -> None:
    with open_post("smtp://127.0.0.1:9", tmp_path, SENDER) as post, pytest.raises(PostIsAway):
        post.connect()
