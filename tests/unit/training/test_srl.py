"""What stage 1 is made from: a changed model folder is another input."""

from pathlib import Path

import pytest

from goldsmith.config.run import RunContext, SRLConfig
from goldsmith.errors import RunError
from goldsmith.store.directories import commit_directory, digest_directory
from goldsmith.store.object_store import open_store
from goldsmith.training.job import TrainingJob
from goldsmith.training.srl import train_srl


def test_a_model_folder_that_was_changed_is_not_taken_for_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    store = open_store(str(tmp_path / "store"))
    run = RunContext(run_id="r", domain="cooking", tier="gold", seed=0, store=store.url)
    config = SRLConfig(model=str(folder))
    done = TrainingJob(
        run=run,
        stage="train_srl",
        config=config.model_dump(mode="json"),
        dataset="datasets/cooking/1",
        model=str(folder),
        model_digest=digest_directory(folder),
    )
    commit_directory(store, done.output, folder, kind="model", meta={})  # so nothing is launched
    assert train_srl(run, config, dataset="datasets/cooking/1") == done.output
    (folder / "config.json").write_text("{ }")
    with pytest.raises(RunError, match="another configuration, input or version"):
        train_srl(run, config, dataset="datasets/cooking/1")
