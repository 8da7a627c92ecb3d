"""`python -m training.ncs.tools`: the compiler is there as a whole, or a line says why not."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from edge.errors import WorldError
from tests.conftest import ROOT
from tests.old_openvino import myriad_compiler
from training.ncs.tools import find_compiler, tools_folder

WHEEL = "openvino-2021.3.0-2774-cp37-cp37m-manylinux2014_x86_64.whl"


def bring(folder: Path, index: Path) -> subprocess.CompletedProcess[str]:
    """Run the command with `index`, a folder of wheels, as all that pip knows."""
    environment = {
        **os.environ,
        "HEADCOUNT_NCS_TOOLS": str(folder),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(index),
    }
    command = [sys.executable, "-m", "training.ncs.tools"]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def forged(index: Path) -> Path:
    """A wheel of the right name that is not the right one."""
    index.mkdir()
    with zipfile.ZipFile(index / WHEEL, "w") as wheel:
        wheel.writestr("openvino/libs/myriad_compile", "#!/bin/sh\n")
        wheel.writestr("openvino-2021.3.0.dist-info/METADATA", "Name: openvino\nVersion: 2021.3.0")
    return index


def test_without_an_index_it_says_so(tmp_path: Path) -> None:
    """Exit 1, one line with pip's reason, and nothing is left behind."""
    (tmp_path / "index").mkdir()
    done = bring(tmp_path / "tools", tmp_path / "index")

    assert 1 == done.returncode
    assert "ncs-tools: openvino==2021.3.0: the package index does not give it" in done.stderr
    assert 1 == done.stderr.count("\n")
    assert [tmp_path / "index"] == list(tmp_path.iterdir())


def test_a_wheel_of_another_digest_is_refused(tmp_path: Path) -> None:
    """A program that will be run is taken only if it is the known one."""
    done = bring(tmp_path / "tools", forged(tmp_path / "index"))

    assert 1 == done.returncode
    assert "HASHES" in done.stderr
    assert 1 == done.stderr.count("\n")
    assert not (tmp_path / "tools").exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """Exit 1, and how to choose another folder."""
    (tmp_path / "file").write_text("")
    done = bring(tmp_path / "file" / "tools", tmp_path)

    assert 1 == done.returncode
    assert "set HEADCOUNT_NCS_TOOLS to a folder that can be written" in done.stderr
    assert 1 == done.stderr.count("\n")


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    """With the compiler there, no index is asked."""
    compiler = myriad_compiler()
    folder = compiler.libraries.parents[1]
    done = bring(folder, tmp_path)

    assert 0 == done.returncode, done.stderr
    assert str(compiler.program) in done.stdout


def test_without_the_compiler_the_way_to_it_is_told(tmp_path: Path) -> None:
    """The line names `make ncs-tools`."""
    with pytest.raises(WorldError, match="run `make ncs-tools`"):
        find_compiler(tmp_path)


def test_the_folder_can_be_chosen(tmp_path: Path) -> None:
    """It is the environment's own, or the one that the variable names."""
    assert tmp_path == tools_folder({"HEADCOUNT_NCS_TOOLS": str(tmp_path)})
    assert Path(sys.prefix) / "ncs-tools" == tools_folder({})
