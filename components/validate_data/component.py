"""KFP wrapper of `goldsmith.data.validator`."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.STEPS, install_kfp_package=False)
def validate_data(run: dict, config: dict, dataset: str) -> str:
    """Stop the line if the data set has a defect that would spoil training.

    Args:
        run: The run (`RunContext`); what it leaves out comes from its profile.
        config: Section `validate_data` of the run's configuration; empty: the profile's.
        dataset: The data set to judge.

    Returns:
        The same data set, now validated.
    """
    from goldsmith.pipeline.step import step

    with step("validate_data", run) as this:
        from goldsmith.cluster import validation_job

        return validation_job.validate_data(this.run, this.section(config), dataset=dataset)
