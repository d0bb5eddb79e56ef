"""Parts to build an application of the chassis from, for its tests."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from flask import Blueprint, Flask
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from marshmallow import Schema, fields

from chassis.db import Database, utc_now
from chassis.errors import Conflict, Invalid
from chassis.identity import Role, current_principal, require_roles, start_page_session
from chassis.input.bodies import Blueprint as RestBlueprint
from chassis.people import Claims, LocalUser
from chassis.places import Place
from chassis.settings import Settings, load_settings
from chassis.web import build_app

KESHA = UUID("00000000-0000-4000-8000-000000000001")
KEY = ECKey.generate_key("P-256", {"kid": "first", "use": "sig"})
#: Nobody listens there: whoever asks the database is refused at once.
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


def settings(state_dir: Path, *, database_url: str = NOWHERE, **env: str) -> Settings:
    """Settings of a tracker."""
    given = {
        "TRACKER_DATABASE_URL": database_url,
        "TRACKER_AMQP_URL": "amqp://nobody:secret@127.0.0.1:1/",
        "TRACKER_SECRET_KEY": "a-secret-that-is-long-enough",
        "ATES_URL_AUTH": "http://127.0.0.1:1",
        "ATES_STATE_DIR": str(state_dir),
    }
    return load_settings("tracker", {**given, **env})


def know_keys(settings: Settings) -> None:
    """Let the service know auth's public keys from before: auth itself is away."""
    keys = settings.state_dir / "jwks" / f"{settings.service}.json"
    keys.parent.mkdir()
    keys.write_text(json.dumps(KeySet([KEY]).as_dict(private=False)))


def claims(**changes: object) -> dict[str, object]:
    """The claims of a token that auth would give Kesha now."""
    now = int(time.time())
    usual: dict[str, object] = {
        "iss": "ates-auth",
        "aud": "ates",
        "sub": str(KESHA),
        "name": "Kesha",
        "role": "popug",
        "iat": now,
        "exp": now + 300,
        "jti": str(uuid4()),
        "sid": str(uuid4()),
    }
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def token(key: ECKey = KEY, **changes: object) -> str:
    """A signed token; None as a value removes the claim."""
    return jwt.encode({"alg": "ES256", "kid": key.kid}, claims(**changes), key)


def bearer(**changes: object) -> dict[str, str]:
    """The header of a request with such a token."""
    return {"Authorization": f"Bearer {token(KEY, **changes)}"}


def page_session(user_id: UUID, *, role: str = "popug", name: str = "Kesha") -> dict[str, object]:
    """What the cookie holds of somebody who has just signed in to the pages."""
    now = time.time()
    who = {"user_id": str(user_id), "name": name, "role": role, "session_id": str(uuid4())}
    return {**who, "issued_at": now, "confirmed_at": now}


class People:
    """The replica of users, without a database."""

    def __init__(self) -> None:
        self.known: dict[UUID, LocalUser] = {}

    def know(
        self, *, role: str = "popug", status: str = "active", name: str = "Kesha", session_ended: bool = False
    ) -> None:
        """Let the replica say this of Kesha."""
        self.known[KESHA] = LocalUser(KESHA, name, role, status, session_ended)

    def __call__(self, claims: Claims) -> LocalUser | None:
        return self.known.get(claims.user_id)


class _ThingSchema(Schema):
    title = fields.String(required=True)
    owner = fields.Nested(Schema.from_dict({"name": fields.String(required=True)}))


def demo_app(
    given: Settings,
    people: People,
    *,
    jwks: Callable[[], KeySet] | None = lambda: KeySet([KEY]),
    places: Sequence[Place] = (),
) -> Flask:
    """An application with one of each: an API that needs a token, a page that needs a session."""
    things = RestBlueprint("things", __name__, url_prefix="/api/v1/things")
    pages = Blueprint("demo", __name__)

    @things.get("/whoami")
    @require_roles()
    def whoami() -> dict[str, str]:
        return {"name": current_principal().name, "role": current_principal().role}

    @things.get("/for-admins")
    @require_roles(Role.ADMIN)
    def for_admins() -> dict[str, str]:
        return {}

    @things.post("")
    @things.arguments(_ThingSchema)
    def create(thing: dict[str, Any]) -> dict[str, Any]:
        if thing["title"] == "twice":
            raise Conflict("There is one called %(title)s.", title=thing["title"])
        if thing["title"] == "[x]":
            raise Invalid("The title is not usable.", errors={"title": ["No brackets."]})
        if thing["title"] == "broken":
            raise RuntimeError("secret of the house")
        return thing

    @pages.get("/")
    @require_roles()
    def home() -> str:
        return f"hello {current_principal().name}, {current_principal().role}"

    @pages.get("/enter")
    def enter() -> str:
        now = utc_now()
        start_page_session(Claims(KESHA, "Kesha", Role.POPUG, uuid4(), issued_at=now, confirmed_at=now))
        return "in"

    @pages.post("/feed")
    @require_roles()
    def feed() -> str:
        return "fed"

    return build_app(
        given,
        database=Database(given),
        blueprints=[things],
        pages=[pages],
        places=places,
        find_user=people,
        title="Tasks",
        jwks=jwks,
    )
