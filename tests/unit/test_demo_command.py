"""What `make demo` says where it cannot begin."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.demo.__main__ import demo
from deploy.demo.people import founders
from deploy.errors import DeployError
from deploy.run_file import Run

_NOBODY = Run(services={}, rabbitmq={}, databases={}, processes=[], people=[])


def test_where_nothing_runs_it_says_how_to_start_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATES_STATE_DIR", str(tmp_path))
    ended = CliRunner().invoke(demo)
    assert ended.exit_code == 1
    assert "Start it with `make up`" in ended.output


def test_of_a_system_that_was_killed_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATES_STATE_DIR", str(tmp_path))
    (tmp_path / "run.json").write_text(json.dumps(vars(_NOBODY)))
    ended = CliRunner().invoke(demo)
    assert ended.exit_code == 1
    assert "it was killed" in ended.output


def test_without_the_demo_company_it_says_what_it_needs() -> None:
    with pytest.raises(DeployError, match="ATES_DEMO=1 make up"):
        founders(_NOBODY)


@pytest.mark.parametrize("words", [["--days", "0"], ["--people", "0"], ["--days", "month"], ["--people", "10000"]])
def test_numbers_that_make_no_month_are_refused(words: list[str]) -> None:
    assert CliRunner().invoke(demo, words).exit_code == 2
