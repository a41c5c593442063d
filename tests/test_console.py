"""What the command line says besides a table: to a program, to the log, and to who types half a word."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from synth.cli import root
from synth.cli.options import _CALL
from synth.cli.verbs import verbs
from synth.console.sinks import LOG_BYTES, LogFile, Said
from synth.starter import write_starter

ROOT = Path(__file__).parents[1]


@pytest.fixture
def clinic(tmp_path: Path) -> Path:
    return write_starter(tmp_path / "clinic")


def synth(
    folder: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "synth", *arguments],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


def records(text: str) -> list[dict[str, dict[str, object]]]:
    return [json.loads(line) for line in text.splitlines()]


def test_lines_of_json_for_a_program_and_the_same_in_the_log(clinic: Path) -> None:
    result = synth(clinic, "run", "--empty", "--log-format", "json", "--vars", "{password: CANARY}")
    found = records(result.stdout)
    assert result.returncode == 0 and result.stderr == ""
    assert [line["info"]["name"] for line in found] == ["began", *["started", "finished"] * 2, "summary"]
    assert {"name", "level", "msg", "ts", "invocation_id"} == found[0]["info"].keys()
    assert found[0]["data"]["argv"] == ["run", "--empty", "--log-format", "json", "--vars", "***"]
    assert found[2]["data"] | {"seconds": 0} == {
        "index": 1, "total": 2, "node": "synthetic.members", "model": "members", "kind": "synthetic", "status": "success",
        "seconds": 0, "rows": 0, "epsilon": None, "reused": False, "message": None,
    }  # fmt: skip
    results = json.loads((clinic / "target" / "run_results.json").read_text())
    assert {line["info"]["invocation_id"] for line in found} == {results["invocation_id"]}
    assert (clinic / "logs" / "synth.log").read_text() == result.stdout
    assert "CANARY" not in result.stdout


def test_an_error_is_a_line_of_json_too(clinic: Path) -> None:
    result = synth(clinic, "run", "--select", "nobody", SYNTH_LOG_FORMAT="json")
    *_, last = records(result.stdout)
    assert result.returncode == 2 and result.stderr == ""
    assert last["info"]["level"] == "error" and str(last["info"]["msg"]).startswith(
        "Error: the selector 'nobody' matches nothing"
    )


def test_tables_without_rows_are_free_and_typed(clinic: Path) -> None:
    result = synth(clinic, "run", "--empty")
    assert "1 of 2 OK  synthetic.members  0 rows  [OK" in result.stdout
    assert synth(clinic, "ledger").stdout.startswith("Nothing is spent yet")
    shown = synth(clinic, "show", "-s", "members").stdout
    assert shown.split()[:3] == ["member_id", "sex", "age"]
    assert not (clinic / "target" / "generators").exists()


def test_a_model_to_look_at_is_named_as_one_likes(clinic: Path) -> None:
    synth(clinic, "run", "--empty")
    assert synth(clinic, "show", "members").stdout == synth(clinic, "show", "-s", "members").stdout != ""
    twice = synth(clinic, "show", "members", "-s", "pressure_by_region")
    assert twice.returncode == 2 and "two models are named, members and pressure_by_region" in twice.stderr
    assert "no model is named\n    Name one: synth sample MODEL." in synth(clinic, "sample").stderr
    assert "Run: synth run --select members" in synth(clinic, "sample", "members").stderr


def test_a_table_is_judged_by_another_declaration_than_it_was_made_of(clinic: Path) -> None:
    synth(clinic, "run", "--empty")
    said = "synthetic.members was made of an earlier declaration, and is judged by today's."
    assert said not in synth(clinic, "test", "--no-docs").stdout
    metadata = clinic / "metadata" / "members.yml"
    metadata.write_text(metadata.read_text().replace("      - last_visit >= first_visit\n", "      - age < 100\n"))
    assert synth(clinic, "test", "--no-docs").stdout.count(said) == 1
    synth(clinic, "run", "--empty")
    assert said not in synth(clinic, "test", "--no-docs").stdout


def test_every_flag_is_a_variable(clinic: Path) -> None:
    def options(command: click.Command) -> list[click.Option]:
        found = [p for p in command.params if isinstance(p, click.Option)]
        return found + [o for sub in getattr(command, "commands", {}).values() for o in options(sub)]

    verbs = [root.cli.get_command(click.Context(root.cli), name) for name in ("build", "run", "test")]
    shared = [o for verb in verbs if verb for o in options(verb) if o.name != "empty"]
    assert all(str(o.envvar) == f"SYNTH_{o.opts[-1].lstrip('-').upper().replace('-', '_')}" for o in shared)
    assert synth(clinic, "ls", SYNTH_SELECT="members", SYNTH_INDIRECT_SELECTION="empty").stdout == "clinic.members\n"
    assert synth(clinic, "compile", SYNTH_QUIET="1").stdout == ""


def test_the_first_failure_is_the_last_with_fail_fast(clinic: Path) -> None:
    (clinic / "models" / "broken.sql").write_text(
        "{{ config(materialized='table') }} select cast(sex as integer) as sex from (values ('F')) v(sex)\n"
    )
    (clinic / "models" / "zebra.sql").write_text("select 1 as one\n")
    both, first = (
        synth(clinic, "run", "--select", "broken zebra"),
        synth(clinic, "run", "-x", "--select", "broken zebra"),
    )
    assert "2 of 2 OK  public.zebra" in both.stdout
    assert "2 of 2 SKIP  public.zebra  stopped at the first failure" in first.stdout
    assert both.returncode == first.returncode == 1


def test_every_verb_shows_an_example() -> None:
    def commands(group: click.Group) -> list[click.Command]:
        context = click.Context(group)
        found = [group.get_command(context, name) for name in group.list_commands(context)]
        return [c for one in found if one for c in (one, *(commands(one) if isinstance(one, click.Group) else ()))]

    for command in commands(root.cli):
        assert re.search(r"Example:\s+synth ", command.help or ""), command.name


def test_the_list_of_verbs_says_what_verbs_say() -> None:
    context = click.Context(root.cli)
    made = {name: root.cli.get_command(context, name) for name in root.cli.list_commands(context)}
    assert made.keys() == verbs.commands.keys()
    assert {name: made[name].get_short_help_str(1000) for name in made} == root.VERBS
    written = [name for name in verbs.commands if name not in root.GROUPS]
    assert [name for name in root.VERBS if name in written] == written
    for name, command in made.items():
        assert command.callback.__module__ == f"synth.cli.{name if name in root.GROUPS else 'verbs'}"


def test_a_flag_takes_several_values(clinic: Path) -> None:
    """As dbt's do, with or without quotes and beside other flags, up to a verb of the verb's own."""
    quoted = synth(clinic, "ls", "--select", "members source:*", "--exclude", "test_name:type test_name:in_set", "-q")
    for said in (
        ("-s", "members", "source:*", "--exclude", "test_name:type", "test_name:in_set", "-q"),
        ("-q", "--exclude=test_name:type", "test_name:in_set", "--select=members", "source:*"),
        ("-s", "members", "-s", "source:*", "-q", "--exclude", "test_name:type", "--exclude", "test_name:in_set"),
    ):
        assert synth(clinic, "ls", *said).stdout == quoted.stdout != ""
    assert "Missing argument 'DIR'" in synth(clinic, "release", "-s", "members", "zebra", "verify").stderr
    assert "unexpected extra argument (zebra)" in synth(clinic, "ls", "-q", "zebra").stderr


def test_a_process_that_ends_at_once_tells_what_could_not_be_said(clinic: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "synth", "ls"]
        unsaid = subprocess.run(command, cwd=clinic, stdout=full, stderr=subprocess.PIPE, text=True)
    assert unsaid.returncode == 1 and "Error: No space left on device" in unsaid.stderr


def test_flags_before_a_verb_are_the_verbs(clinic: Path) -> None:
    said = ("ls", "-s", "test_name:not_null")
    expected = synth(clinic, *said, "-t", "dev").stdout
    assert expected and synth(clinic, "-t", "dev", *said).stdout == expected
    assert "no target 'test'" in synth(clinic, "--target", "test", *said).stderr
    assert synth(clinic, "--target=dev", "-q", *said).stdout == expected
    taking = {o for p in _CALL if isinstance(p, click.Option) and not p.is_flag for o in p.opts}
    assert taking == {*root.WITH_VALUE}


def test_a_verb_that_is_not_there_has_a_neighbour(clinic: Path) -> None:
    assert "No such command 'plann'. Did you mean plan or clean?" in synth(clinic, "plann").stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_selectors_are_completed_from_what_was_compiled(shell: str, clinic: Path) -> None:
    synth(clinic, "compile")
    words = {"COMP_WORDS": "synth run --select +mem", "COMP_CWORD": "+mem" if shell == "fish" else "3"}
    found = synth(clinic, _SYNTH_COMPLETE=f"{shell}_complete", **words)
    assert "+members" in found.stdout and "members.age" not in found.stdout, found.stderr
    words = {"COMP_WORDS": "synth run --select source:clinic mem", "COMP_CWORD": "mem" if shell == "fish" else "4"}
    assert "members" in synth(clinic, _SYNTH_COMPLETE=f"{shell}_complete", **words).stdout


def test_the_log_turns_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synth.console.sinks.LOG_BYTES", 500)
    log = LogFile(tmp_path / "logs" / "synth.log", "an id")
    for number in range(20):
        log.say(Said.of("note", [f"line {number}"], {}))
    assert LOG_BYTES > 500
    files = sorted(path.name for path in (tmp_path / "logs").iterdir())
    assert files == ["synth.log", *(f"synth.log.{i}" for i in range(1, 6))]
    assert all(path.stat().st_size <= 500 for path in (tmp_path / "logs").iterdir())


def test_a_full_disk_says_nothing_of_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "synth.log").symlink_to("/dev/full")
    LogFile(tmp_path / "synth.log", "an id").say(Said.of("note", ["CANARY"], {}))
    assert capfd.readouterr() == ("", "")


def test_a_log_that_cannot_be_written_stops_nothing(clinic: Path) -> None:
    (clinic / "logs").write_text("no folder")
    assert synth(clinic, "run", "--empty").returncode == 0
