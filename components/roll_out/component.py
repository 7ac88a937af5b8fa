"""KFP wrapper of `goldsmith.promotion.roll_out`."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.STEPS, install_kfp_package=False)
def roll_out(run: dict, config: dict, version: str, verdict: str) -> str:
    """Make a promoted version the tier's live one.

    Args:
        run: The run that the step belongs to (`RunContext`).
        config: Section `roll_out` of the run's configuration.
        version: The registered version.
        verdict: The gate's `promote`, `hold` or `reject`.

    Returns:
        The version that is live afterwards.
    """
    from goldsmith.pipeline.step import step

    with step("roll_out"):
        from goldsmith.config.run import RollOutConfig, RunContext
        from goldsmith.promotion import roll_out

        context, section = RunContext.model_validate(run), RollOutConfig.model_validate(config)
        return roll_out.roll_out(context, section, version=version, verdict=verdict)
