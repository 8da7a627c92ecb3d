"""What finds heads: a model of a bundle on a device.

A detector loads completely or not at all, and breaks with a DetectorError. Whether a bundle is
to be trusted was decided before.
"""

from __future__ import annotations

from edge.config import DetectorConfig
from edge.contract.bundle import Bundle
from edge.detector.base import Detector
from edge.detector.openvino import open_openvino
from edge.detector.variant import Int8Support
from edge.errors import DetectorError

__all__ = ["Detector", "Int8Support", "open_detector"]


def open_detector(
    bundle: Bundle,
    settings: DetectorConfig | None = None,
    *,
    score: float | None = None,
    support: Int8Support | None = None,
) -> Detector:
    """Load a bundle's model on the device that the settings name.

    Args:
        bundle: verified and trusted.
        settings: device, precision, threads.
        score: detections below are left out, 0..1; the bundle's own where none is given.
        support: what the device makes of int8; it is asked where none is given.

    Raises:
        DetectorError: there is no such device, or the model cannot be loaded on it.
    """
    settings = settings or DetectorConfig()
    if settings.device.split(".")[0] == "MYRIAD":
        raise DetectorError(
            "device MYRIAD: the stick needs its worker, which this version does not have; "
            "set detector.device to CPU"
        )
    score = bundle.manifest.score if score is None else score
    return open_openvino(bundle, settings, score, support)
