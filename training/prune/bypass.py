"""What becomes of channel groups when blocks are replaced by nothing.

    A --> [ block: B ] --> C        C reads B's channels; without the block it reads A's:
    A -------------------> C        A has taken B's place, channel by channel

Groups alone tell it: the same reader had another group at the same place. Where a block's output
is added to its input (residual networks) both are one group, and nothing takes another's place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from edge.errors import DataError
from training.prune.groups import ChannelGroup


def bypasses(before: Iterable[ChannelGroup], after: Iterable[ChannelGroup]) -> dict[str, str]:
    """Each group whose readers lost it, and the one that they read in its place.

    Args:
        before: groups of a network.
        after: those of the same network with some blocks replaced by nothing.

    Raises:
        DataError: a reader has another number of groups to read than before.
    """
    read_before, read_after = _reads(before), _reads(after)
    place: dict[str, str] = {}
    for layer, names in read_after.items():
        if len(read_before[layer]) != len(names):
            raise DataError(
                f"{layer} would read {len(names)} groups of channels in place of "
                f"{len(read_before[layer])}; what stands before it cannot be removed"
            )
        place |= dict(zip(read_before[layer], names, strict=True))
    return {old: new for old, new in place.items() if old != new}


def _reads(groups: Iterable[ChannelGroup]) -> dict[str, list[str]]:
    """Layer to the groups among its inputs, in their order there."""
    found = defaultdict(list)
    for group in groups:
        for slot in (*group.depthwise, *group.consumers):
            found[slot.conv].append((slot.offset, group.name))
    return {layer: [name for _, name in sorted(places)] for layer, places in found.items()}
