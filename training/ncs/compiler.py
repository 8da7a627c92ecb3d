"""Runs the compiler for Movidius sticks on an IR: the figures of its blob, or its refusal.

It targets the Myriad X of the Neural Compute Stick 2. That it takes a graph proves that the graph
fits the stick's engines and memory; it proves neither the numbers that a stick computes nor how
long it takes.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from edge.errors import BundleError, WorldError
from training.ncs.blob import BlobInfo, read_blob
from training.ncs.tools import Compiler

_LIMIT_S = 600
_BROKEN = "Cannot load library"  # said when the program itself, and not the model, is at fault


def compile_for_stick(xml: bytes, weights: bytes, compiler: Compiler) -> BlobInfo:
    """Compile an IR for a Myriad X; nothing is kept but the figures.

    Args:
        xml: the graph; IR version 10 or older.
        weights: its `.bin`.
        compiler: from `find_compiler`.

    Raises:
        BundleError: the compiler refuses the model; the message gives its reason.
        WorldError: the compiler cannot be run here.
    """
    with tempfile.TemporaryDirectory(prefix="headcount-ncs-") as name:
        folder = Path(name)
        (folder / "model.xml").write_bytes(xml)
        (folder / "model.bin").write_bytes(weights)
        done = _run(compiler, folder)
        blob = folder / "model.blob"
        if done.returncode != 0 or not blob.is_file():
            raise _refusal(compiler, done)
        return read_blob(blob.read_bytes())


def _run(compiler: Compiler, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(compiler.program.resolve()), "-m", "model.xml", "-o", "model.blob"]
    precisions = ["-ip", "U8", "-op", "FP32"]  # pictures as they come, codes as they are decoded
    environment = {**os.environ, "LD_LIBRARY_PATH": str(compiler.libraries.resolve())}
    try:
        return subprocess.run(  # noqa: S603 - the program is ours, the files too
            [*command, *precisions],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise WorldError(
            f"{compiler.program}: not done within {_LIMIT_S} s; try again on a quieter machine"
        ) from error
    except OSError as error:
        raise WorldError(
            f"{compiler.program}: cannot be run: {error.strerror}; remove "
            f"{compiler.libraries.parent.parent} and bring the compiler again"
        ) from error


def _refusal(
    compiler: Compiler, done: subprocess.CompletedProcess[str]
) -> BundleError | WorldError:
    reason = " ".join(done.stderr.split()) or f"it ended with {done.returncode} and no word"
    if _BROKEN in reason:
        return WorldError(f"{compiler.program}: cannot be run: {reason}")
    return BundleError(
        f"the stick's compiler refuses the model: {reason.rstrip('.')}; nothing was written: "
        "export a float network of operations that sticks know"
    )
