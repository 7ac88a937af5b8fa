"""Write what is generated of the chart: schema, README and `manifests/rendered` (`make render`).

python -m charts.render
"""

import json
from pathlib import Path
from typing import Any

from charts import helm, readme
from goldsmith.config.cluster import ClusterConfig

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = helm.CHART / "values.schema.json"
README = helm.CHART / "README.md"
RENDERED = ROOT / "manifests" / "rendered"
LOCK = ROOT / "tests" / "fixtures" / "images.lock.yaml"
"""Digests of no image: what is rendered with them is for reading and for tests."""
INSTALLATIONS = {
    "laptop-cluster": [helm.CHART / "values-laptop-cluster.yaml"],
    "eks": [helm.CHART / "values-eks.yaml", LOCK],
}
"""Name of a rendered file to the values files of its installation."""
FROM_USER = ("pools", "hardware", "big_data_bytes")
"""Fields of ClusterConfig that are values under `cluster`; the chart fills in the others."""


def schema() -> str:
    """The chart's schema, its `cluster` taken from ClusterConfig."""
    document = json.loads(SCHEMA.read_text(encoding="utf-8"))
    model = _helm_form(ClusterConfig.model_json_schema())
    document["properties"]["cluster"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: model["properties"][name] for name in FROM_USER},
    }
    document["$defs"] |= {name: model["$defs"][name] for name in ("Pool", "Hardware", "Toleration")}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _helm_form(node: Any) -> Any:
    """A schema of pydantic without titles, with names of entries closed, and open for defaults.

    That there are pools and hardware at all is checked by a template, which can say what to do.
    """
    if isinstance(node, list):
        return [_helm_form(item) for item in node]
    if not isinstance(node, dict):
        return node
    drop = {"minProperties"} | ({"title"} if isinstance(node.get("title"), str) else set())
    closed = {"additionalProperties": False} if "patternProperties" in node else {}
    return {key: _helm_form(value) for key, value in node.items() if key not in drop} | closed


def manifest(*values_files: Path) -> str:
    """Every object of an installation, each under the template that it comes from."""
    texts = helm.manifests(helm.values(*values_files))
    files = (f"# {path}\n{_trimmed(text)}" for path, text in texts.items())
    return "# Written by `make render`.\n---\n" + "---\n".join(files)


def _trimmed(text: str) -> str:
    return text.strip().removeprefix("---\n") + "\n"


def outputs() -> dict[Path, str]:
    """Every generated file and what it should hold."""
    rendered = {
        RENDERED / f"{name}.yaml": manifest(*files) for name, files in INSTALLATIONS.items()
    }
    return {SCHEMA: schema(), README: readme.text(README, SCHEMA), **rendered}


def main() -> None:
    """Write every generated file; the schema first, since Helm reads it when it renders."""
    SCHEMA.write_text(schema(), encoding="utf-8")
    RENDERED.mkdir(parents=True, exist_ok=True)
    for path, text in outputs().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
