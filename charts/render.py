"""Write what is generated of the chart: schema, README and `manifests/rendered` (`make render`).

python -m charts.render
"""

import json
from pathlib import Path
from typing import Any

from charts import config_page, helm, readme
from goldsmith.config.cluster import ClusterConfig
from goldsmith.config.serving import ServingConfig

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = helm.CHART / "values.schema.json"
README = helm.CHART / "README.md"
CONFIG_PAGE = ROOT / "docs" / "serving-config.md"
RENDERED = ROOT / "manifests" / "rendered"
LOCK = ROOT / "tests" / "fixtures" / "images.lock.yaml"
"""Digests of no image: what is rendered with them is for reading and for tests."""
SERVING_LOCK = ROOT / "tests" / "fixtures" / "images.serving.lock.yaml"
"""The same for the engines' images, which are not ours to build."""
_SMALL, _EKS = helm.CHART / "values-laptop-cluster.yaml", helm.CHART / "values-eks.yaml"
INSTALLATIONS = {
    "laptop-cluster": [_SMALL],
    "eks": [_EKS, LOCK],
    "laptop-cluster-serving": [_SMALL, helm.CHART / "values-laptop-cluster-serving.yaml"],
    "eks-serving": [_EKS, helm.CHART / "values-eks-serving.yaml", LOCK, SERVING_LOCK],
}
"""Name of a rendered file to the values files of its installation."""
FROM_USER = ("pools", "hardware", "big_data_bytes")
"""Fields of ClusterConfig that are values under `cluster`; the chart fills in the others."""
FROM_CHART = {
    "TierSettings": ("endpoints", "engine", "model"),
    "RouterSettings": ("host", "port", "admin_port", "decision_log", "jobs"),
    "AdapterSettings": ("routers", "agent_port"),
    "TraceSettings": ("collector", "directory", "max_disk_bytes"),
}
"""Fields below ServingConfig that the chart fills in; all others are values of `serving.config`."""


def schema() -> str:
    """The chart's schema, `cluster` and `serving.config` taken from the configurations."""
    document = json.loads(SCHEMA.read_text(encoding="utf-8"))
    model = _helm_form(ClusterConfig.model_json_schema())
    document["properties"]["cluster"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: model["properties"][name] for name in FROM_USER},
    }
    document["$defs"] |= {name: model["$defs"][name] for name in ("Pool", "Hardware", "Toleration")}
    config, definitions = serving_schema()
    document["properties"]["serving"]["properties"]["config"] = config
    document["$defs"] |= definitions
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def serving_schema() -> tuple[dict[str, Any], dict[str, Any]]:
    """What `serving.config` may hold, and the definitions that it refers to."""
    model = _helm_form(ServingConfig.model_json_schema())
    definitions: dict[str, Any] = model["$defs"]
    for name, fields in FROM_CHART.items():
        definition = definitions[name]
        for field in fields:
            del definition["properties"][field]
        if needed := [field for field in definition.get("required", ()) if field not in fields]:
            definition["required"] = needed
    config = {name: model[name] for name in ("type", "additionalProperties", "properties")}
    for section in config["properties"].values():
        section.pop("default", None)  # it has the chart's own fields
    return config, definitions


def _helm_form(node: Any) -> Any:
    """A schema of pydantic without titles, with names of entries closed, and open for defaults.

    That there are pools and hardware at all is checked by a template, which can say what to do. An
    optional section is one that is left out, since Helm removes what is null.
    """
    if isinstance(node, list):
        return [_helm_form(item) for item in node]
    if not isinstance(node, dict):
        return node
    if {"type": "null"} in node.get("anyOf", ()):
        (given,) = (kind for kind in node["anyOf"] if kind != {"type": "null"})
        return _helm_form(given)
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
    pages = {README: readme.text(README, SCHEMA), CONFIG_PAGE: config_page.text()}
    return {SCHEMA: schema(), **pages, **rendered}


def main() -> None:
    """Write every generated file; the schema first, since Helm reads it when it renders."""
    SCHEMA.write_text(schema(), encoding="utf-8")
    RENDERED.mkdir(parents=True, exist_ok=True)
    for path, text in outputs().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
