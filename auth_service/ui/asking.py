"""How pages of auth ask the other services in the name of the person who looks at them."""

from auth_service import commands, queries
from chassis.db import utc_now
from chassis.identity import Principal
from chassis.runtime import runtime


def token_of(principal: Principal) -> str:
    """Return an access token of the person's own session: with it a service tells what they could ask it themselves."""
    key = commands.tools().keys.signing_key()
    with runtime().database.reading() as session:
        user = queries.user(session, principal.user_id)
        return commands.access_token(key, user, sign_in_id=principal.session_id, now=utc_now()).text
