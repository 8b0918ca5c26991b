"""From pixels to a saliency map in one graph. Every backend compiles it, so that none has its own normalisation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rtsod.model.description import IMAGENET_DEVIATION, IMAGENET_MEAN, Rgb, pixel_range
from rtsod.model.u2net import U2Net


class SaliencyGraph(nn.Module):
    """uint8 pixels in, saliency in [0, 1] out.

    Args:
        network: in evaluation mode, batch norm folded, in the precision to run in.
        mean: of the pixels that it was trained on, RGB in [0, 1].
        deviation: their standard deviation.
    """

    gain: Tensor
    offset: Tensor

    def __init__(self, network: U2Net, mean: Rgb = IMAGENET_MEAN, deviation: Rgb = IMAGENET_DEVIATION) -> None:
        super().__init__()
        self.network = network
        self.pixel_range = pixel_range(mean, deviation)
        """Smallest and largest value of a normalised pixel, over the three colours."""
        self._normalisation = mean, deviation
        # (p / 255 - mean) / deviation, as one multiplication and one addition
        means, deviations = torch.tensor(mean), torch.tensor(deviation)
        self.register_buffer("gain", (1 / (255 * deviations)).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("offset", (-means / deviations).view(1, 3, 1, 1), persistent=False)

    def around(self, network: U2Net) -> SaliencyGraph:
        """The same normalisation around another network."""
        return SaliencyGraph(network, *self._normalisation).eval()

    def forward(self, image: Tensor) -> Tensor:
        """(1, S, S, 3) uint8 BGR to (1, 1, S, S) float32 in [0, 1].

        Normalisation and sigmoid are computed in float32 in any precision: both are free, and near 1, where the sigmoid
        saturates, fp16 is coarsest.
        """
        x = self.normalised(image)
        logits = self.network(x.to(self.network.outconv.weight.dtype))
        saliency: Tensor = torch.sigmoid(logits.float())
        return saliency

    def normalised(self, image: Tensor) -> Tensor:
        """(1, S, S, 3) uint8 BGR to (1, 3, S, S) float32 RGB, normalised as in training."""
        # The cast comes first: TensorRT accepts uint8 in no other operation.
        x = image.float().permute(0, 3, 1, 2).flip(1)
        return x * self.gain + self.offset


class FrameGraph(nn.Module):
    """A frame of any size in, its saliency map out: the graph also scales.

    Args:
        saliency: the graph for scaled images.
        size: S.
    """

    def __init__(self, saliency: SaliencyGraph, size: int) -> None:
        super().__init__()
        self.saliency = saliency
        self.size = size

    def forward(self, frame: Tensor) -> Tensor:
        """(1, H, W, 3) uint8 BGR to (1, 1, S, S) float32 in [0, 1].

        Bilinear without antialiasing, rounded to uint8: what :func:`rtsod.imaging.network_input.shrink` computes, to
        within one level of 255. OpenCV's coefficients have only 11 bits.
        """
        pixels = frame.permute(0, 3, 1, 2).float()
        small = F.interpolate(pixels, (self.size, self.size), mode="bilinear", align_corners=False)
        saliency: Tensor = self.saliency(small.round().to(torch.uint8).permute(0, 2, 3, 1))
        return saliency
