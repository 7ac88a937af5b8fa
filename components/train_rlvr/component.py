"""KFP wrapper of `goldsmith.training.rlvr`."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.STEPS, install_kfp_package=False)
def train_rlvr(run: dict, config: dict, dataset: str, model: str) -> str:
    """Train stage 2: whole episodes, reward 1 only if the verifier says solved.

    Args:
        run: The run (`RunContext`); what it leaves out comes from its profile.
        config: Section `rlvr` of the run's configuration; empty: the profile's.
        dataset: The validated data set.
        model: The model after stage 1.

    Returns:
        The candidate, a prefix in the store.
    """
    from goldsmith.pipeline.step import step

    with step("train_rlvr", run) as this:
        from goldsmith.training import rlvr

        return rlvr.train_rlvr(this.run, this.section(config), dataset=dataset, model=model)
