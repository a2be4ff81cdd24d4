"""Settings of the training jobs, with what the jobs say where nothing was chosen."""

from dataclasses import fields

from eo_pretrain_qgis.engine.learning.methods import METHODS
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.spec import REQUIRED


def settings(job, **given):
    """The settings of a training job: the values that are given, and its defaults."""
    kind, usual = METHODS[job][0], {name: param.default for name, param in JOBS[job].parameters().items()}
    rest = {field.name: usual[field.name] for field in fields(kind) if field.name in usual and field.name not in given}
    return kind(**given, **{name: None if value is REQUIRED else value for name, value in rest.items()})


def inpainting(**given):
    return settings("pretrain_inpainting", **given)


def barlow_twins(**given):
    return settings("pretrain_barlow_twins", **given)


def translation(**given):
    return settings("pretrain_translation", **given)


def multitask(**given):
    return settings("pretrain_multitask", **given)


def finetuning(approach="network", **given):
    """Of a network, unless another approach is asked for."""
    return settings("finetune", approach=approach, **given)
