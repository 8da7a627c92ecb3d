"""The models of one door: which one it counts with, and the updater that may change that.

Where the configuration fixes a model by `detector.model`, there is no updater.
"""

from __future__ import annotations

from functools import partial

from edge.assembly import DEFAULT_BUNDLE, choose_bundle, judge
from edge.config import Config, DetectorConfig
from edge.contract.bundle import Bundle, family
from edge.contract.signature import load_trusted_keys
from edge.detector import AUTO, choose_device
from edge.updater import House, Updater

OFFER = "offer.json"  # in the folder of the models: what is to be fetched

_OPENVINO_CHOOSES = ("AUTO", "MULTI", "HETERO", "BATCH")


def open_updater(config: Config) -> Updater | None:
    """The updater of a door; None where its configuration fixes the model."""
    detector = config.detector
    if detector.model is not None:
        return None
    house = House(
        folder=config.models,
        shipped=DEFAULT_BUNDLE,
        judge=partial(judge, keys=detector.trusted_keys, allow_unsigned=detector.allow_unsigned),
        keys=partial(load_trusted_keys, detector.trusted_keys),
        devices=partial(_devices, detector),
        most=config.update.max_mb * 1_000_000,
    )
    return Updater(house)


def model_in_service(config: Config) -> Bundle:
    """The bundle that a door counts with.

    Raises:
        BundleError: it is missing, damaged, or nobody vouches for it and somebody must.
    """
    updater = open_updater(config)
    if updater is None:
        return choose_bundle(config.detector, must_be_trusted=True)
    return updater.in_service()


def _devices(detector: DetectorConfig) -> tuple[str, ...]:
    """What may run a new model here, as manifests name it."""
    kind = family(choose_device(detector) if detector.device == AUTO else detector.device)
    if kind in _OPENVINO_CHOOSES:
        return "CPU", "GPU", "NPU"
    return (kind,)
