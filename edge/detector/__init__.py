"""What finds heads: a model of a bundle on a device.

A detector loads completely or not at all, and breaks with a DetectorError. Whether a bundle is
to be trusted was decided before.
"""

from __future__ import annotations

from dataclasses import replace

from edge.config import DetectorConfig
from edge.contract.bundle import Bundle, family
from edge.detector.base import Detector
from edge.detector.ncs import STICK, choose_device, open_stick
from edge.detector.openvino import open_openvino
from edge.detector.variant import Int8Support

__all__ = ["AUTO", "STICK", "Detector", "Int8Support", "choose_device", "open_detector"]

AUTO = "auto"  # ours; OpenVINO's own AUTO chooses among its devices, of which a stick is none


def open_detector(
    bundle: Bundle,
    settings: DetectorConfig | None = None,
    *,
    score: float | None = None,
    support: Int8Support | None = None,
    recorded: bool = False,
) -> Detector:
    """Load a bundle's model on the device that the settings name.

    Args:
        bundle: verified and trusted.
        settings: device, precision, threads.
        score: detections below are left out, 0..1; the bundle's own where none is given.
        support: what the device makes of int8; it is asked where none is given.
        recorded: as many pictures a second as can be, however late each is; what is seen in them
            is the same. Where pictures are live, each is to be done soon. A stick knows one way.

    Raises:
        DetectorError: there is no such device, or the model cannot be loaded on it.
    """
    settings = settings or DetectorConfig()
    score = bundle.manifest.score if score is None else score
    if settings.device == AUTO:
        settings = replace(settings, device=choose_device(settings))
    if family(settings.device) == STICK:
        return open_stick(bundle, settings, score)
    return open_openvino(bundle, settings, score, support, recorded=recorded)
