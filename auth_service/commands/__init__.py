"""What can be done with users, their beaks and their sign-ins. The caller owns the transaction: nothing commits."""

from typing import TYPE_CHECKING

from messaging.lazily import importer

if TYPE_CHECKING:
    from auth_service.commands.beaks import enrol_beak, look_at, withdraw_beak
    from auth_service.commands.codes import issue_code, redeem_code
    from auth_service.commands.forgetting import forget_expired, forget_refusals
    from auth_service.commands.import_files import read_import
    from auth_service.commands.imports import import_users
    from auth_service.commands.refusals import note_refusal
    from auth_service.commands.sign_ins import sign_in, sign_out
    from auth_service.commands.tokens import access_token, claims_of, revoke
    from auth_service.commands.toolbox import Tools, install_tools, make_tools, tools
    from auth_service.commands.users import block_user, create_user, unblock_user, update_user

__all__ = [
    "Tools",
    "access_token",
    "block_user",
    "claims_of",
    "create_user",
    "enrol_beak",
    "forget_expired",
    "forget_refusals",
    "import_users",
    "install_tools",
    "issue_code",
    "look_at",
    "make_tools",
    "note_refusal",
    "read_import",
    "redeem_code",
    "revoke",
    "sign_in",
    "sign_out",
    "tools",
    "unblock_user",
    "update_user",
    "withdraw_beak",
]

__getattr__ = importer(__name__, __file__)
