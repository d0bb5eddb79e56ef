"""Is a service's database up to date? Asking here is cheaper than starting the service's own `migrate` to find out."""

from collections.abc import Collection

from messaging.driver import connect


def is_up_to_date(newest: Collection[str], url: str) -> bool:
    """Tell whether the newest migrations of a service have run in the database at this URL."""
    connection = connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('alembic_version')")
            if cursor.fetchone() == (None,):
                return False
            cursor.execute("SELECT version_num FROM alembic_version")
            return {row[0] for row in cursor.fetchall()} == set(newest)
    finally:
        connection.close()
