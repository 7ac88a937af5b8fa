"""KFP wrapper of `goldsmith.registry.registration`."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.STEPS, install_kfp_package=False)
def register(run: dict, config: dict, model: str, verdict: str, scores: str) -> str:
    """Enter the candidate into the registry as a version of its tier.

    Args:
        run: The run (`RunContext`); what it leaves out comes from its profile.
        config: Section `register` of the run's configuration; empty: the profile's.
        model: The candidate.
        verdict: The gate's `promote`, `hold` or `reject`.
        scores: The key of the scores.

    Returns:
        The version, empty if it was rejected.
    """
    from goldsmith.pipeline.step import step

    with step("register", run) as this:
        from goldsmith.registry import registration

        return registration.register(
            this.run, this.section(config), model=model, verdict=verdict, scores=scores
        )
