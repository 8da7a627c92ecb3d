"""Weights between an old network and the one that was fitted to a site.

WiSE-FT (Wortsman et al., 2022, equation 1): the straight way between weights before and after fine
tuning. Near the old ones nothing is forgotten, near the new ones the site is known best; how far to
go is a question to the pictures of both.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch

from training.models.ssd import SSD

SHARES = (1.0, 0.75, 0.5, 0.25)  # of the new weights, tried in this order
ALLOWED = 0.01  # general AP50 that may be given up for the site

Judge = Callable[[SSD], float]  # AP50


@dataclass(frozen=True, slots=True)
class Blended:
    """What was chosen: the network, the share of new weights in it, AP50 elsewhere and here."""

    net: SSD
    share: float
    general: float
    site: float


def blend(old: SSD, new: SSD, share: float) -> SSD:
    """A network with `share` of the new weights and the rest of the old.

    Each weight is one that FP16 can hold, as the file that is exported has no others: what is
    judged is what will run.
    """
    mixed = copy.deepcopy(old)
    with torch.no_grad():
        rows = zip(mixed.parameters(), new.parameters(), strict=True)
        for weights, other in rows:
            weights.copy_(weights.lerp(other, share).half().float())
    return mixed.eval()


def choose_blend(old: SSD, new: SSD, general: Judge, site: Judge) -> tuple[Blended, Blended]:
    """The old network, and the one with most of the new weights that is not worse elsewhere.

    It is the old one again where nothing can be had: each blend gives up more than `ALLOWED`
    elsewhere, or none is better at the site.
    """
    before = Blended(old, 0.0, general(old), site(old))
    for share in SHARES:
        net = blend(old, new, share)
        found = Blended(net, share, general(net), site(net))
        if found.general >= before.general - ALLOWED and found.site >= before.site:
            return before, found
    return before, before
