"""Where the servers keep their data and as whom they run, and whether a database needs its migrations."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.accounts import can_reach, is_root, server_home
from deploy.databases import ServiceDatabase
from deploy.errors import DeployError
from deploy.migrations import is_up_to_date
from deploy.outline import newest_migrations
from deploy.settings import SERVICES

root_only = pytest.mark.skipif(not is_root(), reason="only root can run a server as somebody else")


@pytest.fixture
def hidden(tmp_path: Path) -> Iterator[Path]:
    """A state folder that other users cannot reach, as one below /root."""
    above = tmp_path / "private"
    above.mkdir(mode=0o700)
    yield above / "var"
    for link in (above / "var").glob("*"):
        if link.is_symlink():
            shutil.rmtree(link.resolve())


@root_only
def test_a_server_that_cannot_reach_the_state_folder_keeps_its_data_outside(hidden: Path) -> None:
    home, account = server_home(hidden, "postgres", "postgres")
    assert account == "postgres"
    assert (hidden / "postgres").resolve() == home
    assert home.owner() == "postgres"
    assert can_reach("postgres", home)
    assert server_home(hidden, "postgres", "postgres") == (home, account)


@root_only
def test_a_new_state_folder_gets_new_data_though_an_old_one_was_deleted(hidden: Path) -> None:
    first, _ = server_home(hidden, "postgres", "postgres")
    (hidden / "postgres").unlink()
    second, _ = server_home(hidden, "postgres", "postgres")
    shutil.rmtree(first)
    assert first != second


@root_only
def test_root_goes_on_as_the_user_who_owns_the_data(servers_dir: Path) -> None:
    home, _ = server_home(servers_dir / "given", "postgres", "postgres")
    shutil.chown(home, "nobody")
    assert server_home(servers_dir / "given", "postgres", "postgres") == (home, "nobody")


@root_only
def test_an_unknown_user_is_named(servers_dir: Path) -> None:
    with pytest.raises(DeployError, match="there is no user parrot"):
        server_home(servers_dir / "unknown", "postgres", "parrot")


@pytest.mark.skipif(is_root(), reason="root runs servers as somebody else")
def test_an_ordinary_user_runs_the_servers_as_themselves(tmp_path: Path) -> None:
    home, account = server_home(tmp_path, "postgres", "postgres")
    assert (home.stat().st_uid, account) == (os.geteuid(), None)


@pytest.mark.parametrize("service", SERVICES)
def test_a_database_is_up_to_date_once_the_services_own_migrations_have_run(
    service: str, database: Callable[..., ServiceDatabase], migrated_template: Callable[[str], str]
) -> None:
    newest = newest_migrations(service)
    assert not is_up_to_date(newest, database(service).owner_url)
    assert is_up_to_date(newest, database(service, template=migrated_template(service)).owner_url)
