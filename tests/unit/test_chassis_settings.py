"""What a process is told by its environment."""

from datetime import timedelta

import pytest

from chassis.settings import SettingsError, load_settings

GOOD = {
    "TRACKER_DATABASE_URL": "postgresql://tracker_app:secret@127.0.0.1:5433/ates_tracker",
    "TRACKER_AMQP_URL": "amqp://tracker:secret@127.0.0.1:5672/ates",
    "TRACKER_SECRET_KEY": "a-secret-that-is-long-enough",
}


def test_what_is_not_said_has_a_default_for_local_use() -> None:
    settings = load_settings("tracker", GOOD)
    assert settings.port == 8002
    assert settings.public_urls["auth"] == "http://127.0.0.1:8001"
    assert settings.public_url == "http://127.0.0.1:8002"
    assert settings.business_timezone.key == "Europe/Moscow"
    assert settings.retention == timedelta(days=366)
    assert (settings.schemas_dir / "tracker").is_dir()


def test_a_port_moves_the_public_address_with_it_unless_that_is_given() -> None:
    settings = load_settings(
        "tracker", {**GOOD, "ATES_PORT_AUTH": "9001", "ATES_URL_BILLING": "https://billing.popug/"}
    )
    assert settings.public_urls["auth"] == "http://127.0.0.1:9001"
    assert settings.public_urls["billing"] == "https://billing.popug"


def test_services_reach_each_other_where_people_do_unless_it_is_said_otherwise() -> None:
    settings = load_settings(
        "tracker",
        {**GOOD, "ATES_URL_AUTH": "https://auth.popug", "ATES_INTERNAL_URL_BILLING": "http://billing-web:8000/"},
    )
    assert settings.internal_urls["auth"] == "https://auth.popug"
    assert settings.internal_urls["billing"] == "http://billing-web:8000"
    assert settings.public_urls["billing"] == "http://127.0.0.1:8003"


def test_a_web_server_listens_where_people_reach_it_unless_it_is_said_otherwise() -> None:
    settings = load_settings("tracker", {**GOOD, "ATES_PORT_TRACKER": "9002", "ATES_LISTEN_PORT": "8000"})
    assert (settings.port, settings.public_url) == (8000, "http://127.0.0.1:9002")
    assert load_settings("tracker", {**GOOD, "ATES_PORT_TRACKER": "9002"}).port == 9002


def test_every_missing_variable_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as refusal:
        load_settings("tracker", {})
    for variable in GOOD:
        assert variable in str(refusal.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TRACKER_DATABASE_URL", "mysql://nobody"),
        ("TRACKER_AMQP_URL", "http://nobody"),
        ("TRACKER_SECRET_KEY", "short"),
        ("ATES_PORT_TRACKER", "eight thousand"),
        ("ATES_PORT_TRACKER", "70000"),
        ("ATES_URL_AUTH", "auth.popug"),
        ("ATES_INTERNAL_URL_AUTH", "auth-web:8000"),
        ("ATES_LISTEN_PORT", "0"),
        ("BUSINESS_TIMEZONE", "Europe/Popugville"),
        ("ATES_RETENTION_DAYS", "0"),
        ("ATES_RETRY_ATTEMPTS", "0"),
        ("ATES_HEALTH_PORT", "70000"),
        ("ATES_TRUSTED_PROXY", "proxy.popug"),
    ],
)
def test_an_unusable_value_is_refused_by_the_name_of_its_variable(variable: str, value: str) -> None:
    with pytest.raises(SettingsError, match=variable):
        load_settings("tracker", {**GOOD, variable: value})


def test_a_service_that_does_not_exist_has_no_settings() -> None:
    with pytest.raises(SettingsError, match="shipping"):
        load_settings("shipping", GOOD)
