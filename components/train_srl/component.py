"""KFP wrapper of `goldsmith.training.srl`."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.TRAINER, install_kfp_package=False)
def train_srl(run: dict, config: dict, dataset: str) -> str:
    """Train stage 1: dense rewards on single expert steps.

    Args:
        run: The run that the step belongs to (`RunContext`).
        config: Section `srl` of the run's configuration.
        dataset: The validated data set.

    Returns:
        The model after stage 1, a prefix in the store.
    """
    from goldsmith.pipeline.step import step

    with step("train_srl"):
        from goldsmith.config.run import RunContext, SRLConfig
        from goldsmith.training import srl

        context, section = RunContext.model_validate(run), SRLConfig.model_validate(config)
        return srl.train_srl(context, section, dataset=dataset)
