"""KFP wrapper of `goldsmith.collaboration.orchestrator`."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.STEPS, install_kfp_package=False)
def collaborate(run: dict, config: dict) -> str:
    """Write expert trajectories with retriever A, planner B and verifier C.

    Args:
        run: The run that the step belongs to (`RunContext`).
        config: Section `collaborate` of the run's configuration.

    Returns:
        The data set, `datasets/<name>/<digest>`.
    """
    from goldsmith.pipeline.step import step

    with step("collaborate"):
        from goldsmith.collaboration import orchestrator
        from goldsmith.config.run import CollaborateConfig, RunContext

        context, section = RunContext.model_validate(run), CollaborateConfig.model_validate(config)
        return orchestrator.collaborate(context, section)
