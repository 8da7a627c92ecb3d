"""`headcount-deploy` keygen, sign, verify and pack, as a person calls them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.cli import main
from edge.contract.bundle import read_bundle, write_bundle
from edge.contract.commands import UPDATE, Command
from edge.contract.permit import permits
from edge.contract.signature import load_trusted_keys
from tests.contract.bundles import FILES, SSD


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with a bundle, a passphrase, and a key that was made with it."""
    write_bundle(tmp_path / "bundle", SSD, FILES)
    (tmp_path / "words").write_text("open sesame\n")
    (tmp_path / "keys").mkdir()
    key = ["keygen", str(tmp_path / "keys" / "anna"), "--passphrase-file", str(tmp_path / "words")]
    assert 0 == main(key)
    return tmp_path


def sign(desk: Path, *more: str) -> int:
    call = ["sign", str(desk / "bundle"), "--key", str(desk / "keys" / "anna")]
    return main([*call, "--passphrase-file", str(desk / "words"), *more])


def verify(desk: Path) -> int:
    return main(["verify", str(desk / "bundle"), "--trusted", str(desk / "keys")])


def test_what_was_signed_is_verified(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The key's id is told each time; before it is signed, and with another key, exit 1."""
    assert 1 == verify(desk)
    assert 0 == sign(desk)
    capsys.readouterr()
    assert 0 == verify(desk)
    (key_id,) = load_trusted_keys(desk / "keys")
    assert f"signed by {key_id}" in capsys.readouterr().out
    (desk / "keys" / "anna.pub").unlink()
    assert 1 == verify(desk)


def test_the_private_key_is_for_its_owner_and_stays(desk: Path) -> None:
    """It is encrypted, nobody else may read it, and no second one takes its place."""
    path = desk / "keys" / "anna"
    before = path.read_bytes()

    assert 0o600 == path.stat().st_mode & 0o777
    assert b"ENCRYPTED" in before
    assert 2 == main(["keygen", str(path), "--passphrase-file", str(desk / "words")])
    assert before == path.read_bytes()
    (desk / "words").write_text("another\n")
    assert 1 == sign(desk)


def test_a_leave_to_go_back_is_signed_with_it(desk: Path) -> None:
    """For the counter that doors have reached, and no other."""
    assert 0 == sign(desk, "--allow-downgrade-from", "9")
    bundle, trusted = read_bundle(desk / "bundle"), load_trusted_keys(desk / "keys")

    assert permits(bundle, 9, trusted)
    assert not permits(bundle, 8, trusted)


def test_one_file_and_the_command_for_it(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only of a signed bundle; with its address the payload of the command is printed."""
    call = ["pack", str(desk / "bundle"), str(desk / "door.bundle")]
    assert 1 == main(call)
    assert 0 == sign(desk)
    capsys.readouterr()
    assert 0 == main([*call, "--url", "https://updates.example/door.bundle"])
    payload = capsys.readouterr().out
    command = Command.from_json(UPDATE, payload.encode())

    assert command.offer is not None
    assert (desk / "door.bundle").stat().st_size == command.offer.size
    assert json.loads(payload)["sha256"] == command.offer.sha256
    assert replace(command, id="again").to_json() != payload
