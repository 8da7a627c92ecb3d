"""An offer of a packed bundle: where it can be fetched, how large it is, what its content is.

An offer is a hint and no proof: the signature in the bundle is what a device believes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from edge.contract.strict_json import need, text, whole

LARGEST = 1 << 30  # bytes; a device allows less

_SHA256 = re.compile(r"[0-9a-f]{64}")
_URL = re.compile(r"[\x21-\x7e]{1,2000}")


@dataclass(frozen=True, slots=True)
class Offer:
    """A file of `size` bytes at `url`, with the hex digest `sha256`.

    Raises:
        ValueError: it is no such offer.
    """

    url: str
    size: int
    sha256: str

    def __post_init__(self) -> None:
        good = bool(_URL.fullmatch(self.url))
        parts = urlsplit(self.url if good else "")
        good = good and parts.scheme in ("http", "https") and bool(parts.hostname)
        need(good, "must have a url, http:// or https://")
        need(1 <= self.size <= LARGEST, f"must have a size, a whole number from 1 to {LARGEST}")
        need(bool(_SHA256.fullmatch(self.sha256)), "must have a sha256, 64 hex digits")

    def to_json(self) -> dict[str, Any]:
        """Its three keys."""
        return {"url": self.url, "size": self.size, "sha256": self.sha256}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Offer:
        """Read the three keys; others are not looked at.

        Raises:
            ValueError: one is missing or wrong.
        """
        for key in ("url", "size", "sha256"):
            need(key in data, f"must have a {key}")
        return cls(text(data["url"]), whole(data["size"]), text(data["sha256"]))
