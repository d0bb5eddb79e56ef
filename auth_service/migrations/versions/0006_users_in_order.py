"""Those of a role, of a status, of both, or whom a file named are found without reading all users."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the indexes that pages of the lists are read from."""
    op.drop_index("users_role_status_idx", "users")
    op.create_index("users_role_idx", "users", ["role", "created_at", "id"])
    op.create_index("users_status_idx", "users", ["status", "created_at", "id"])
    op.create_index("users_role_status_idx", "users", ["role", "status", "created_at", "id"])
    op.create_index(
        "users_external_id_prefix_idx",
        "users",
        ["external_id"],
        postgresql_ops={"external_id": "text_pattern_ops"},
    )
