"""Movidius sticks on USB, as the kernel lists them. Asks no stick anything.

sys/bus/usb/devices/1-1.2/{idVendor,idProduct,busnum,devnum,speed}
dev/bus/usb/001/004          what a program opens to talk to it
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.machine import kernel_text

ROOT = Path("/")

VENDOR = "03e7"
KINDS = {
    "2150": "Myriad 2 (Neural Compute Stick 1)",
    "2485": "Myriad X (Neural Compute Stick 2)",
    "f63b": "a Myriad that a program has booted",
}


@dataclass(frozen=True, slots=True)
class Stick:
    """One stick.

    Attributes:
        product: four hex digits, a key of `KINDS`; another one once it has booted.
        node: what a program opens.
        speed: Mbit/s; 480 is USB 2, 5000 is USB 3.
    """

    product: str
    node: Path
    speed: int | None

    @property
    def kind(self) -> str:
        """For people."""
        return KINDS[self.product]

    @property
    def booted(self) -> bool:
        """Whether a program has it, or left it as it was."""
        return self.product == "f63b"


def find_sticks(root: Path | None = None) -> tuple[Stick, ...]:
    """The sticks that are plugged in; none where there is no USB.

    Args:
        root: of the file system; `ROOT` without it.
    """
    root = ROOT if root is None else root
    devices = sorted((root / "sys/bus/usb/devices").glob("*"))
    sticks = (_read_stick(device, root) for device in devices)
    return tuple(stick for stick in sticks if stick is not None)


def _read_stick(device: Path, root: Path) -> Stick | None:
    names = ("idVendor", "idProduct", "busnum", "devnum", "speed")
    vendor, product, bus, number, speed = (kernel_text(device / name).strip() for name in names)
    if vendor != VENDOR or product not in KINDS or not (bus.isdigit() and number.isdigit()):
        return None
    node = root / "dev/bus/usb" / bus.zfill(3) / number.zfill(3)
    return Stick(product, node, int(speed) if speed.isdigit() else None)
