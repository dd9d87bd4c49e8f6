"""All files by name, and where those that are not shipped can be downloaded."""

from regimes.datasets.sources import cifar10, mnist, resnet18, uci
from regimes.datasets.sources.source import Source

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        *uci.CSV.values(),
        mnist.FIRST_IMAGES,
        mnist.FIRST_LABELS,
        mnist.TRAIN_IMAGES,
        mnist.TRAIN_LABELS,
        mnist.TEST_IMAGES,
        mnist.TEST_LABELS,
        cifar10.ARCHIVE,
        cifar10.LABELS,
        *cifar10.MOSAICS["train"],
        *cifar10.MOSAICS["test"],
        resnet18.WEIGHTS,
    )
}

_MNIST = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

# Addresses, tried in this order.
URLS: dict[str, tuple[str, ...]] = {
    **{
        source.name: tuple(base + source.name.removeprefix("mnist/") for base in _MNIST)
        for source in (
            mnist.TRAIN_IMAGES,
            mnist.TRAIN_LABELS,
            mnist.TEST_IMAGES,
            mnist.TEST_LABELS,
        )
    },
    cifar10.ARCHIVE.name: ("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
    resnet18.WEIGHTS.name: ("https://download.pytorch.org/models/resnet18-f37072fd.pth",),
}
