"""ResNet-18 of torchvision with its weights for ImageNet (IMAGENET1K_V1), for features."""

from regimes.datasets.sources.source import Source

WEIGHTS = Source(
    "resnet18/resnet18-f37072fd.pth",
    "sha256:f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
    46_830_571,
    "BSD 3-Clause (torchvision)",
)
