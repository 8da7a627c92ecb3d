"""A bundle is enough to go on from: recipe, plan and weights come back out of it."""
# ruff: noqa: E402 - torch first, or a skip that says so

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the [training] extra: torch is missing")

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

from edge.contract.bundle import write_bundle
from edge.errors import BundleError, DataError
from tests.training.kit import recipe
from training.bundle import Label, make_bundle
from training.checkpoint import build, checkpoint, new_state, restore, save
from training.cli import main
from training.config import Recipe
from training.export import export
from training.fitting import begin
from training.prune.plan import PruningPlan
from training.prune.surgery import apply, plan_of

pytestmark = pytest.mark.training

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


def halved(plan: PruningPlan) -> PruningPlan:
    """Every second channel of each group goes."""
    return plan.with_kept({name: range(0, size, 2) for name, size in plan.sizes.items()})


@pytest.mark.parametrize("backbone", ["mobilenet", "squeezenet"])
@pytest.mark.parametrize("pruned", [False, True], ids=["dense", "pruned"])
def test_weights_come_back(tmp_path: Path, backbone: str, pruned: bool) -> None:
    """Each weight is the bundled network's, rounded to FP16; plan and recipe are the same."""
    made = recipe()
    made = dataclasses.replace(made, model=dataclasses.replace(made.model, backbone=backbone))
    net = build(made).eval()
    plan = halved(plan_of(net)) if pruned else None
    if plan is not None:
        net = apply(net, plan)
    label = Label("test", "1", 1, plan={} if plan is None else plan.to_json())
    make_bundle(export(net), made, label, created=NOW, out=tmp_path / "b")

    back = restore(tmp_path / "b")

    assert made == back.recipe
    assert plan == back.plan
    wanted, got = net.state_dict(), back.net.state_dict()
    assert list(wanted) == list(got)
    for name, tensor in wanted.items():
        torch.testing.assert_close(got[name], tensor, rtol=1e-3, atol=1e-6, msg=name)


def test_training_goes_on_from_a_bundle(tmp_path: Path) -> None:
    """A fit that starts from a bundle begins with its weights; another network is refused."""
    made = recipe()
    net = build(made).eval()
    make_bundle(export(net), made, Label("test", "1", 1), created=NOW, out=tmp_path / "b")

    begun, plan = begin(made, tmp_path, tmp_path / "b")

    assert plan is None
    torch.testing.assert_close(
        begun.state_dict()["head0.loc.weight"], net.state_dict()["head0.loc.weight"],
        rtol=1e-3, atol=1e-6,
    )  # fmt: skip
    with pytest.raises(DataError, match="not of the recipe's network"):
        begin(wider(made), tmp_path, tmp_path / "b")


def test_a_bundle_without_a_recipe_is_refused(tmp_path: Path) -> None:
    """Of a ready-made network nothing is known but its file: no training goes on from it."""
    made = recipe()
    bundle = make_bundle(
        export(build(made).eval()), made, Label("test", "1", 1), created=NOW, out=tmp_path / "b"
    )
    files = {name: bundle.path(name) for name in bundle.manifest.files}
    write_bundle(tmp_path / "c", dataclasses.replace(bundle.manifest, recipe={}), files)

    with pytest.raises(DataError, match="was not trained here"):
        restore(tmp_path / "c")


def test_weights_are_those_that_the_file_can_hold(tmp_path: Path) -> None:
    """A checkpoint whose weights FP16 cannot hold is bundled with those next to them."""
    made = recipe()
    torch.manual_seed(0)
    net = build(made)
    with torch.no_grad():
        for head in (net.head0, net.head1, net.head2):
            head.loc.weight.mul_(1000)
    file, out = tmp_path / "last.pt", tmp_path / "made" / "bundle"
    save(checkpoint(new_state(net, made.fit, 0), made), file)

    with pytest.raises(BundleError, match="differs from torch"):
        export(restore(file).net)
    assert 0 == main(["bundle", str(file), "--out", str(out)])
    weights = restore(out).net.state_dict()["head0.loc.weight"]
    torch.testing.assert_close(weights, net.state_dict()["head0.loc.weight"].half().float())


def wider(made: Recipe) -> Recipe:
    return dataclasses.replace(made, model=dataclasses.replace(made.model, width=0.5))
