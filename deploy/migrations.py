"""Is a service's database up to date? Asking here is cheaper than starting the service's own `migrate` to find out."""

from alembic.script import ScriptDirectory

from deploy.settings import REPOSITORY
from messaging.driver import connect


def is_up_to_date(service: str, url: str) -> bool:
    """Tell whether the newest migration of the service has run in the database at this URL."""
    newest = set(ScriptDirectory(str(REPOSITORY / f"{service}_service" / "migrations")).get_heads())
    connection = connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('alembic_version')")
            if cursor.fetchone() == (None,):
                return False
            cursor.execute("SELECT version_num FROM alembic_version")
            return {row[0] for row in cursor.fetchall()} == newest
    finally:
        connection.close()
