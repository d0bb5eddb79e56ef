"""Auth on a real database: its API, its pages and its OAuth endpoints by a test client."""

from io import BytesIO
from typing import Any
from uuid import UUID

from flask.testing import FlaskClient
from sqlalchemy import select

from auth_service import commands
from auth_service.app import create_app
from auth_service.config import AuthSettings
from auth_service.demo.parrot import draw_parrot
from auth_service.models import User
from auth_service.queries import BeakMemory
from chassis.db import Database
from messaging import Event
from messaging.tables import OutboxEvent

PNG = {"Content-Type": "image/png"}


class House:
    """Auth with one administrator, who is called root and has a beak."""

    def __init__(self, settings: AuthSettings) -> None:
        self.settings = settings
        self.database = Database(settings)
        self.app = create_app(settings, self.database)
        self.app.config["WTF_CSRF_ENABLED"] = False
        self.root = self.person("root", role="admin")

    def close(self) -> None:
        """Let go of the database."""
        self.database.engine.dispose()

    def person(self, key: str, *, role: str = "popug", name: str = "", beak: bool = True) -> UUID:
        """Somebody new, whose photo is `draw_parrot(key)`."""
        with self.database.transaction() as session:
            user = commands.create_user(session, name=name or key, email=f"{key}@uberpopug.example", role=role)
            if beak:
                photo = draw_parrot(key)
                commands.enrol_beak(session, BeakMemory(), user.id, commands.look_at(photo, "image/png"))
        return user.id

    def user(self, user_id: UUID) -> User:
        """Somebody as they are now."""
        with self.database.reading() as session:
            return session.get_one(User, user_id)

    def published(self, name: str = "") -> list[Event]:
        """The events in the outbox, of one name or all, oldest first."""
        with self.database.reading() as session:
            bodies = session.scalars(select(OutboxEvent.body).order_by(OutboxEvent.id)).all()
        events = [Event.from_bytes(body) for body in bodies]
        return [event for event in events if not name or event.name == f"auth.{name}"]

    def of_user(self, user_id: UUID) -> list[tuple[str, int]]:
        """Name and sequence of the events about a user."""
        return [
            (event.name.removeprefix("auth."), event.sequence)
            for event in self.published()
            if event.subject == str(user_id)
        ]

    def show_beak(self, key: str) -> Any:
        """The answer to the photo of this parrot."""
        return self.show(draw_parrot(key))

    def show(self, photo: bytes, content_type: str = "image/png") -> Any:
        """The answer to any photo."""
        return self.app.test_client().post("/api/v1/token", data=photo, headers={"Content-Type": content_type})

    def api(self, key: str = "root") -> "Api":
        """The REST API as this person uses it."""
        answer = self.show_beak(key)
        assert answer.status_code == 200, answer.json
        return Api(self.app.test_client(), answer.json["access_token"])

    def browser(self, key: str | None = "root") -> FlaskClient:
        """A browser in which this person is signed in, or nobody."""
        client = self.app.test_client()
        if key is not None:
            answer = client.post("/sign-in", data={"photo": (BytesIO(draw_parrot(key)), "beak.png", "image/png")})
            assert answer.status_code == 303, answer.text
        return client

    def copy_of(self, browser: FlaskClient) -> FlaskClient:
        """A browser into which somebody has copied the cookie of this one."""
        cookie = browser.get_cookie("auth_session")
        assert cookie is not None
        thief = self.app.test_client()
        thief.set_cookie("auth_session", cookie.value)
        return thief


class Api:
    """Requests with somebody's token."""

    def __init__(self, client: FlaskClient, token: str) -> None:
        self._client = client
        self.token = token
        self._headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str) -> Any:
        return self._client.get(f"/api/v1{path}", headers=self._headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._client.post(f"/api/v1{path}", json=body, headers={**self._headers, **sent})

    def patch(self, path: str, body: Any) -> Any:
        return self._client.patch(f"/api/v1{path}", json=body, headers=self._headers)

    def put_photo(self, path: str, photo: bytes) -> Any:
        return self._client.put(f"/api/v1{path}", data=photo, headers={**self._headers, **PNG})

    def form(self, path: str, **fields: str) -> Any:
        """A form to an endpoint of OAuth."""
        return self._client.post(path, data=fields, headers=self._headers)
