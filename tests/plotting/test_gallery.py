"""Small pictures of figures, and the page that shows them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from regimes.config.load import load
from regimes.plotting import gallery
from regimes.storage.versions import CHECKOUT


def drawn(path: Path, scale: str, size: tuple[int, int] = (2000, 1000)) -> Path:
    """A figure of noise, which compresses badly, with its scale in the metadata."""
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
    said = PngInfo()
    said.add_text("scale", scale)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values, "RGBA").save(path, pnginfo=said)
    return path


def test_a_picture_is_small_and_says_its_scale(tmp_path: Path) -> None:
    figure = drawn(tmp_path / "figure.png", "smoke")
    gallery.shrink(figure, tmp_path / "made/picture.png")
    picture = tmp_path / "made/picture.png"
    assert figure.stat().st_size > 10 * gallery.LARGEST > 10 * picture.stat().st_size
    assert gallery.scale_of(picture) == "smoke"
    with Image.open(picture) as image:
        assert image.width == pytest.approx(2 * image.height, abs=2)


def test_what_is_transparent_becomes_white(tmp_path: Path) -> None:
    Image.new("RGBA", (50, 20), (0, 0, 0, 0)).save(tmp_path / "figure.png")
    gallery.shrink(tmp_path / "figure.png", tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as image:
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    assert gallery.scale_of(tmp_path / "picture.png") == "unknown"


def test_figures_of_other_scales_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    figures, pictures = tmp_path / "figures", tmp_path / "pictures"
    drawn(figures / "phase_diagram.png", "laptop", (40, 30))
    drawn(figures / "luo2021/fig03_growth.png", "smoke", (40, 30))
    monkeypatch.setattr(gallery, "PICTURES", pictures)
    monkeypatch.setattr("sys.argv", ["gallery", str(figures)])
    assert gallery.main() == 0
    assert [path.name for path in pictures.rglob("*.png")] == ["phase_diagram.png"]
    said = capsys.readouterr().err
    assert "fig03_growth.png is left out: its scale is smoke" in said


def test_the_page_links_figures_to_code_data_and_claims(tmp_path: Path) -> None:
    drawn(tmp_path / "lab/edge_of_stability.png", "smoke", (40, 30))
    text = gallery.page(pictures=tmp_path)
    entries = dict(part.partition("\n")[::2] for part in text.split("\n### ")[1:])
    figures = load(CHECKOUT / "config.yaml").figures
    assert list(entries) == list(figures)
    assert "Drawn at scale `smoke`" in entries["lab/edge_of_stability"]
    diagram = entries["phase_diagram"]
    assert "Not drawn yet: `snakemake --cores 2 figures/phase_diagram.pdf`" in diagram
    assert "(../workflow/regimes/papers/luo2021/diagram.py)" in diagram
    assert "`phase_diagram`, engine [`gradient_flow`](runs.md#gradient_flow)" in diagram
    assert "Claim L1: " in diagram
    for name, figure in figures.items():
        for experiment in figure.measures:
            assert f"`results/measures/{experiment}.nc`" in entries[name]


def test_kept_pictures_are_small_and_at_the_default_scale() -> None:
    pictures = sorted(gallery.PICTURES.rglob("*.png"))
    assert pictures
    figures = load(CHECKOUT / "config.yaml").figures
    for picture in pictures:
        assert picture.relative_to(gallery.PICTURES).with_suffix("").as_posix() in figures
        assert picture.stat().st_size <= gallery.LARGEST
        assert gallery.scale_of(picture) == "laptop"
