"""Files of weights and of training states. Both are written aside and renamed, so that a kill or a full disk never costs the last one."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import pickle  # noqa: S403 - for the name of its error only  # nosec B403
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from ....errors import DataError, ModelError, first_line
from ....outputs import new_file


def save_tensors(path: str, tensors: Mapping[str, torch.Tensor]) -> str:
    """Writes named tensors as safetensors and returns the SHA-256 of the file.

    Raises:
        DataError: when the disk is full; a file of this name stays as it was.
    """
    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    _write(path, content)
    return hashlib.sha256(content).hexdigest()


def load_tensors(path: str) -> dict[str, torch.Tensor]:
    """Reads what `save_tensors` wrote.

    Raises:
        ModelError: when the file is missing or damaged.
    """
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"The weights {path} are missing or damaged ({error}). Train again, or copy the run folder again.") from None


def save_state(path: str, state: dict[str, Any]) -> None:
    """Writes a training state: nested dicts and lists of tensors, numbers and text, nothing else.

    Raises:
        DataError: when the disk is full; the state before stays readable.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    _write(path, buffer.getbuffer())


def load_state(path: str) -> dict[str, Any] | None:
    """Reads what `save_state` wrote, or None where nothing was written yet.

    Raises:
        DataError: when the file is damaged.
    """
    if not os.path.exists(path):
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise DataError(f"The checkpoint {path} is damaged ({first_line(error)}). "
                        "Delete it to start this run from the beginning, or choose a new run folder.") from None


@contextlib.contextmanager
def fitting(path: str) -> Iterator[None]:
    """What goes wrong while a state is put into networks and optimizers is a state of others.

    Raises:
        DataError: naming the file.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise DataError(f"The checkpoint {path} does not fit the run ({first_line(error)}). "
                        "Delete it to start this run from the beginning, or choose a new run folder.") from None


def _write(path: str, content: Any) -> None:
    with new_file(path) as part, open(part, "wb") as stream:
        stream.write(content)
