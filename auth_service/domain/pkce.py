"""Proof Key for Code Exchange, RFC 7636: who redeems a code shows that they had it made."""

import base64
import hashlib
import hmac
import re

#: The only method that is offered: `plain` proves nothing to who has seen the request (RFC 9700, 2.1.1).
METHOD = "S256"

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


def is_challenge(text: str) -> bool:
    """Tell whether the text can be an S256 challenge: a SHA-256 in base64url without padding."""
    return _CHALLENGE.fullmatch(text) is not None


def proves(verifier: str, challenge: str) -> bool:
    """Tell whether the verifier is the one from which the challenge was made."""
    if _VERIFIER.fullmatch(verifier) is None:
        return False
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    made = base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
    return hmac.compare_digest(made, challenge)
