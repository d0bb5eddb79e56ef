"""Tasks are listed by any of their properties and found by their words; answers to requests with a key are kept.

The words stand in a table of their own, so that a task that changes hands costs nothing there: an index of trigrams is
dear to write. `pg_trgm` is a trusted extension: the owner of the database may create it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_NOTE_WORDS = """
    CREATE FUNCTION note_task_words() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO task_words (task_number, words)
        VALUES (NEW.id, lower(concat_ws(E'\\n', NEW.title, NEW.jira_id, NEW.description)))
        ON CONFLICT (task_number) DO UPDATE SET words = excluded.words;
        RETURN NULL;
    END $$;
    CREATE TRIGGER note_task_words AFTER INSERT OR UPDATE OF title, jira_id, description ON tasks
        FOR EACH ROW EXECUTE FUNCTION note_task_words();
"""
_NOTE_ALL_WORDS = """
    INSERT INTO task_words (task_number, words)
    SELECT id, lower(concat_ws(E'\\n', title, jira_id, description)) FROM tasks
"""


def upgrade() -> None:
    """Create it all."""
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.create_table(
        "task_words",
        sa.Column("task_number", sa.BigInteger(), sa.ForeignKey("tasks.id"), primary_key=True),
        sa.Column("words", sa.Text(), nullable=False),
    )
    op.execute(_NOTE_ALL_WORDS)
    op.execute(_NOTE_WORDS)
    op.create_index(
        "task_words_idx", "task_words", ["words"], postgresql_using="gin", postgresql_ops={"words": "gin_trgm_ops"}
    )
    _create_indexes()
    _keep_answers()


def _create_indexes() -> None:
    for name, expression in {
        "fee": "coalesce(fee_cents, 0)",
        "reward": "coalesce(reward_cents, 0)",
        "completed": "coalesce(completed_at, '2999-12-30 00:00:00+00'::timestamp with time zone)",
        "title": "title",
    }.items():
        op.create_index(f"tasks_by_{name}_idx", "tasks", [sa.text(expression), "id"])
    op.create_index("tasks_of_author_idx", "tasks", ["created_by", "id"], postgresql_include=["status"])
    op.create_index("tasks_created_at_idx", "tasks", ["created_at"], postgresql_include=["status"])
    op.create_index("tasks_jira_id_idx", "tasks", [sa.text("lower(jira_id)"), "id"])


def _keep_answers() -> None:
    """Keys of before are forgotten: nobody noted what they had been answered with."""
    op.execute("DELETE FROM request_keys")
    op.drop_column("request_keys", "resource_id")
    op.add_column("request_keys", sa.Column("status", sa.Integer(), nullable=False))
    op.add_column("request_keys", sa.Column("body", sa.Text(), nullable=False))
    op.add_column("request_keys", sa.Column("location", sa.Text()))
