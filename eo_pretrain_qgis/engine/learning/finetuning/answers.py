"""What the network of a run answers, for tiles and for whole images."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator
from typing import Self

import numpy as np
import torch

from ...datasets.dataset import Dataset
from ...datasets.visible import for_inputs
from ...mapping.inference import Network
from ...models.kinds import block_sizes, up
from ...models.network import MemoryRanOutError
from ...models.package import Package
from ...runs.answers import Answered
from ...waiting import PythonCall
from ..data import TileReader, around
from ..export import Probabilities, Together, describe, with_probabilities
from ..halo import LARGEST_HALO
from ..loop.device import describe_device
from ..loop.runs import Run
from ..loop.training import out_of_memory
from ..networks.class_networks import ClassNetwork
from ..tasks import learner_of
from .heads import heads_of


class TileAnswers:
    """Answers of a network for tiles, of its main target; see `runs.answers.Answers`.

    Args:
        network: on the device of the reader.
        reader: of labelled tiles.
    """

    def __init__(self, network: ClassNetwork, reader: TileReader) -> None:
        self.network, self.reader, self.dataset, self.target = network, reader, reader.dataset, 0
        self.seen = reader.shown if reader.hidden else network.seen

    def of_tiles(self, tiles: np.ndarray, at_once: int) -> Iterator[Answered]:
        """See `runs.answers.Answers`."""
        return learner_of(self.dataset).method.predict(self.network, self.reader, tiles, at_once, self.target)

    def scores_of_tiles(self, tiles: np.ndarray, at_once: int) -> Iterator[Answered]:
        """The same with scores before softmax or sigmoid, also of pixels: float32 (n, class, …)."""
        for chosen, found in learner_of(self.dataset).method.scores(self.network, self.reader, tiles, at_once):
            truth, scores = found[self.target]
            yield chosen, truth, scores.float().cpu().numpy()

    def each_target(self) -> list[Self]:
        """See `runs.answers.OfTiles`."""
        found = []
        for number, dataset in enumerate(self.reader.dataset.each_target()):
            found.append(copy.copy(self))
            found[-1].target, found[-1].dataset = number, dataset
        return found

    def until(self, day: float) -> Self:
        """See `runs.answers.OfTiles`."""
        early, reader = copy.copy(self), self.reader
        inputs = {name: seen.until(day) for name, seen in reader.inputs.items()}
        early.reader = TileReader(reader.dataset, inputs, reader.stride, reader.device, targets=reader.targets, context=reader.context)
        return early


class NetworkAnswers(TileAnswers):
    """Answers of the network of a run, for images too.

    Args:
        run: of the network.
        network: on the device of the reader.
        reader: of labelled tiles.
    """

    def __init__(self, run: Run, network: ClassNetwork, reader: TileReader) -> None:
        super().__init__(network, reader)
        self.run = run

    @classmethod
    def of(cls, run: Run, dataset: Dataset, device: torch.device, hidden: Collection[str] = ()) -> NetworkAnswers:
        """With the best weights of a run; some of its inputs may be hidden, see `TileReader`.

        Raises:
            ModelError: there are none.
        """
        network = run.load_network(device)
        if hidden:  # what is judged is what the others show
            dataset = for_inputs(dataset, {name: seen for name, seen in network.inputs.items() if name not in hidden})
        return cls(run, network, TileReader(dataset, network.inputs, network.stride, device, context=around(dataset),
                                            targets=[head.labels for head in heads_of(dataset)], hidden=hidden))

    def of_images(self) -> tuple[Package, Network]:
        """The network with the widest border that an exported model may have, so that next to no pixel differs from its map."""
        stride = self.network.stride
        halo = up(LARGEST_HALO, stride)
        model = Package(self.run.folder, describe(self.run, self.network, "run", "not stated", "", {"halo": halo, **block_sizes(halo, stride)}))
        return model, TorchSession(with_probabilities(self.network), self.reader.device, self.run.folder)


class TorchSession:
    """A network in torch that computes blocks as `models.network.LoadedNetwork` does with a model file.

    Args:
        model: gives probabilities.
        device: where it lies.
        name: of what it comes from, for messages.
    """

    flights = 1

    def __init__(self, model: Probabilities, device: torch.device, name: str) -> None:
        self.model, self.on, self.name = model, device, name
        self._call: PythonCall[np.ndarray] | None = None

    @property
    def device(self) -> str:
        """The device in words."""
        return describe_device(self.on)

    def run(self, images: dict[str, np.ndarray]) -> np.ndarray:
        """Probabilities float32 (n, class, y, x), and behind them what the model gives besides, of images (n, band, y, x) by input, in stored units.

        Raises:
            MemoryRanOutError: when memory runs out.
        """
        self._call = PythonCall(lambda: self._scores(images))
        try:
            return self._call()
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            height, width = next(iter(images.values())).shape[-2:]
            raise MemoryRanOutError(f"Memory ran out on {self.device} with a block of {width} x {height} px of the run {self.name}. Close other "
                                    "programs, or choose the device “cpu”.") from None

    def stop(self) -> None:
        """Ends a run under way at its next layer."""
        if self._call is not None:
            self._call.stop()

    @torch.no_grad()
    def _scores(self, images: dict[str, np.ndarray]) -> np.ndarray:
        given = [torch.from_numpy(images[one.name]).to(self.on) for one in self.model.network.seen.each]
        return Together(self.model)(*given).float().cpu().numpy()
