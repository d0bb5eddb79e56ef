"""Secrets that come as files, of docker compose or systemd."""

from pathlib import Path

import pytest

from chassis.secret_files import read_secret_files


def test_a_file_holds_the_variable_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "tracker_secret_key").write_text("a-key-in-a-file\n")
    environment = {"ATES_SECRETS_DIR": str(tmp_path)}
    read_secret_files(environment)
    assert environment["TRACKER_SECRET_KEY"] == "a-key-in-a-file"


def test_what_the_environment_says_stays_and_an_empty_variable_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "smtp_url").write_text("smtp://file.example")
    (tmp_path / "tracker_amqp_url").write_text("amqp://file.example")
    environment = {"ATES_SECRETS_DIR": str(tmp_path), "SMTP_URL": "smtp://said.example", "TRACKER_AMQP_URL": ""}
    read_secret_files(environment)
    assert environment["SMTP_URL"] == "smtp://said.example"
    assert environment["TRACKER_AMQP_URL"] == "amqp://file.example"


def test_without_a_folder_nothing_is_read() -> None:
    environment = {"PATH": "/bin"}
    read_secret_files(environment)
    assert environment == {"PATH": "/bin"}


def test_a_folder_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_secret_files({"ATES_SECRETS_DIR": str(tmp_path / "nowhere")})
