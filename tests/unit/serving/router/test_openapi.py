"""The document of the API, and the page made from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from goldsmith.serving.router import app
from goldsmith.serving.router.fields import CHAT, COMPLETION
from goldsmith.serving.router.openapi import openapi, render

ROOT = Path(__file__).parents[4]


def test_the_page_is_made_from_the_document() -> None:
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert page == render(), "run python -m goldsmith.serving.router.openapi docs/api.md"


def test_every_route_is_documented() -> None:
    fixed = {path for path in openapi()["paths"] if "{" not in path}
    assert fixed == {path.decode() for path in app._METHODS}


def test_every_field_is_documented() -> None:
    schemas: dict[str, Any] = openapi()["components"]["schemas"]
    assert schemas["Chat"]["properties"].keys() == CHAT.keys()
    assert schemas["Completion"]["properties"].keys() == COMPLETION.keys()


def test_every_reference_leads_somewhere() -> None:
    document = openapi()

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if "$ref" in node else []
            return own + [found for each in node.values() for found in references(each)]
        if isinstance(node, list):
            return [found for each in node for found in references(each)]
        return []

    for reference in references(document):
        assert reference.rpartition("/")[2] in document["components"]["schemas"]
