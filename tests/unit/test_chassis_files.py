"""Files that nobody else may read."""

import stat
import subprocess
import sys
from pathlib import Path

from chassis.files import private_folder
from deploy.files import close_to_others, write_atomically

ROOT = Path(__file__).parents[2]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_is_closed_when_it_is_made(tmp_path: Path) -> None:
    assert mode(private_folder(tmp_path / "state" / "letters")) == 0o700


def test_a_folder_that_was_open_is_closed_with_the_files_in_it(tmp_path: Path) -> None:
    letter = tmp_path / "letters" / "1.eml"
    letter.parent.mkdir(mode=0o755)
    letter.write_text("Dear Kesha")
    letter.chmod(0o644)
    private_folder(letter.parent)
    assert (mode(letter.parent), mode(letter)) == (0o700, 0o600)


def test_what_earlier_versions_left_open_is_closed_and_nothing_else_is_touched(tmp_path: Path) -> None:
    strange = tmp_path / "photos"
    strange.mkdir()
    strange.chmod(0o755)
    tmp_path.chmod(0o711)
    for name in ("people.json", "beaks/kesha.png", "letters/1.eml", "logs/auth.web.log"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
        file.chmod(0o644)
    close_to_others(tmp_path)
    assert {str(path.relative_to(tmp_path)): mode(path) for path in tmp_path.rglob("*")} == {
        "photos": 0o755,
        "people.json": 0o600,
        **dict.fromkeys(("beaks", "letters", "logs"), 0o700),
        **dict.fromkeys(("beaks/kesha.png", "letters/1.eml", "logs/auth.web.log"), 0o600),
    }
    assert mode(tmp_path) == 0o711


def test_a_file_is_private_unless_somebody_says_otherwise(tmp_path: Path) -> None:
    write_atomically(tmp_path / "processes.json", "[]")
    write_atomically(tmp_path / "prometheus.json", "[]", mode=0o644)
    assert (mode(tmp_path / "processes.json"), mode(tmp_path / "prometheus.json")) == (0o600, 0o644)


def test_whatever_a_process_of_ours_makes_is_private(tmp_path: Path) -> None:
    program = (
        "from chassis.files import keep_files_private\n"
        "from pathlib import Path\n"
        "import subprocess, sys\n"
        "keep_files_private()\n"
        "Path('folder').mkdir()\n"
        "Path('folder/file').touch()\n"
        "subprocess.run(['touch', 'of-a-child'], check=True)\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True)
    assert (mode(tmp_path / "folder"), mode(tmp_path / "folder/file"), mode(tmp_path / "of-a-child")) == (
        0o700,
        0o600,
        0o600,
    )
