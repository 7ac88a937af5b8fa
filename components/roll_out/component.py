"""KFP wrapper of `goldsmith.promotion.roll_out`."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.STEPS, install_kfp_package=False)
def roll_out(run: dict, config: dict, version: str, verdict: str) -> str:
    """Make a promoted version the tier's live one.

    Args:
        run: The run (`RunContext`); what it leaves out comes from its profile.
        config: Section `roll_out` of the run's configuration; empty: the profile's.
        version: The registered version.
        verdict: The gate's `promote`, `hold` or `reject`.

    Returns:
        The version that is live afterwards.
    """
    from goldsmith.pipeline.step import step

    with step("roll_out", run) as this:
        from goldsmith.promotion import roll_out

        return roll_out.roll_out(this.run, this.section(config), version=version, verdict=verdict)
