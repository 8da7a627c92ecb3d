"""Pictures on the device as bytes, and batches of them: cropped, flipped and normalised there.

A data set of 60,000 pictures of 32x32 is 184 MB: nothing is read while a network learns.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as fn
from torch import Tensor

from training.cifar.pictures import SIDE, Pictures

Batch = tuple[Tensor, Tensor]  # (B, 3, 32, 32) normalised, channels last; (B,) int64

_MARGIN = 4  # pixels of black around, out of which a picture is cut (He et al., CVPR 2016)
_MEAN = (0.485, 0.456, 0.406)  # RGB of ImageNet, by which the published weights were trained
_DEVIATION = (0.229, 0.224, 0.225)
_PLAIN = 1000  # pictures of a batch that nothing is learnt from


class Deck:
    """Pictures that lie on a device."""

    def __init__(self, pictures: Pictures, device: torch.device) -> None:
        images = torch.from_numpy(pictures.images)
        around = (0, 0, _MARGIN, _MARGIN, _MARGIN, _MARGIN)
        self._padded = fn.pad(images, around).to(device)  # (n, 40, 40, 3)
        self._labels = torch.from_numpy(pictures.labels).long().to(device)
        self._span = torch.arange(SIDE, device=device)
        self._mean = 255 * torch.tensor(_MEAN, device=device)
        self._deviation = 255 * torch.tensor(_DEVIATION, device=device)

    @property
    def device(self) -> torch.device:
        """Where they lie."""
        return self._labels.device

    def __len__(self) -> int:
        return len(self._labels)

    def shuffled(self, size: int, seed: int, epoch: int) -> Iterator[Batch]:
        """Whole batches of an epoch, each picture moved by up to 4 pixels and perhaps mirrored.

        The same on every device: chance is drawn on the CPU. Of fewer pictures than a batch has,
        all are one.
        """
        size = min(size, len(self))
        chance = torch.Generator().manual_seed((seed << 20) + epoch)
        count = len(self) // size * size
        rows = torch.stack(
            [
                torch.randperm(len(self), generator=chance)[:count],
                *torch.randint(2 * _MARGIN + 1, (2, count), generator=chance),
                torch.randint(2, (count,), generator=chance),
            ]
        ).to(self.device)
        for index, down, right, mirrored in (
            part.unbind(0) for part in torch.split(rows, size, dim=1)
        ):
            yield self._cut(index, down, right, mirrored.bool()), self._labels[index]

    def plain(self, size: int = _PLAIN) -> Iterator[Batch]:
        """All pictures in their order, as they are."""
        for start in range(0, len(self), size):
            index = torch.arange(start, min(start + size, len(self)), device=self.device)
            middle = torch.full_like(index, _MARGIN)
            yield (
                self._cut(index, middle, middle, torch.zeros_like(index, dtype=torch.bool)),
                self._labels[index],
            )

    def _cut(self, index: Tensor, down: Tensor, right: Tensor, mirrored: Tensor) -> Tensor:
        rows = down[:, None] + self._span  # (B, 32)
        columns = right[:, None] + torch.where(
            mirrored[:, None], self._span.flip(0), self._span
        )  # (B, 32)
        cut = self._padded[index[:, None, None], rows[:, :, None], columns[:, None, :]]
        return ((cut - self._mean) / self._deviation).permute(0, 3, 1, 2)  # channels last
