"""The programs that people sign in to by way of auth: our own services, as public clients of OAuth 2.0."""

from collections.abc import Mapping
from dataclasses import dataclass

#: What a client may ask for. Each token carries id, name and role anyway.
SCOPES = ("openid", "profile")


@dataclass(frozen=True)
class Client:
    """A registered client. It runs in the open and has no secret: PKCE takes its place."""

    client_id: str
    #: Compared letter by letter (RFC 9700, 2.1).
    redirect_uri: str


def clients_of(public_urls: Mapping[str, str]) -> dict[str, Client]:
    """The clients by id: every service but auth itself, by the address at which people reach it."""
    return {
        service: Client(service, f"{url}/sign-in/callback") for service, url in public_urls.items() if service != "auth"
    }


def granted_scope(requested: str) -> str:
    """Of the scopes asked for, those that there are: what is unknown is left out (OpenID Connect Core, 3.1.2.1)."""
    return " ".join(scope for scope in SCOPES if scope in requested.split())
