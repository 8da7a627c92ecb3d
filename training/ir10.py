"""Rewrite an OpenVINO IR of today (version 11) as version 10 with operations of opset 4 or older.

Such a file is read by OpenVINO 2021.3 up to the present, and compiles for the Movidius sticks.
Only the XML changes; weights stay as they are.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from edge.errors import BundleError

OLDEST = 4  # the newest opset which IR 10 readers of 2021.3 know


def downgrade(text: bytes) -> bytes:
    """The XML of the same graph as IR version 10.

    Raises:
        BundleError: an operation has no old equivalent; the message names it.
    """
    root = _parse(text)
    root.set("version", "10")
    for child in list(root):
        if child.tag in ("rt_info", "meta_data"):
            root.remove(child)
    for layer in root.iterfind("layers/layer"):
        for extra in layer.findall("rt_info"):
            layer.remove(extra)
        if opset(layer) > OLDEST:
            raise BundleError(
                f"the graph uses {layer.get('type')} of opset {opset(layer)}, which older OpenVINO "
                "cannot read; export a network without it"
            )
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def opset(layer: ET.Element) -> int:
    """Number of the opset that a layer's operation is of."""
    return int((layer.get("version") or "opset1").removeprefix("opset"))


def operations(text: bytes) -> dict[str, int]:
    """Every kind of operation in an IR's XML, and the newest opset it is used of."""
    kinds: dict[str, int] = {}
    for layer in _parse(text).iterfind("layers/layer"):
        kind = layer.get("type") or "?"
        kinds[kind] = max(kinds.get(kind, 0), opset(layer))
    return kinds


def _parse(text: bytes) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - OpenVINO wrote it a moment ago
