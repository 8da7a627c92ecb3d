"""What docs/install.md promises, read from the page: its commands and its tables."""

from __future__ import annotations

import fnmatch
import itertools
import re
import textwrap
from dataclasses import dataclass

_OPTIONAL = " if "


@dataclass(frozen=True)
class FileRow:
    """A row of the table of files.

    `kind` is folder, file, link or tree, which stands for all below its path; `modes` are those
    that may be found, none for a link; `optional`: it need not be there.
    """

    path: str
    kind: str
    modes: frozenset[str]
    owner: str
    optional: bool

    def holds(self, path: str, kind: str) -> bool:
        """Whether it speaks of something that was found."""
        if self.kind == "tree":
            return _matches(path, f"{self.path}/*")
        return (
            kind == self.kind
            and path.count("/") == self.path.count("/")
            and _matches(path, self.path)
        )


@dataclass(frozen=True)
class SocketRow:
    """A row of the table of listening sockets."""

    address: str
    port: int
    program: str


def commands(page: str, heading: str) -> list[str]:
    """The lines of the `sh` blocks under a heading, down to the next of its level or above."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", section(page, heading), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def block(page: str, heading: str, begin: str) -> str:
    """The indented block under a heading from its line that begins so, without the indent."""
    lines = section(page, heading).splitlines()
    (first,) = [number for number, line in enumerate(lines) if line.startswith(f"    {begin}")]
    taken = itertools.takewhile(lambda line: not line or line.startswith("    "), lines[first:])
    return textwrap.dedent("\n".join(taken)).strip() + "\n"


def section(page: str, heading: str) -> str:
    """What is under a heading, down to the next of its level or above."""
    begin = re.search(rf"^(##+) {re.escape(heading)}$", page, re.MULTILINE)
    assert begin is not None, f"no heading {heading!r}"
    rest = page[begin.end() :]
    end = re.search(rf"^#{{1,{len(begin[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def files(page: str) -> list[FileRow]:
    """The table of files."""
    found = []
    for path, told, mode, owner in _rows(page, "path", "kind", "mode", "owner"):
        kind, _, condition = told.partition(_OPTIONAL)
        modes = frozenset(re.findall(r"[0-7]{4}", mode))
        found.append(FileRow(path, kind, modes, owner, bool(condition)))
    return found


def sockets(page: str) -> list[SocketRow]:
    """The table of listening sockets."""
    rows = _rows(page, "address", "port", "program")
    return [SocketRow(address, int(port), program) for address, port, program in rows]


def _rows(page: str, *columns: str) -> list[list[str]]:
    """The cells of the table with these columns, without their backquotes."""
    lines = iter(page.splitlines())
    for line in lines:
        if [cell.lower() for cell in _cells(line)] == list(columns):
            next(lines)  # the rule below the head
            break
    else:
        raise AssertionError(f"no table with the columns {columns}")
    found = []
    for line in lines:
        if not line.startswith("|"):
            break
        found.append(_cells(line))
    return found


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("`", "") for cell in line.strip().strip("|").split("|")]


def _matches(path: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(path, pattern.replace("XXXXXX", "*"))
