"""What pages are made of: kept by browsers under an address that names the content, and sent compressed."""

import gzip
import re
from pathlib import Path

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient

from tests.chassis_parts import People, demo_app, settings

GZIP = {"Accept-Encoding": "gzip, br"}


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    return demo_app(settings(tmp_path), People())


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def style(app: Flask, tmp_path: Path) -> Path:
    """A style sheet of its own in the place of ours."""
    app.static_folder = str(tmp_path)
    file = tmp_path / "ates.css"
    file.write_text("main { color: green; }" * 100)
    return file


def address(app: Flask) -> str:
    with app.test_request_context():
        return url_for("static", filename="ates.css")


def test_a_file_is_kept_for_good_under_the_address_that_names_its_content(
    app: Flask, client: FlaskClient, style: Path
) -> None:
    with client.get(address(app)) as answer:
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_nobodys_session_goes_out_with_a_file_that_everybody_may_keep(
    app: Flask, client: FlaskClient, style: Path
) -> None:
    with client.session_transaction() as session:
        session.permanent = True
        session["user_id"] = "somebody"
    with client.get(address(app)) as answer:
        assert "Set-Cookie" not in answer.headers
        assert "Cookie" not in answer.vary


def test_a_file_that_changes_has_another_address(app: Flask, style: Path) -> None:
    before = address(app)
    style.write_text("main { color: red; }")
    assert address(app) != before


@pytest.mark.parametrize("url", ["/static/ates.css", "/static/ates.css?v=0123456789ab"])
def test_under_another_address_it_is_asked_for_anew(client: FlaskClient, style: Path, url: str) -> None:
    with client.get(url) as answer:
        assert answer.headers["Cache-Control"] == "no-cache"


def test_every_file_of_a_page_has_such_an_address(client: FlaskClient) -> None:
    client.get("/enter")
    files = re.findall(r'(?:src|href)="(/static/[^"]+)"', client.get("/nowhere").text)
    assert files
    assert [file for file in files if not re.search(r"\?v=[0-9a-f]{12}$", file)] == []


def test_a_file_is_compressed_for_who_understands_it(app: Flask, client: FlaskClient, style: Path) -> None:
    with client.get(address(app), headers=GZIP) as packed, client.get(address(app)) as plain:
        assert packed.headers.get("Content-Encoding") == "gzip"
        assert plain.headers.get("Content-Encoding") is None
        assert gzip.decompress(packed.data) == plain.data == style.read_bytes()
        assert len(packed.data) < len(plain.data) / 10
        assert "Accept-Encoding" in packed.vary
        assert "Accept-Encoding" in plain.vary


def test_a_file_that_a_browser_has_already_is_not_sent_again(client: FlaskClient, style: Path) -> None:
    with client.get("/static/ates.css", headers=GZIP) as first:
        known = {**GZIP, "If-None-Match": first.headers["ETag"]}
    with client.get("/static/ates.css", headers=known) as again:
        assert (again.status_code, again.data) == (304, b"")


def test_a_page_is_not_compressed_since_its_length_could_tell_a_secret(client: FlaskClient) -> None:
    assert client.get("/nowhere", headers=GZIP).content_encoding is None


def test_a_file_that_is_not_there_is_not_found(client: FlaskClient) -> None:
    assert client.get("/static/nothing.css?v=1", headers=GZIP).status_code == 404
