"""The gallery: small pictures of the figures, and the page of the documentation site with them.

`python -m regimes.plotting.gallery` makes docs/images/gallery/<figure>.png of the figures that are
there, figures/<figure>.png, at the default scale; those of other scales are left out and named.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from regimes.claims.core import Claim
from regimes.claims.discover import claims_of
from regimes.config.layers import DEFAULT_SCALE
from regimes.config.load import load
from regimes.config.models import Config, FigureSettings
from regimes.storage.versions import CHECKOUT

PICTURES = CHECKOUT / "docs/images/gallery"
LARGEST = 100_000  # bytes
WIDEST, HIGHEST = 1400, 800  # pixels
COLOURS = (256, 128, 64)
# What a picture keeps of the figure's own metadata (`regimes.plotting.save`).
KEPT = ("Title", "scale", "source", "config_hash", "code_hash")


def shrink(figure: str | Path, picture: str | Path) -> None:
    """Write a picture of at most LARGEST bytes of a figure, a PNG file, with its metadata."""
    picture = Path(picture)
    with Image.open(figure) as image:
        kept = PngInfo()
        for key in KEPT:
            if key in image.info:
                kept.add_text(key, image.info[key])
        drawn = image.convert("RGBA")
    # On white, whatever lies behind the page.
    drawn = Image.alpha_composite(Image.new("RGBA", drawn.size, "white"), drawn).convert("RGB")
    picture.parent.mkdir(parents=True, exist_ok=True)
    size = (WIDEST, HIGHEST)
    while True:
        small = ImageOps.contain(drawn, size, Image.Resampling.LANCZOS)
        for colours in COLOURS:
            small.quantize(colours).save(picture, optimize=True, pnginfo=kept)
            if picture.stat().st_size <= LARGEST:
                return
        size = (int(0.9 * size[0]), int(0.9 * size[1]))


def scale_of(picture: str | Path) -> str:
    """The scale at which a figure was drawn, of its metadata; `unknown` where they lack it."""
    with Image.open(picture) as image:
        return str(image.info.get("scale", "unknown"))


def page(config: Config | None = None, pictures: Path = PICTURES) -> str:
    """Markdown: every figure with its picture, caption, target, code, data and claims, by paper.

    Links are those of a page in docs/. config: by default that of the checkout.
    """
    config = config or load(CHECKOUT / "config.yaml")
    lines = []
    for paper, about in config.papers.items():
        figures = {name: one for name, one in config.figures.items() if one.paper == paper}
        claims = claims_of(paper)
        lines += ["", f"## {about.title}", ""]
        if (CHECKOUT / "docs" / f"{paper}.md").is_file():
            lines += [f"What is measured and what reproduces: [{paper}]({paper}.md).", ""]
        for name, figure in figures.items():
            shown = [claim for claim in claims if claim.figure == name]
            lines += _entry(name, figure, config, shown, pictures / f"{name}.png")
    return "\n".join([*lines, ""])


def _entry(
    name: str, figure: FigureSettings, config: Config, claims: list[Claim], picture: Path
) -> Iterator[str]:
    target = f"figures/{name}.pdf"
    yield f"### {name}\n"
    if picture.is_file():
        yield f"![{name}](images/gallery/{name}.png)\n"
        yield f"{figure.caption} Drawn at scale `{scale_of(picture)}`.\n"
    else:
        yield f"{figure.caption} Not drawn yet: `snakemake --cores 2 {target}`.\n"
    module = f"workflow/regimes/papers/{figure.plot.replace('.', '/')}.py"
    yield f"- Target: `{target}`"
    yield f"- Code: [`{figure.plot}`](../{module})"
    for experiment in figure.measures:
        settings = config.experiments[experiment]
        kind = config.datasets[settings.dataset].kind
        yield (
            f"- Data: experiment `{experiment}`, engine [`{settings.engine}`]"
            f"(runs.md#{settings.engine.replace('.', '')}), on `{settings.dataset}` "
            f"([`{kind}`](data.md#{kind})); `results/measures/{experiment}.nc`"
        )
    if figure.claims:
        yield "- Data: the claims of all papers, `results/claims.nc`"
    for claim in claims:
        yield f"- Claim {claim.id}: {claim.says} ([{figure.paper}.md]({figure.paper}.md))"
    yield ""


def main() -> int:
    """Make the pictures of the figures in a folder; returns the exit code."""
    parser = argparse.ArgumentParser(description="Make docs/images/gallery/ of figures.")
    parser.add_argument("folder", nargs="?", default="figures", help="with <figure>.png; figures")
    folder = Path(parser.parse_args().folder)
    for name in load(CHECKOUT / "config.yaml").figures:
        drawn = folder / f"{name}.png"
        if not drawn.is_file():
            continue
        if (scale := scale_of(drawn)) != DEFAULT_SCALE:
            print(f"{drawn} is left out: its scale is {scale}", file=sys.stderr)
            continue
        shrink(drawn, PICTURES / f"{name}.png")
        print(PICTURES / f"{name}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
