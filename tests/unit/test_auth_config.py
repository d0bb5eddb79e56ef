from auth_service.config import load

ENVIRONMENT = {
    "AUTH_DATABASE_URL": "postgresql://auth_app@127.0.0.1/ates_auth",
    "AUTH_AMQP_URL": "amqp://auth@127.0.0.1/ates",
    "AUTH_SECRET_KEY": "a-secret-that-is-long-enough",
}


def test_nobody_is_shown_at_the_door_unless_this_is_said_to_be_the_demo() -> None:
    assert not load(ENVIRONMENT).demo
    assert not load(ENVIRONMENT | {"ATES_DEMO": "0"}).demo
    assert load(ENVIRONMENT | {"ATES_DEMO": "1"}).demo
