"""KFP wrapper of `goldsmith.training.srl`."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.STEPS, install_kfp_package=False)
def train_srl(run: dict, config: dict, dataset: str) -> str:
    """Train stage 1: dense rewards on single expert steps.

    Args:
        run: The run (`RunContext`); what it leaves out comes from its profile.
        config: Section `srl` of the run's configuration; empty: the profile's.
        dataset: The validated data set.

    Returns:
        The model after stage 1, a prefix in the store.
    """
    from goldsmith.pipeline.step import step

    with step("train_srl", run) as this:
        from goldsmith.training import srl

        return srl.train_srl(this.run, this.section(config), dataset=dataset)
