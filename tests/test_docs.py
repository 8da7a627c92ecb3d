"""The commands in the documentation exist, with the options that it names."""

from __future__ import annotations

import argparse
import importlib.util
import shlex
from pathlib import Path

import pytest

import deploy.cli
import edge.cli
from edge.assembly import PACKAGED, shipped_bundles
from edge.contract.bundle import read_bundle
from edge.contract.signature import read_packaged

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands(page: Path) -> list[list[str]]:
    """The words of each `headcount…` command in a page's indented or fenced blocks."""
    found = []
    for line in page.read_text(encoding="utf-8").splitlines():
        call = line.removeprefix("    ").removeprefix("sudo ")
        if call.startswith("headcount") and " " in call.strip():
            found.append(shlex.split(call, comments=True))
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


@pytest.mark.parametrize("folder", shipped_bundles(), ids=lambda folder: folder.name)
def test_the_model_card_tells_what_the_manifest_tells(folder: Path) -> None:
    """A shipped bundle's card is printed from its manifest, and the README has its table."""
    spec = importlib.util.spec_from_file_location("card", ROOT / "benchmarks" / "model_card.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    manifest = read_bundle(folder).manifest

    assert module.card(folder.name) == folder.with_suffix(".md").read_text()
    assert module.table(manifest.metrics) in (ROOT / "README.md").read_text()


def test_the_shipped_bundles_are_vouched_for() -> None:
    """The packaged digests are those of the shipped bundles, and their licences are told."""
    bundles = [read_bundle(folder) for folder in shipped_bundles()]

    assert read_packaged(PACKAGED) == {each.manifest.name: each.sha256 for each in bundles}
    for each in bundles:
        research = "research" in " ".join(each.manifest.licences)
        assert research == (each.manifest.name != "headcount-permissive")
        assert all(": " in licence for licence in each.manifest.licences)
