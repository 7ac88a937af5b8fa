"""KFP wrapper of `goldsmith.evaluation.evaluate`."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.TRAINER, install_kfp_package=False)
def evaluate(run: dict, config: dict, model: str) -> str:
    """Score the candidate and the live model on the same games.

    Args:
        run: The run that the step belongs to (`RunContext`).
        config: Section `evaluate` of the run's configuration.
        model: The candidate.

    Returns:
        The key of the scores.
    """
    from goldsmith.pipeline.step import step

    with step("evaluate"):
        from goldsmith.config.run import EvaluateConfig, RunContext
        from goldsmith.evaluation.evaluate import evaluate as score

        context, section = RunContext.model_validate(run), EvaluateConfig.model_validate(config)
        return score(context, section, model=model)
