"""What a person is told of a bundle: what it is, what it may be used for, who vouches for it.

`headcount model show` and `headcount model list`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from edge.contract.bundle import Bundle
from edge.contract.signature import Trust

WIDTH = 100  # columns
UNKNOWN = "not stated"


def card(bundle: Bundle, trust: Trust) -> str:
    """A bundle's card, a fact a line."""
    manifest = bundle.manifest
    rows = [
        ("model", f"{manifest.name} {manifest.version} (counter {manifest.counter})"),
        ("folder", str(bundle.folder)),
        ("trusted", _trusted(trust)),
        ("finds", f"{', '.join(manifest.labels)} ({manifest.target})"),
        ("input", f"{manifest.input.width}x{manifest.input.height}"),
        ("score", f"{manifest.score:g} for a new person"),
        ("forms", ", ".join(f"{v.precision} ({'/'.join(v.devices)})" for v in manifest.variants)),
        ("size", f"{sum(entry.size for entry in manifest.files.values()) / 1e6:.1f} MB"),
        ("pruned", "yes" if manifest.plan else "no"),
        *(("AP50", line) for line in _accuracy(manifest.metrics)),
        *(("licence", line) for line in manifest.licences or (UNKNOWN,)),
    ]
    return "\n".join(_row(name, said) for name, said in rows)


def line(bundle: Bundle, trust: Trust) -> str:
    """A bundle in a row: name, version, trust, folder."""
    manifest = bundle.manifest
    return f"{manifest.name} {manifest.version}  {_trusted(trust)}  {bundle.folder}"


def to_json(bundle: Bundle, trust: Trust) -> dict[str, Any]:
    """The card for programs."""
    manifest = bundle.manifest
    return {
        "name": manifest.name,
        "version": manifest.version,
        "counter": manifest.counter,
        "created": manifest.created,
        "folder": str(bundle.folder),
        "sha256": bundle.sha256,
        "trust": trust.kind,
        "key_id": trust.key_id,
        "labels": list(manifest.labels),
        "target": manifest.target,
        "input": [manifest.input.width, manifest.input.height],
        "score": manifest.score,
        "precisions": [variant.precision for variant in manifest.variants],
        "pruned": bool(manifest.plan),
        "licences": list(manifest.licences),
        "metrics": dict(manifest.metrics),
    }


def _trusted(trust: Trust) -> str:
    if trust.kind == "packaged":
        return "came with headcount"
    return f"signed by {trust.key_id}" if trust.kind == "signed" else "signed by nobody trusted"


def _accuracy(metrics: Mapping[str, Any]) -> list[str]:
    """A line for each data set that the bundle was judged on."""
    sets = {name: found for name, found in metrics.items() if isinstance(found, Mapping)}
    return [
        f"{found['ap50']:.3f}  {name} ({found['heads']} heads)"
        for name, found in sorted(sets.items())
        if isinstance(found.get("ap50"), int | float) and "heads" in found
    ]


def _row(name: str, said: str) -> str:
    indent = " " * 9
    return textwrap.fill(
        f"{name:<8} {said}", WIDTH, subsequent_indent=indent, break_on_hyphens=False
    )
