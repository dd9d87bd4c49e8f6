"""The documentation site, made by Sphinx of the pages as they are: see CONTRIBUTING.md.

The folder of the sources is the checkout, so that a page's links to other files hold here and on
a forge alike. What follows from the code (the public names, the settings, the gallery) is appended
to its page when the site is built.
"""

import re
import sys
from pathlib import Path

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from pygments.lexers.special import TextLexer
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.highlighting import lexers
from sphinx.util import logging

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

import regimes  # noqa: E402
from regimes.plotting import gallery  # noqa: E402
from regimes.tools import document  # noqa: E402

project = "regimes"
author = "The regimes authors"
version = release = regimes.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "README"
include_patterns = ["*.md", "docs/*.md", "workflow/resources/*/*.md"]
# These are not looked into, however much they hold.
exclude_patterns = [".*", "build", "figures", "results", "tests", "workflow/regimes"]
myst_enable_extensions = ["dollarmath"]
myst_fence_as_directive = ["math"]
myst_heading_anchors = 6
# In docstrings `name` is code, as in the pages.
default_role = "code"
# gamma' keeps its prime.
smartquotes = False
autodoc_typehints = "none"
html_theme = "furo"
html_title = f"regimes {release}"
html_copy_source = False
html_show_sphinx = html_show_copyright = False
html_math_renderer = "mathml"

# The pages below each heading of the menu. A page that is in none of them is an error.
MENU = {
    "Start": ["The model, install, draw <self>"],
    "Tutorials": ["first_figure", "own_problem", "own_study", "clusters"],
    "How to": [
        "phase_plane",
        "data",
        "activations",
        "parameterisations",
        "tools",
        "explorer",
        "workflow",
        "module",
    ],
    "Papers": [
        "luo2021",
        "razborov2022",
        "chen2022",
        "caron2023",
        "caron2023_theory",
        "song2021",
        "song2021_theory",
        "claims",
        "results",
        "overview",
        "lab",
    ],
    "How it computes": [
        "solver",
        "gradient_descent",
        "function_space",
        "node_scaled_descent",
        "minibatch_descent",
        "gpu",
        "accuracy",
        "guarantees",
        "benchmarks",
    ],
    "Reference": ["python", "settings", "runs", "gallery"],
    "The project": [
        "/CONTRIBUTING",
        "/CHANGELOG",
        "/workflow/resources/mnist/README",
        "/workflow/resources/uci/LICENCE",
    ],
}

# A graph in Mermaid, which forges draw with a script, is shown as what it says.
lexers["mermaid"] = TextLexer()


def menu() -> str:
    """The tables of contents of which the theme makes its menu."""
    return "".join(
        f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n"
        + "\n".join(f"/docs/{page}" if page.isidentifier() else page for page in pages)
        + "\n```\n"
        for caption, pages in MENU.items()
    )


def public_names() -> str:
    """The public names of the package, each with its docstring."""
    names = [name for name in dir(regimes) if not name.startswith("_")]
    return "\n" + "\n".join(
        f"## {name}\n\n```{{eval-rst}}\n.. autofunction:: regimes.{name}\n```\n" for name in names
    )


APPENDED = {
    "README": menu,
    "docs/python": public_names,
    "docs/settings": document.page,
    "docs/gallery": gallery.page,
}


def append(_: Sphinx, page: str, source: list[str]) -> None:
    """Append to a page what is made for it."""
    if page in APPENDED:
        source[0] += APPENDED[page]()


def unlink_folders(_: Sphinx, document: nodes.document) -> None:
    """Leave of links to folders, which a site does not have, the words alone."""
    here = Path(document["source"]).parent
    for link in list(document.findall(pending_xref)):
        if link.get("reftype") == "myst" and (here / link["reftarget"]).is_dir():
            link.replace_self(link.children)


def shorten_signature(_: Sphinx, what: str, name: str, *rest) -> tuple[str, str | None]:
    """Leave out of a signature the keys of all engines, which have a page of their own."""
    *_, signature, returned = rest
    return re.sub(r", \w+=Ellipsis", "", signature or ""), returned


def visit_math(translator, node: nodes.math | nodes.math_block) -> None:
    """Write a formula as MathML, which browsers set themselves."""
    try:
        formula = tex2mathml(node.astext(), as_block=isinstance(node, nodes.math_block))
    except MathError as error:
        logging.getLogger(__name__).warning("math: %s", error, location=node)
        formula = ""
    translator.body.append(formula)
    raise nodes.SkipNode


def first_page(app: Sphinx, error: Exception | None) -> None:
    """Let the folder of the site lead to its first page."""
    if not error and app.builder.format == "html":
        target = f"{root_doc}.html"
        text = f'<!doctype html><meta http-equiv="refresh" content="0; url={target}">'
        (Path(app.outdir) / "index.html").write_text(f'{text}<a href="{target}">regimes</a>\n')


def setup(app: Sphinx) -> None:
    """Connect the above."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math, None))
    app.connect("source-read", append)
    app.connect("autodoc-process-signature", shorten_signature)
    app.connect("doctree-read", unlink_folders)
    app.connect("build-finished", first_page)
