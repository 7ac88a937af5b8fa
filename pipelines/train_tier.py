"""Train one tier: from lore and expert play to a promoted model."""

from kfp import dsl

from components.collaborate.component import collaborate as collaborate_step
from components.evaluate.component import evaluate as evaluate_step
from components.quality_gate.component import quality_gate as quality_gate_step
from components.register.component import register as register_step
from components.roll_out.component import roll_out as roll_out_step
from components.train_rlvr.component import train_rlvr
from components.train_srl.component import train_srl
from components.validate_data.component import validate_data as validate_data_step


@dsl.pipeline(name="train-tier")
def train_tier(
    run: dict,
    collaborate: dict = {},  # noqa: B006  KFP reads the literal, nobody changes it
    validate_data: dict = {},  # noqa: B006  KFP reads the literal, nobody changes it
    srl: dict = {},  # noqa: B006  KFP reads the literal, nobody changes it
    rlvr: dict = {},  # noqa: B006  KFP reads the literal, nobody changes it
    evaluate: dict = {},  # noqa: B006  KFP reads the literal, nobody changes it
    quality_gate: dict = {},  # noqa: B006  KFP reads the literal, nobody changes it
    register: dict = {},  # noqa: B006  KFP reads the literal, nobody changes it
    roll_out: dict = {},  # noqa: B006  KFP reads the literal, nobody changes it
) -> None:
    """Teach, train in two stages, judge, keep, and make live what was promoted.

    A section that is left empty is the one of the run's profile.
    """
    written = collaborate_step(run=run, config=collaborate)
    dataset = validate_data_step(run=run, config=validate_data, dataset=written.output)
    stage_1 = train_srl(run=run, config=srl, dataset=dataset.output)
    stage_2 = train_rlvr(run=run, config=rlvr, dataset=dataset.output, model=stage_1.output)
    scores = evaluate_step(run=run, config=evaluate, model=stage_2.output)
    gate = quality_gate_step(
        run=run, config=quality_gate, scores=scores.output, model=stage_2.output
    )
    verdict = gate.outputs["verdict"]
    version = register_step(
        run=run, config=register, model=stage_2.output, verdict=verdict, scores=scores.output
    )
    roll_out_step(run=run, config=roll_out, version=version.output, verdict=verdict)
