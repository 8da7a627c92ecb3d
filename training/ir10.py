"""Rewrite an OpenVINO IR of today (version 11) as version 10 with operations of opset 4 or older.

Such a file is read by OpenVINO 2021.3 up to the present, and compiles for the Movidius sticks.
Only the XML changes; weights stay as they are.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

from edge.errors import BundleError

OLDEST = 4  # the newest opset which IR 10 readers of 2021.3 know

# same inputs, outputs and meaning in opset1, for the attributes that we use
_SAME = ("AvgPool", "Pad")


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
    used = {(e.get("from-layer"), e.get("from-port")) for e in root.iterfind("edges/edge")}
    for layer in root.iterfind("layers/layer"):
        for extra in layer.findall("rt_info"):
            layer.remove(extra)
        if opset(layer) > OLDEST:
            _lower(layer, used)
            layer.set("version", "opset1")
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


def _lower(layer: ET.Element, used: set[tuple[str | None, str | None]]) -> None:
    kind, data = layer.get("type") or "?", layer.find("data")
    if kind == "SoftMax" and data is not None:
        rank = len(layer.findall("input/port/dim"))
        data.set("axis", str(int(data.get("axis", "1")) % rank))  # old readers know no -1
    elif kind == "MaxPool" and data is not None:
        _lower_max_pool(layer, data, used)
    elif kind not in _SAME:
        raise BundleError(
            f"the graph uses {kind} of opset {opset(layer)}, which older OpenVINO cannot read; "
            "export a network without it (no slicing, chunk, index or resize)"
        )


def _lower_max_pool(
    layer: ET.Element, data: ET.Element, used: set[tuple[str | None, str | None]]
) -> None:
    """Drop the second output, dilations and PyTorch's rounding, as far as nothing needs them."""
    output = layer.find("output")
    ports = [] if output is None else output.findall("port")
    if output is not None and len(ports) == 2:
        if (layer.get("id"), ports[1].get("id")) in used:
            raise BundleError(f"layer {layer.get('name')}: the indices of a MaxPool are used")
        output.remove(ports[1])
    if set(data.attrib.pop("dilations", "1").replace(" ", "").split(",")) != {"1"}:
        raise BundleError(f"layer {layer.get('name')}: a MaxPool with dilations")
    for key in ("index_element_type", "axis"):
        data.attrib.pop(key, None)
    if data.get("rounding_type") == "ceil_torch":
        data.set("rounding_type", "ceil")
