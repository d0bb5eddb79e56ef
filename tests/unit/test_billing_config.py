import pytest

from billing_service.config import load
from chassis.settings import SettingsError

ENVIRONMENT = {
    "BILLING_DATABASE_URL": "postgresql://billing_app@127.0.0.1/ates_billing",
    "BILLING_AMQP_URL": "amqp://billing@127.0.0.1/ates",
    "BILLING_SECRET_KEY": "a-secret-that-is-long-enough",
}


@pytest.mark.parametrize("value", [{}, {"SMTP_URL": ""}])
def test_without_a_mail_server_letters_go_to_a_folder(value: dict[str, str]) -> None:
    settings = load(ENVIRONMENT | value | {"ATES_STATE_DIR": "somewhere"})
    assert settings.smtp_url is None
    assert str(settings.letters_dir) == "somewhere/letters"


def test_a_mail_server_is_named_by_its_url() -> None:
    assert load(ENVIRONMENT | {"SMTP_URL": "smtps://mail.example"}).smtp_url == "smtps://mail.example"
    with pytest.raises(SettingsError, match="SMTP_URL"):
        load(ENVIRONMENT | {"SMTP_URL": "https://mail.example"})
