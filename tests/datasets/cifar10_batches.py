"""Batch files of CIFAR-10 as the official archive has them: pickled by Python 2."""

import struct
from collections.abc import Iterable, Sequence


def batch_file(label: str, pixels: bytes, labels: Sequence[int], names: Sequence[str]) -> bytes:
    """The content of a batch file, byte for byte the official one for the official images.

    pixels: n_images times 3072 bytes.
    """
    pickler = _Pickler()
    memo, text = pickler.memo, pickler.text
    n_images = len(labels)
    return b"".join(
        [
            b"\x80\x02}" + memo() + b"(",
            text("batch_label") + memo() + text(label) + memo(),
            text("labels") + memo() + pickler.items(map(_integer, labels)),
            text("data") + memo(),
            b"cnumpy.core.multiarray\n_reconstruct\n" + memo() + b"cnumpy\nndarray\n" + memo(),
            b"K\x00\x85" + text("b") + b"\x87R" + memo(),
            b"(K\x01" + _integer(n_images) + b"M\x00\x0c\x86cnumpy\ndtype\n" + memo(),
            text("u1") + b"K\x00K\x01\x87R" + memo(),
            b"(K\x03" + text("|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89",
            b"T" + struct.pack("<i", len(pixels)) + pixels + b"tb",
            text("filenames") + memo(),
            pickler.items(text(name) + memo() for name in names),
            b"u.",
        ]
    )


class _Pickler:
    def __init__(self) -> None:
        self.remembered = 0

    def memo(self) -> bytes:
        self.remembered += 1
        if self.remembered < 256:
            return b"q" + bytes([self.remembered])
        return b"r" + struct.pack("<i", self.remembered)

    def text(self, text: str) -> bytes:
        return b"U" + bytes([len(text)]) + text.encode("ascii")

    def items(self, items: Iterable[bytes]) -> bytes:
        """A list, filled a thousand items at a time."""
        parts = [b"]" + self.memo()]
        written = list(items)
        for start in range(0, len(written), 1000):
            parts += [b"(", *written[start : start + 1000], b"e"]
        return b"".join(parts)


def _integer(value: int) -> bytes:
    return b"K" + bytes([value]) if value < 256 else b"M" + struct.pack("<H", value)
