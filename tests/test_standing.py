"""`headcount model` at a door: as the service's user, and what it says where it can do nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, headcount

STRANGER = 61_234  # a user that nobody is
CODE = """
import os
from pathlib import Path
from edge.standing import become_owner
os.chdir({folder!r})
become_owner(Path({folder!r}))
Path("made").mkdir()
place = Path("made").resolve()
place.joinpath("file").write_text("of its owner")
print(os.getuid(), os.geteuid(), os.getgroups() != [0], place.exists())
try:
    Path("/etc/headcount-test").write_text("")
except PermissionError:
    print("no root any more")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_becomes_the_owner_of_the_state(tmp_path: Path) -> None:
    """For good, below a folder that only root may enter; what it makes is the owner's."""
    private = tmp_path / "private"
    state = private / "headcount"
    state.mkdir(parents=True)
    private.chmod(0o700)
    os.chown(state, STRANGER, STRANGER)
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(folder=str(state))],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip

    if "cannot be entered" in done.stderr:
        pytest.skip("this kernel gives no view of the file system of one's own")
    assert f"{STRANGER} {STRANGER} True True\nno root any more\n" == done.stdout, done.stderr
    made = state / "made" / "file"
    assert (STRANGER, 0o600) == (made.stat().st_uid, made.stat().st_mode & 0o777)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("activate", "missing.bundle"), 2, "missing.bundle"),
        (("activate", "small"), 1, "the model is fixed: detector.model is"),
        (("rollback",), 1, "the model is fixed: detector.model is"),
        (("verify", "missing"), 1, "no such bundle"),
    ],
    ids=["missing", "fixed", "rollback of a fixed one", "verify"],
)
def test_what_cannot_be_done_is_one_line(
    tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    """With the way to mend it."""
    config = tmp_path / "door.toml"
    config.write_text('[detector]\nmodel = "default"\n')
    done = headcount("model", *arguments, "-c", config)

    assert code == done.code
    assert done.is_one_clear_line()
    assert words in done.err


def test_a_status_without_an_update(tmp_path: Path) -> None:
    """The shipped model, none before it, no service; and as JSON the same."""
    config = tmp_path / "door.toml"
    config.write_text(f'[ledger]\npath = "{tmp_path / "ledger.db"}"\n')
    told = headcount("model", "status", "-c", config)
    found = headcount("model", "status", "--json", "-c", config).json

    assert "model    headcount-default" in told.out
    assert "the service does not run" in told.out
    assert "before   none" in told.out
    assert (None, None, None) == (found["before"], found["update"], found["health"])
