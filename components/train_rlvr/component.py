"""KFP wrapper of `goldsmith.training.rlvr`."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.TRAINER, install_kfp_package=False)
def train_rlvr(run: dict, config: dict, dataset: str, model: str) -> str:
    """Train stage 2: whole episodes, reward 1 only if the verifier says solved.

    Args:
        run: The run that the step belongs to (`RunContext`).
        config: Section `rlvr` of the run's configuration.
        dataset: The validated data set.
        model: The model after stage 1.

    Returns:
        The candidate, a prefix in the store.
    """
    from goldsmith.pipeline.step import step

    with step("train_rlvr"):
        from goldsmith.config.run import RLVRConfig, RunContext
        from goldsmith.training import rlvr

        context, section = RunContext.model_validate(run), RLVRConfig.model_validate(config)
        return rlvr.train_rlvr(context, section, dataset=dataset, model=model)
