"""The JSON schema of config.yaml, generated from the models (for editors).

`python -m regimes.config.schema` writes it, with `--check` it only compares.
"""

import argparse
import json
import sys
from pathlib import Path

from regimes.config.models import Config

PATH = Path(__file__).resolve().parents[2] / "config.schema.json"


def text() -> str:
    """The schema as JSON text."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(schema | Config.model_json_schema(), indent=2) + "\n"


def main() -> int:
    """Write the schema, or with `--check` return 1 when the file has drifted."""
    parser = argparse.ArgumentParser(description="Write or check workflow/config.schema.json.")
    parser.add_argument("--check", action="store_true", help="compare, do not write")
    if not parser.parse_args().check:
        PATH.write_text(text())
    elif not PATH.is_file() or PATH.read_text() != text():
        print(f"{PATH.name} has drifted: run python -m regimes.config.schema", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
