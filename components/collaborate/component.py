"""KFP wrapper of `goldsmith.collaboration.orchestrator`."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.STEPS, install_kfp_package=False)
def collaborate(run: dict, config: dict) -> str:
    """Write expert trajectories with retriever A, planner B and verifier C.

    Args:
        run: The run (`RunContext`); what it leaves out comes from its profile.
        config: Section `collaborate` of the run's configuration; empty: the profile's.

    Returns:
        The data set, `datasets/<name>/<digest>`.
    """
    from goldsmith.pipeline.step import step

    with step("collaborate", run) as this:
        from goldsmith.collaboration import orchestrator

        return orchestrator.collaborate(this.run, this.section(config))
