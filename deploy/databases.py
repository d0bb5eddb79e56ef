"""The roles and the database of a service: an owner, who migrates, and an app role, who may do no DDL."""

from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg2
from psycopg2 import sql

from messaging.driver import connect


@dataclass(frozen=True)
class ServiceDatabase:
    """How to sign in to the database of a service."""

    #: For migrations.
    owner_url: str
    #: For the service's processes.
    app_url: str


def create_service_database(
    administrator_url: str,
    service: str,
    *,
    database: str,
    owner_password: str,
    app_password: str,
    template: str | None = None,
) -> ServiceDatabase:
    """Make the roles `<service>_owner` and `<service>_app` and the database; what exists is kept.

    Passwords are set in any case, and only administrators are let into `postgres` and `template1`. A template is a
    database of the same service, copied with its tables and rights.
    """
    owner, app = f"{service}_owner", f"{service}_app"
    server = connect(administrator_url)
    server.autocommit = True  # CREATE DATABASE runs in no transaction
    try:
        with server.cursor() as cursor:
            for role, password in ((owner, owner_password), (app, app_password)):
                _create_role(cursor, role, password)
            cursor.execute("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC")
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,))
            if cursor.fetchone() is None:
                names = {"database": sql.Identifier(database), "owner": sql.Identifier(owner)}
                statement = sql.SQL("CREATE DATABASE {database} OWNER {owner}").format(**names)
                if template is not None:
                    statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
                cursor.execute(statement)
    finally:
        server.close()
    if template is None:
        _grant(_with(administrator_url, database=database), owner, app)
    else:
        _keep_strangers_out(administrator_url, database, app)
    return ServiceDatabase(
        owner_url=_with(administrator_url, database=database, user=owner, password=owner_password),
        app_url=_with(administrator_url, database=database, user=app, password=app_password),
    )


def drop_database(administrator_url: str, database: str) -> None:
    """Drop the database, whoever is connected to it."""
    server = connect(administrator_url)
    server.autocommit = True
    try:
        with server.cursor() as cursor:
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))
    finally:
        server.close()


def _create_role(cursor: "psycopg2.extensions.cursor", role: str, password: str) -> None:
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
    verb = "ALTER" if cursor.fetchone() else "CREATE"
    statement = sql.SQL(verb + " ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {}")
    cursor.execute(statement.format(sql.Identifier(role), sql.Literal(password)))


def _grant(url: str, owner: str, app: str) -> None:
    """Let the app role use what the owner will make, and make nothing itself."""
    _keep_strangers_out(url, urlsplit(url).path.removeprefix("/"), app)
    statements = (
        "ALTER SCHEMA public OWNER TO {owner}",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "GRANT USAGE ON SCHEMA public TO {app}",
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public"
        " GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app}",
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {app}",
    )
    _run(url, statements, owner=owner, app=app)


def _keep_strangers_out(url: str, database: str, app: str) -> None:
    statements = ("REVOKE ALL ON DATABASE {database} FROM PUBLIC", "GRANT CONNECT ON DATABASE {database} TO {app}")
    _run(url, statements, database=database, app=app)


def _run(url: str, statements: tuple[str, ...], **names: str) -> None:
    connection = connect(url)
    try:
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(sql.SQL(statement).format(**{key: sql.Identifier(n) for key, n in names.items()}))
    finally:
        connection.close()


def _with(url: str, *, database: str, user: str | None = None, password: str = "") -> str:
    parts = urlsplit(url)
    netloc = parts.netloc
    if user is not None:
        netloc = f"{user}:{quote(password, safe='')}@{netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=netloc, path=f"/{database}"))
