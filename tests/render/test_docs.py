"""The documentation says what the code says: settings, defects, links, the example domain."""

import json
import re
from pathlib import Path

import pytest

from goldsmith.config import cluster, run
from goldsmith.config.load import load_config
from goldsmith.data.defects.catalogue import KINDS

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted(ROOT.glob("docs/**/*.md")),
    *map(ROOT.joinpath, ("CONTRIBUTING.md", "SECURITY.md")),
]
SECTIONS = {
    "collaborate": ("collaborate", run.CollaborateConfig),
    "validate_data": ("validate_data", run.ValidateDataConfig),
    "srl": ("train_srl", run.SRLConfig),
    "rlvr": ("train_rlvr", run.RLVRConfig),
    "evaluate": ("evaluate", run.EvaluateConfig),
    "suite": ("evaluate", run.SuiteConfig),
    "quality_gate": ("quality_gate", run.QualityGateConfig),
    "register": ("register", run.RegisterConfig),
    "roll_out": ("roll_out", run.RollOutConfig),
}


CLUSTER = {
    "cluster": cluster.ClusterConfig,
    "cluster store": cluster.StoreSettings,
    "cluster images": cluster.ClusterImages,
    "cluster service_accounts": cluster.ServiceAccounts,
    "cluster kfp": cluster.KFPSettings,
    "cluster pool": cluster.Pool,
    "cluster hardware": cluster.Hardware,
}


def table(page, mark):
    """Cells of the rows between `<!-- mark -->` and `<!-- end -->`."""
    text = (ROOT / "docs" / page).read_text().split(f"<!-- {mark} -->")[1].split("<!-- end -->")[0]
    rows = re.findall(r"^\| (.*) \|$", text, re.M)[1:]
    return [[cell.strip() for cell in re.split(r" (?<!\\)\| ", row)] for row in rows]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_is_on_its_steps_page(section):
    page, model = SECTIONS[section]
    rows = table(f"steps/{page}.md", f"config: {section}")
    assert [row[0].strip("`") for row in rows] == list(model.model_fields)
    for row, field in zip(rows, model.model_fields.values(), strict=True):
        if isinstance(field.default, (int, float)) and not isinstance(field.default, bool):
            assert float(row[2].strip("`")) == field.default, row


@pytest.mark.parametrize("section", CLUSTER)
def test_every_setting_of_a_cluster_is_in_its_table(section):
    rows = table("configuration.md", f"config: {section}")
    fields = CLUSTER[section].model_fields
    assert [row[0].strip("`") for row in rows] == list(fields)
    for row, field in zip(rows, fields.values(), strict=True):
        assert (row[2] == "required") == field.is_required(), row
        if isinstance(field.default, (int, float, str)):
            assert json.loads(row[2].strip("`")) == field.default, row


def test_every_kind_of_defect_is_in_the_table():
    rows = table("data-validation.md", "defects")
    found = {row[0].strip("`"): (row[1], row[3]) for row in rows}
    assert found == {name: (kind.severity, kind.remedy) for name, kind in KINDS.items()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert target.startswith("http") or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", ["quickstart.md", "configuration.md", "domains.md"])
def test_every_configuration_file_of_the_docs_is_valid(page, tmp_path):
    for text in re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / page).read_text(), re.S):
        (tmp_path / "run.yaml").write_text(text)
        load_config(file=tmp_path / "run.yaml")


def test_the_example_domain_wins_its_own_tasks():
    (source,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/domains.md").read_text(), re.S)
    names = {}
    exec(source, names)
    domain = names["CountingDomain"]()
    for level in domain.levels:
        for task in domain.tasks(level, "test", 3):
            assert domain.outcome(task, domain.gold_actions(task)).score == 1.0
