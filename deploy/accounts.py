"""The operating system's users. Postgres refuses to run as root, and nothing that need not be root should be."""

import grp
import os
import pwd
import shutil
import subprocess
from pathlib import Path

from deploy.errors import DeployError

#: Where a server keeps its data if its own user cannot reach the state folder, as with one below /root.
_OUTSIDE = Path("/var/lib/ates")


def is_root() -> bool:
    """Tell whether this process may become any user."""
    return os.geteuid() == 0


def become(account: str | None) -> list[str]:
    """Return the words before a command that make it run as this user; none for the current one."""
    if account is None:
        return []
    user = pwd.getpwnam(account)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups", "--"]


def can_reach(account: str | None, folder: Path) -> bool:
    """Tell whether the user may go into the folder. The kernel is asked, not the mode bits."""
    return subprocess.run([*become(account), "test", "-x", str(folder)], check=False).returncode == 0


def give(path: Path, account: str | None) -> None:
    """Make the user the owner, if it is another one than the current."""
    if account is not None:
        shutil.chown(path, account, grp.getgrgid(pwd.getpwnam(account).pw_gid).gr_name)


def server_home(state_dir: Path, name: str, account: str) -> tuple[Path, str | None]:
    """Return the folder of a server in the state folder, made if need be, and the user to run the server as.

    Root runs the server as `account`, or as whoever owns the folder already; anybody else runs it as themselves
    (None). Where that user cannot reach the state folder, `<state dir>/<name>` is a link to a folder outside.
    """
    link = state_dir / name
    state_dir.mkdir(parents=True, exist_ok=True)
    if not is_root():
        link.mkdir(mode=0o700, exist_ok=True)
        if link.stat().st_uid != os.geteuid():
            owner = link.owner()
            raise DeployError(
                f"{link} belongs to the user {owner}, since root started this system before. Start it as root again,"
                f" or choose another state folder: ATES_STATE_DIR=<folder> make up"
            )
        return link.resolve(), None
    if link.exists() and link.stat().st_uid != 0:
        account = link.owner()
    _require_account(account, name)
    if state_dir.stat().st_mode & 0o011 != 0o011:
        state_dir.chmod(state_dir.stat().st_mode | 0o011)  # others may pass through, not look inside
    if not link.exists():
        _make_home(link, account)
    home = link.resolve()
    give(home, account)
    if not can_reach(account, home):
        raise DeployError(
            f"The user {account}, who runs {name}, cannot reach {home}. Let others pass through the folders above"
            f" it (chmod o+x), or choose another state folder: ATES_STATE_DIR=<folder> make up"
        )
    return home, account


def _make_home(link: Path, account: str) -> None:
    link.unlink(missing_ok=True)  # a link to a folder that is gone
    if can_reach(account, link.parent):
        link.mkdir(mode=0o700)
        return
    _OUTSIDE.mkdir(exist_ok=True)
    _OUTSIDE.chmod(0o755)  # whatever the umask says
    for number in range(1, 1_000_000):
        home = _OUTSIDE / f"{link.name}-{number}"
        try:
            home.mkdir(mode=0o700)
        except FileExistsError:
            continue
        print(f"The user {account} cannot reach {link.parent}: the data of {link.name} is kept in {home}.")
        link.symlink_to(home)
        return


def _require_account(account: str, name: str) -> None:
    try:
        pwd.getpwnam(account)
    except KeyError as error:
        raise DeployError(
            f"{name} does not run as root, and there is no user {account} to run it as. Debian's package of {name}"
            f" makes that user; or start the system as an ordinary user."
        ) from error
