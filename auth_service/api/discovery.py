"""What a client has to know about us: RFC 8414, OpenID Connect Discovery, RFC 7517."""

from typing import Any

from auth_service import commands
from auth_service.domain.clients import SCOPES
from auth_service.domain.pkce import METHOD
from chassis.input.bodies import Blueprint
from chassis.runtime import runtime
from chassis.tokens import ALGORITHM

discovery = Blueprint("discovery", __name__, url_prefix="/.well-known", description="Keys and addresses")


@discovery.get("/jwks.json")
@discovery.doc(security=[])
@discovery.alt_response(200, schema={"type": "object"}, description="RFC 7517, 5")
def get_jwks() -> tuple[dict[str, Any], int, dict[str, str]]:
    """The public keys that tokens are signed with"""
    return dict(commands.tools().keys.key_set().as_dict(private=False)), 200, {"Cache-Control": "max-age=300"}


@discovery.get("/openid-configuration")
@discovery.doc(security=[])
@discovery.alt_response(200, schema={"type": "object"}, description="RFC 8414, 3.2")
def get_openid_configuration() -> dict[str, Any]:
    """Where everything is, and what is supported"""
    issuer = runtime().settings.public_url
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "token_endpoint": f"{issuer}/oauth/token",
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "scopes_supported": list(SCOPES),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "token_endpoint_auth_methods_supported": ["none"],
        "code_challenge_methods_supported": [METHOD],
        "authorization_response_iss_parameter_supported": True,
        "claims_supported": ["iss", "sub", "aud", "iat", "exp", "auth_time", "nonce", "sid", "name", "role"],
    }
