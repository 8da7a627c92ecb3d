"""The commands in the documentation exist, with the options that it names."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

import pytest

import deploy.cli
import edge.cli

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands(page: Path) -> list[list[str]]:
    """The words of each `headcount…` command in a page's indented or fenced blocks."""
    found = []
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith(("    headcount", "headcount")) and " " in line.strip():
            found.append(shlex.split(line, comments=True))
    return found


def parser_of(program: str) -> argparse.ArgumentParser:
    """The parser of one of the three programs."""
    if program == "headcount-train":
        training_cli = pytest.importorskip("training.cli")
        parser: argparse.ArgumentParser = training_cli.build_parser()
        return parser
    return {"headcount": edge.cli, "headcount-deploy": deploy.cli}[program].build_parser()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_parse(page: Path) -> None:
    """Every command of a page is understood by its program."""
    for program, *arguments in commands(page):
        parser_of(program).parse_args(arguments)


def test_the_readme_shows_commands() -> None:
    """The README shows how to count, to watch and to train."""
    shown = {" ".join(command[:2]) for command in commands(ROOT / "README.md")}

    assert {"headcount replay", "headcount run", "headcount-train fit"} <= shown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link of a page leads to a file."""
    for part in page.read_text(encoding="utf-8").split("](")[1:]:
        target = part.partition(")")[0].partition("#")[0]
        if target and "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"
