"""KFP wrapper of `goldsmith.data.validator`."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.STEPS, install_kfp_package=False)
def validate_data(run: dict, config: dict, dataset: str) -> str:
    """Stop the line if the data set has a defect that would spoil training.

    Args:
        run: The run that the step belongs to (`RunContext`).
        config: Section `validate_data` of the run's configuration.
        dataset: The data set to judge.

    Returns:
        The same data set, now validated.
    """
    from goldsmith.pipeline.step import step

    with step("validate_data"):
        from goldsmith.config.run import RunContext, ValidateDataConfig
        from goldsmith.data import validator

        context, section = RunContext.model_validate(run), ValidateDataConfig.model_validate(config)
        return validator.validate_data(context, section, dataset=dataset)
