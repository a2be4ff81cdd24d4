"""Every way to train a network, by the name of its job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from ...progress import Progress
from .finetuning import recipe as finetuning
from .loop.device import process_count
from .loop.launch import in_processes
from .loop.training_runs import Settings
from .pretraining.barlow_twins import recipe as barlow_twins
from .pretraining.inpainting import recipe as inpainting
from .pretraining.multitask import recipe as multitask
from .pretraining.translation import recipe as translation

#: Name of the job → what can be chosen, and the function that trains.
METHODS: dict[str, tuple[type[Settings], Callable[..., dict[str, Any]]]] = {
    "pretrain_inpainting": (inpainting.Settings, inpainting.pretrain_inpainting),
    "pretrain_barlow_twins": (barlow_twins.Settings, barlow_twins.pretrain_barlow_twins),
    "pretrain_translation": (translation.Settings, translation.pretrain_translation),
    "pretrain_multitask": (multitask.Settings, multitask.pretrain_multitask),
    "finetune": (finetuning.Settings, finetuning.finetune),
}


def learn(job: str, source: Any, output: str, values: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Trains, or continues a run; on several devices in a process each, of which the first writes and speaks.

    Args:
        job: one of `METHODS`.
        source: the folder of a dataset, or folders where the method takes several.
        output: run folder.
        values: of the parameters of the job, the settings among them, and what these are called, see `runs.settings_table`.
        progress: told of every batch.

    Raises:
        EngineError: the device is not there; and see the methods.
    """
    kind, method = METHODS[job]
    settings = kind(**{field.name: values[field.name] for field in fields(kind) if field.name in values})
    count = process_count(settings.device)
    if count > 1:
        return in_processes(count, method, (source, output, settings), progress)
    return method(source, output, settings, progress)
