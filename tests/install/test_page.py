"""Reading docs/install.md: what the proofs in the container take from it."""

from __future__ import annotations

from tests.install.page import FileRow, SocketRow, block, commands, files, sockets

PAGE = """
# Install
## Install
Words.
```sh
one --yes
two
```
### More
```sh
three
```
```toml
not = "this"
```
## Watch
```sh
four
```
| Path | Kind | Mode | Owner |
|---|---|---|---|
| `/opt/x` | folder | 0755 | root |
| `/opt/x/venv-XXXXXX` | tree | 0755, 0644 | root |
| `/etc/x/secret` | file if a password is given | 0600 | root |

| address | port | program |
|---|---|---|
| `127.0.0.1` | 1883 | mosquitto |
"""


def test_commands_are_those_below_a_heading() -> None:
    """In order, of `sh` blocks alone, down to the next heading of that level."""
    assert ["one --yes", "two", "three"] == commands(PAGE, "Install")
    assert ["four"] == commands(PAGE, "Watch")


def test_a_block_is_without_its_indent() -> None:
    """From the line that is named to the next text, with the empty lines within it."""
    page = "## A\n\n    one\n\n## Try it\nSay\n\n    [a]\n    b = 1\n\n    [c]\n\nand\n\n    two\n"

    assert "[a]\nb = 1\n\n[c]\n" == block(page, "Try it", "[a]")
    assert "two\n" == block(page, "Try it", "two")


def test_files_are_those_of_the_table() -> None:
    """A row has its modes, and says whether it may be missing."""
    folder, tree, secret = files(PAGE)

    assert FileRow("/opt/x", "folder", frozenset({"0755"}), "root", False) == folder
    assert frozenset({"0755", "0644"}) == tree.modes
    assert (True, "file") == (secret.optional, secret.kind)


def test_a_tree_holds_what_is_below_it() -> None:
    """Below, however deep, and not beside; a folder holds itself alone."""
    folder, tree, _ = files(PAGE)

    assert tree.holds("/opt/x/venv-Ab3/lib/a.py", "file")
    assert not tree.holds("/opt/x/other/a.py", "file")
    assert folder.holds("/opt/x", "folder")
    assert not folder.holds("/opt/x/venv-Ab3", "folder")
    assert not folder.holds("/opt/x", "file")


def test_sockets_are_those_of_the_table() -> None:
    """Address, port, program."""
    assert [SocketRow("127.0.0.1", 1883, "mosquitto")] == sockets(PAGE)
