"""Draw a figure."""

from regimes.jobs.start import start

start()

import matplotlib
from matplotlib.figure import Figure

from regimes.jobs.script import running
from regimes.plan.loading import function_of
from regimes.plan.parts import PAPERS
from regimes.plan.provenance import config_hash
from regimes.plotting import style
from regimes.plotting.endings import note_endings
from regimes.plotting.save import save

matplotlib.use("Agg")

with running(snakemake) as script:
    stage, measures = script.stage, script.read("measures")
    scale = stage.settings["scale"]
    # What is no paper's has no other size.
    marked = scale if (PAPERS / stage.paper).is_dir() else style.PAPER_SCALE
    with style.publication():
        draw = function_of(stage.module, "draw", Figure)
        figure = draw(measures, marked, **stage.arguments)
        note_endings(figure, measures)
        save(
            figure,
            snakemake.output.pdf,
            snakemake.output.png,
            title=stage.name,
            identity=stage.hash,
            config_hash=config_hash(stage.settings),
            code_hash=stage.code,
            source=stage.module,
            scale=scale,
            measures=list(measures),
        )
    script.progress(f"{stage.module} drew {snakemake.output.pdf}")
