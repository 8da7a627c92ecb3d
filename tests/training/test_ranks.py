"""Several processes train one network as one process would."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from edge.errors import CallError
from tests.training.kit import pools, recipe, write_heads, write_recipe
from training.checkpoint import load
from training.cli import main
from training.data.sampler import batch
from training.ranks import ALONE, Ranks, check_batch, join

pytestmark = pytest.mark.training

ROOT = Path(__file__).parent.parent.parent
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m")


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    """Torchrun with two gloo ranks: the same weights but for rounding, and one log.

    A batch of 3 is shared as 2 and 1, so a mean over processes, or hard negatives chosen by each
    for itself, would come to something else.
    """
    write_heads(tmp_path / "discs", count=6)
    file = write_recipe(tmp_path / "r.toml")
    text = file.read_text().replace("batch = 2", "batch = 3").replace("steps = 2", "steps = 5")
    file.write_text(text)
    arguments = ["fit", str(file), "--data", str(tmp_path), "--cache", str(tmp_path / "cache")]

    assert 0 == main([*arguments, "--out", str(tmp_path / "one")])
    done = subprocess.run(
        [sys.executable, *TORCHRUN, "training.cli", *arguments, "--out", str(tmp_path / "two")],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip

    assert 0 == done.returncode, done.stderr
    logs = [(tmp_path / run / "metrics.jsonl").read_text() for run in ("one", "two")]
    assert logs[0].count("\n") == logs[1].count("\n")
    one, two = (load(tmp_path / run / "last.pt") for run in ("one", "two"))
    for part in ("model", "ema"):
        for key, weights in one[part].items():
            assert torch.allclose(weights, two[part][key], atol=1e-5, rtol=1e-3), (part, key)


@pytest.mark.parametrize("size", [1, 2, 3, 16])
def test_every_view_of_a_batch_is_of_one_rank(size: int) -> None:
    """None is left out, none is taken twice, and nobody has two more than another."""
    parts = [list(Ranks(number, size).part(16)) for number in range(size)]

    assert list(range(16)) == sorted(itertools.chain(*parts))
    assert 1 >= max(map(len, parts)) - min(map(len, parts))


def test_one_process_speaks_with_nobody() -> None:
    """Alone, nothing is set up, and what is agreed on is one's own."""
    values = torch.tensor([1.0, -2.0])
    with join({}, "cpu") as ranks:
        assert ranks == ALONE
        assert ranks.chief
        assert torch.equal(values, ranks.total(values))
        assert torch.equal(values, ranks.gathered(values))
        assert [False, True] == [ranks.any(said, values.device) for said in (False, True)]
    assert not torch.distributed.is_initialized()


def test_a_batch_for_fewer_than_there_are_is_refused() -> None:
    """A rank without a picture could learn nothing."""
    check_batch(2, Ranks(0, 2))
    with pytest.raises(CallError, match="batch of 2"):
        check_batch(2, Ranks(0, 3))


def test_a_part_of_a_batch_is_that_of_the_whole() -> None:
    """A rank draws its own views alone, and they are those that one process would draw."""
    plan = recipe(batch=5)
    whole = batch(pools(plan), plan, 7)
    part = batch(pools(plan), plan, 7, Ranks(1, 2).part(5))

    assert [whole[1].name, whole[3].name] == [view.name for view in part]
    assert all(
        np.array_equal(whole[k].image, view.image) for k, view in zip((1, 3), part, strict=True)
    )
