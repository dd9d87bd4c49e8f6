"""MNIST: the original files, and the first 10 000 training images, which are shipped."""

from regimes.datasets.sources.source import Source

LICENCE = "CC BY-SA 3.0"

FIRST_IMAGES = Source(
    "mnist/train-images-first-10000-idx3-ubyte.gz",
    "sha256:11a772a6dc925b05dd399880865d80fdc378f1482a27072a7fe2c10be2367eda",
    1_609_526,
    LICENCE,
)
FIRST_LABELS = Source(
    "mnist/train-labels-first-10000-idx1-ubyte.gz",
    "sha256:4e8b4ac90e302aa725dd50c14268e8630d3941e30cf889ea15dfa1a6dedf8665",
    4_997,
    LICENCE,
)
TRAIN_IMAGES = Source(
    "mnist/train-images-idx3-ubyte.gz",
    "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    9_912_422,
    LICENCE,
)
TRAIN_LABELS = Source(
    "mnist/train-labels-idx1-ubyte.gz",
    "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    28_881,
    LICENCE,
)
TEST_IMAGES = Source(
    "mnist/t10k-images-idx3-ubyte.gz",
    "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    1_648_877,
    LICENCE,
)
TEST_LABELS = Source(
    "mnist/t10k-labels-idx1-ubyte.gz",
    "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    4_542,
    LICENCE,
)
