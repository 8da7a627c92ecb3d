"""Torch-Pruning (VainF) as a rival and a witness; only benchmarks and tests need it.

Its answers become plans of ours, so that one surgeon cuts for all methods.
"""

from __future__ import annotations

import copy
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from edge.errors import CallError
from training.models.ssd import SSD
from training.prune.cluster import Limits
from training.prune.evidence import B
from training.prune.plan import PruningPlan
from training.prune.widths import Layout


def taylor_plans(
    net: SSD,
    layout: Layout,
    evidence: tuple[Iterable[B], Callable[[nn.Module, B], Tensor]],
    limits: Limits,
) -> Callable[[float], PruningPlan]:
    """Its global Taylor pruning with `round_to`: from the share of channels to keep to a plan.

    Args:
        net: the dense network.
        layout: of it.
        evidence: batches, and the loss on one; the gradients are added up, as its users do.
        limits: the commonest cluster becomes its one `round_to`; the least to keep its cap.
    """
    tp = _library()
    batches, loss = evidence
    learnt = copy.deepcopy(net).requires_grad_(True)
    learnt.zero_grad(set_to_none=True)
    for batch in batches:
        loss(learnt, batch).backward()  # type: ignore[no-untyped-call]
    step = Counter(limits.cluster.values()).most_common(1)[0][0]
    floor = min(limits.least[group.name] / group.size for group in layout.groups)

    def plan(left: float) -> PruningPlan:
        small = _with_gradients(learnt)
        pruner = tp.pruner.MagnitudePruner(
            small,
            _example(small),
            importance=tp.importance.TaylorImportance(),
            global_pruning=True,
            pruning_ratio=1 - left,
            max_pruning_ratio=1 - floor,
            ignored_layers=[conv for head in small.heads() for conv in (head.loc, head.conf)],
            round_to=step,
            in_channel_groups={}, out_channel_groups={},  # its defaults are shared and kept
        )  # fmt: skip
        return _cut(pruner, small, layout)

    return plan


def _cut(pruner: Any, net: SSD, layout: Layout) -> PruningPlan:  # noqa: ANN401 - it has no types
    """Let it cut, and write down which channels of each group are gone.

    Its groups begin at any of their convolutions: also at a depthwise one, which may hold the
    concatenated channels of several groups of ours.
    """
    names = {module: name for name, module in net.named_modules()}
    kept = {group.name: set(range(group.size)) for group in layout.groups}
    for group in pruner.step(interactive=True):
        dependency, indices = group[0]
        root = names[dependency.target.module]
        for ours in layout.makers[root]:
            (offset,) = (s.offset for s in (*ours.producers, *ours.depthwise) if s.conv == root)
            kept[ours.name] -= {int(index) - offset for index in indices}
        group.prune()
    return layout.plan().with_kept(kept)


def prune_alike(net: SSD, plan: PruningPlan) -> SSD:
    """Cut the same channels as a plan with Torch-Pruning's own surgeon; a witness for ours."""
    tp = _library()
    small = copy.deepcopy(net)
    graph = tp.DependencyGraph().build_dependency(small, example_inputs=_example(small))
    for name, kept in plan.kept.items():
        gone = sorted(set(range(plan.sizes[name])) - set(kept))
        if gone:
            conv = small.get_submodule(name)
            graph.get_pruning_group(conv, tp.prune_conv_out_channels, idxs=gone).prune()
    return small


def _with_gradients(net: SSD) -> SSD:
    """A copy that has its gradients, too."""
    twin = copy.deepcopy(net)
    for mine, theirs in zip(twin.parameters(), net.parameters(), strict=True):
        mine.grad = None if theirs.grad is None else theirs.grad.clone()
    return twin


def _example(net: SSD) -> Tensor:
    return torch.zeros(1, 3, net.spec.height, net.spec.width)


def _library() -> Any:  # noqa: ANN401
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import torch_pruning  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise CallError(
            "torch_pruning is not installed, which this arm needs: "
            "pip install 'headcount[pruning-bench]'"
        ) from error
    return torch_pruning
