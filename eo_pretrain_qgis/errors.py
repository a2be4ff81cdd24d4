"""The errors a user can put right. Everything else is a bug and shows its traceback.

Sentence one of a message says what is wrong, with the value and the file; sentence two says what to do.
"""


class EOPretrainError(Exception):
    """Something the user can put right."""


class JobError(EOPretrainError):
    """The request makes no sense as asked."""


class DataError(EOPretrainError):
    """A raster, vector or dataset is not what is needed."""


class ModelError(EOPretrainError):
    """Weights or a model file cannot be used here."""


class EngineError(EOPretrainError):
    """The engine is missing, incomplete or died."""


class Cancelled(Exception):  # noqa: N818 - not an error: the user asked to stop
    """The user asked to stop."""
