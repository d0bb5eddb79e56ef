"""Users, beaks, sign-ins, keys, codes, and the tables of messaging."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from chassis.migrate import app_role
from messaging.migrations import create_tables_v1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create everything."""
    create_tables_v1(op, app_role=app_role(op))
    _create_users()
    _create_beaks()
    _create_sign_ins()
    _create_oauth()


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("external_id", sa.Text(), unique=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("role IN ('popug', 'boss', 'accountant', 'manager', 'admin')", name="users_role_check"),
        sa.CheckConstraint("status IN ('active', 'blocked')", name="users_status_check"),
    )
    op.create_index("users_email_idx", "users", [sa.text("lower(email)")], unique=True)
    op.create_index("users_created_at_idx", "users", ["created_at", "id"])
    op.create_index("users_role_status_idx", "users", ["role", "status"])


def _create_beaks() -> None:
    op.create_table(
        "beaks",
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("descriptor", sa.LargeBinary(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False, unique=True),
        sa.Column("enrolled_at", _MOMENT, nullable=False),
    )
    counter = op.create_table(
        "beak_revision",
        sa.Column("id", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("latest", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name="beak_revision_one_row_check"),
    )
    op.bulk_insert(counter, [{"id": 1, "latest": 0}])


def _create_sign_ins() -> None:
    op.create_table(
        "sign_ins",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("via", sa.Text(), nullable=False),
        sa.Column("address", sa.Text()),
        sa.Column("signed_in_at", _MOMENT, nullable=False),
        sa.Column("signed_out_at", _MOMENT),
    )
    op.create_index("sign_ins_signed_in_at_idx", "sign_ins", ["signed_in_at", "id"])
    op.create_index("sign_ins_user_idx", "sign_ins", ["user_id", "signed_in_at", "id"])


def _create_oauth() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.Text(), primary_key=True),
        sa.Column("jwk", JSONB(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
    )
    op.create_table(
        "authorization_codes",
        sa.Column("code_hash", sa.LargeBinary(), primary_key=True),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("code_challenge", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("nonce", sa.Text()),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("users.id"), nullable=False),
        sa.Column("sign_in_id", sa.Uuid(), sa.ForeignKey("sign_ins.id"), nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("token_id", sa.Uuid()),
    )
    op.create_index("authorization_codes_expires_at_idx", "authorization_codes", ["expires_at"])
    op.create_table(
        "revoked_tokens",
        sa.Column("token_id", sa.Uuid(), primary_key=True),
        sa.Column("expires_at", _MOMENT, nullable=False),
    )
    op.create_index("revoked_tokens_expires_at_idx", "revoked_tokens", ["expires_at"])
