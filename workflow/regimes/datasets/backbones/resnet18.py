"""ResNet-18, trained on ImageNet; its features are what its classifier reads.

K. He, X. Zhang, S. Ren, J. Sun: Deep residual learning for image recognition, 2016, Table 1. Names
and shapes of the parameters are those of torchvision's file of weights (IMAGENET1K_V1).
"""

from collections.abc import Callable

import torch
from torch import nn

from regimes.datasets.backbones.enlarged import enlarged
from regimes.datasets.sources.resnet18 import WEIGHTS
from regimes.errors import DataError

LICENCE = WEIGHTS.licence
CITATION = (
    "K. He, X. Zhang, S. Ren, J. Sun: Deep residual learning for image recognition, IEEE "
    "Conference on Computer Vision and Pattern Recognition, 770-778, 2016"
)
PREPROCESSING = (
    "Images were divided by 255, normalised with mean and standard deviation of ImageNet and "
    "enlarged bilinearly to 224 x 224; the features are the 512 outputs of a ResNet-18 trained on "
    "ImageNet (torchvision, IMAGENET1K_V1) after its global average pooling."
)
# Mean and deviation of ImageNet's red, green and blue, as torchvision's weights were trained with.
MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
DEVIATION = (0.229 * 255, 0.224 * 255, 0.225 * 255)
STAGES = (64, 128, 256, 512)
CLASSES = 1000


class Block(nn.Module):
    """relu(x + two convolutions of x); where the shape changes, of x by a convolution too."""

    def __init__(self, n_in: int, n_out: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.downsample = None
        if stride != 1 or n_in != n_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, n_in, rows, columns) to (b, n_out, rows / stride, columns / stride)."""
        y = self.bn1(self.conv1(x)).relu_()
        y = self.bn2(self.conv2(y))
        y += x if self.downsample is None else self.downsample(x)
        return y.relu_()


class ResNet18(nn.Module):
    """The network, with its classifier, which is only there because the file of weights has it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, STAGES[0], 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(STAGES[0])
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        n_in = STAGES[0]
        for number, n_out in enumerate(STAGES, start=1):
            stride = 1 if number == 1 else 2
            stage = nn.Sequential(Block(n_in, n_out, stride), Block(n_out, n_out, 1))
            self.add_module(f"layer{number}", stage)
            n_in = n_out
        self.fc = nn.Linear(STAGES[-1], CLASSES)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(b, 512) of normalised images (b, 3, 224, 224)."""
        x = self.maxpool(self.bn1(self.conv1(x)).relu_())
        for number in range(1, len(STAGES) + 1):
            x = getattr(self, f"layer{number}")(x)
        return x.mean(dim=(2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores (b, 1000) of the classes of ImageNet."""
        return self.fc(self.features(x))


def load(device: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """The function from images (b, 3, rows, columns) uint8 to features (b, 512) float32.

    Raises DataError when the file of weights cannot be had, or does not fit.
    """
    network = with_weights(torch.load(WEIGHTS.fetch(), map_location="cpu", weights_only=True))
    network.to(device)
    return lambda images: network.features(enlarged(images, MEAN, DEVIATION))


def with_weights(state: dict[str, torch.Tensor]) -> ResNet18:
    """The network with the weights of a state dict, ready to be evaluated.

    Raises DataError when names are missing or unknown.
    """
    network = ResNet18()
    missing, unknown = network.load_state_dict(state, strict=False)
    # Files of older versions of torch do not count the batches, which only training reads.
    missing = [name for name in missing if not name.endswith(".num_batches_tracked")]
    if missing or unknown:
        raise DataError(f"weights of ResNet-18: missing {missing[:3]}, unknown {unknown[:3]}")
    # Torch's stubs lack this form of `to`.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.eval().requires_grad_(False)
