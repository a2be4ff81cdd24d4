"""The networks of a run: built from its card, read from its weights, written to its folder."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import nn

from ....errors import ModelError, first_line
from ...cards import Input
from ...records import shown
from ...runs.fusing import ALONE
from ...runs.run_folder import CARD, WEIGHTS, RunFolder
from ..fusions import FUSIONS
from ..networks.class_networks import SCALED, ClassNetwork
from ..networks.encoder_files import of_encoder, write_encoder
from ..tasks import LEARNERS, Learner
from .checkpoints import load_tensors, save_tensors


@dataclass(frozen=True)
class Run(RunFolder):
    """A run folder whose networks can be built, read and written."""

    @property
    def learner(self) -> Learner:
        """What learned its task.

        Raises:
            ModelError: when the run did not learn classes, or a task that no network here learns.
        """
        self.refuse_without_classes()
        found = LEARNERS.get(self.card["task"])
        if found is None:
            raise ModelError(f"The run {self.folder} is for the task {shown(self.card['task'])}, which no network of this plugin learns. Update the "
                             "plugin, or choose another run.")
        return found

    def build_network(self) -> ClassNetwork:
        """The network with new weights; see `learner`."""
        networks, kind = self.learner.networks, self.card["architecture"]
        if kind not in networks:
            raise ModelError(f"The run {self.folder} has a network of the kind {shown(kind)}, which this plugin does not know. Update the plugin, or "
                             "choose another run.")
        fusion = self.card.get("fusion", ALONE)
        made = networks[kind] if fusion == ALONE else FUSIONS[fusion].network(kind)
        network = made(self.card["encoder"], self.inputs, sum(self.heads))
        network.heads = self.heads if len(self.heads) > 1 else ()
        return network

    def load_network(self, device: torch.device) -> ClassNetwork:
        """The network with its best weights, in evaluation mode, on `device`.

        Raises:
            ModelError: see `fill`.
        """
        network = self.build_network()
        self.fill(network, "Fine-tune a model")
        return network.to(device).eval()

    def fill(self, network: nn.Module, job: str) -> None:
        """Brings the best weights into a network of their kind.

        Args:
            network: as `save_network` got it.
            job: title of the job that continues the run.

        Raises:
            ModelError: when no epoch was finished, or the weights are damaged or of another network.
        """
        if not os.path.exists(self.path(WEIGHTS)):
            gone = f"its file {WEIGHTS} is gone. Copy the run folder again." if self.card["epochs_run"] else (
                f"no epoch was finished. Let “{job}” continue it.")
            raise ModelError(f"The run {self.folder} has no weights{'' if self.card['epochs_run'] else ' yet'}: {gone}")
        said = {name: tensor.clone() for name, tensor in network.named_buffers() if name == "centre"}
        try:
            network.load_state_dict(load_tensors(self.path(WEIGHTS)))
        except RuntimeError as error:
            raise ModelError(f"The weights {self.path(WEIGHTS)} do not fit {self.path(CARD)} ({first_line(error)}). "
                             "Copy the run folder again.") from None
        if any(not torch.allclose(tensor, network.get_buffer(name)) for name, tensor in said.items()):
            raise ModelError(f"{self.path(CARD)} lists other bands, or in another order, than the weights {self.path(WEIGHTS)} were trained on. "
                             "Copy the run folder again.")

    def save_network(self, network: nn.Module) -> None:
        """Writes the whole network."""
        self.card["weights_sha256"] = save_tensors(self.path(WEIGHTS), network.state_dict())

    def save_encoder(self, encoder: nn.Module, seen: Input, name: str = "encoder") -> None:
        """Writes an encoder apart, with a card of its own, so that any run can start from it.

        Args:
            encoder: with tensors named as in torchvision, timm and segmentation-models-pytorch.
            seen: what it takes.
            name: of the two files.
        """
        card = {**{key: self.card[key] for key in ("method", "encoder")}, **of_encoder(seen),
                **{key: self.card[key] for key in ("resolution_m", "dataset", "seed", "created")}, "input": getattr(encoder, "takes", SCALED)}
        write_encoder(self.folder, encoder.state_dict(), card, name)
