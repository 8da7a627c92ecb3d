"""The account of a pruning: what was cut, block by block, what that saves, and what it costs.

Plain figures, written into the run's folder, and their words for a terminal and for the report.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edge.contract.bundle import write_file
from edge.errors import DataError
from training.profile.shapes import macs
from training.prune.plan import PruningPlan
from training.prune.widths import Layout, Price, widths
from training.runlog import attempt

ACCOUNT = "pruning.json"
AP50 = {"dense": "AP50, dense", "cut": "AP50, after the last cut", "fitted": "AP50, after the fit"}


@dataclass(frozen=True, slots=True)
class Part:
    """One block of the network, before and after.

    widths: of the groups of channels that it makes; none where it is gone. macs, price: of its
    convolutions, 0 where it is gone.
    """

    name: str
    widths: tuple[tuple[int, ...], tuple[int, ...]]
    macs: tuple[int, int]
    price: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Account:
    """A pruning in figures; pairs are of the dense network, and of the pruned one.

    predicted: sums of the layers' prices. measured: share of the dense network's `unit` that the
    device was left with. ap50: on validation, 0..1, under keys of `AP50`; those that are known.
    """

    method: str
    unit: str
    target: float
    parts: tuple[Part, ...]
    macs: tuple[int, int]
    parameters: tuple[int, int]
    predicted: tuple[float, float]
    measured: float
    ap50: Mapping[str, float] = field(default_factory=dict)

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Name, channels, multiply-accumulates and price of each part, in words."""
        return [
            (part.name, _channels(*part.widths), _change(*part.macs), _change(*part.price))
            for part in self.parts
        ]

    def totals(self) -> list[tuple[str, str]]:
        """What the whole network comes to, in words."""
        return [
            ("MACs", _change(*self.macs)),
            ("parameters", _change(*self.parameters)),
            ("predicted", _change(*self.predicted)),
            (f"measured {self.unit}", f"{self.measured:.1%} ({self.target:.0%} wanted)"),
            *((title, f"{self.ap50[key]:.3f}") for key, title in AP50.items() if key in self.ap50),
        ]


def parts(whole: Layout, short: Layout, plan: PruningPlan, price: Price) -> tuple[Part, ...]:
    """The blocks of a network in the order of execution.

    Args:
        whole: the dense network.
        short: the same without the plan's blocks.
        plan: what was cut.
        price: of a layer.
    """
    after = short.reshaped(widths(plan))
    found = []
    for name in dict.fromkeys(map(block_of, whole.shapes)):
        made = [group for group in whole.groups if block_of(group.name) == name]
        layers = [layer for layer in whole.shapes if block_of(layer) == name]
        was = [whole.shapes[layer] for layer in layers]
        now = [after[layer] for layer in layers if layer in after]
        kept = tuple(plan.width(group.name) for group in made if group.name in plan.kept)
        part = Part(
            name,
            (tuple(group.size for group in made), kept),
            (sum(map(macs, was)), sum(map(macs, now))),
            (sum(map(price, was)), sum(map(price, now))),
        )
        found.append(part)
    return tuple(found)


def block_of(layer: str) -> str:
    """The block that a layer is in: of the backbone's its number, else the whole head."""
    top, _, rest = layer.partition(".")
    return f"{top}.{rest.partition('.')[0]}" if top == "backbone" else top


def table(account: Account) -> str:
    """The account for a terminal."""
    head = ("", "channels", "MACs", "predicted")
    rows = [head, *account.rows(), ("", "", "", "")]
    wide = [max(len(row[k]) for row in rows) for k in range(4)]
    lines = ["  ".join(cell.ljust(n) for cell, n in zip(row, wide, strict=True)) for row in rows]
    totals = account.totals()
    most = max(len(name) for name, _ in totals)
    lines += [f"{name:<{most}}  {value}" for name, value in totals]
    return "\n".join(line.rstrip() for line in lines)


def section(account: Account) -> str:
    """The account for an HTML page."""
    rows = [("", "channels", "MACs", "predicted"), *account.rows()]
    return (
        f"<p>Method {html.escape(account.method)}, to {account.target:.0%} of the dense network's "
        f"{html.escape(account.unit)}.</p>{_html(account.totals())}{_html(rows)}"
    )


def _html(rows: Sequence[tuple[str, ...]]) -> str:
    lines = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows)
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _channels(before: Sequence[int], after: Sequence[int]) -> str:
    if not after:
        return "gone" if before else ""
    return " -> ".join(" + ".join(map(str, counts)) for counts in (before, after))


def _change(before: float, after: float) -> str:
    return f"{_number(before)} -> {_number(after)} ({after / before:.0%})"


def _number(value: float) -> str:
    return f"{value / 1e6:.2f} M" if value >= 1e4 else f"{value:.4g}"


def write_account(account: Account, out: Path) -> None:
    """Write the account into a run's folder.

    Raises:
        DataError: it cannot be written.
    """
    text = json.dumps(asdict(account), indent=1) + "\n"
    attempt(out / ACCOUNT, lambda: write_file(out / ACCOUNT, text.encode()))


def read_account(out: Path) -> Account | None:
    """The account in a run's folder; None where nothing was pruned.

    Raises:
        DataError: it cannot be read.
    """
    path = out / ACCOUNT
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        pairs = ("macs", "parameters", "predicted")
        made = tuple(_part(part) for part in data["parts"])
        return Account(**{**data, "parts": made, **{key: tuple(data[key]) for key in pairs}})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: cannot be read: {error}; remove it") from error


def _part(data: Mapping[str, Any]) -> Part:
    before, after = data["widths"]
    pairs = {key: tuple(data[key]) for key in ("macs", "price")}
    return Part(data["name"], (tuple(before), tuple(after)), **pairs)
