"""How the images of two sensors are joined: networks by the name of the fusion, beside those of one sensor in `tasks.LEARNERS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ..cards import Inputs
from .networks.class_networks import ClassNetwork
from .networks.joined_encoders import AllLevels, Deepest, Joined
from .networks.patch_encoders import hidden_widths
from .networks.sensor_networks import GatedClassifier, GatedUNet, MeanOfHeads
from .networks.spectral import SpectralClassifier, SpectralUNet

_Made = Callable[[str, Inputs, int], ClassNetwork]


@dataclass(frozen=True)
class Fusion:
    """A way to join two sensors.

    Attributes:
        words: for people.
        unet: how a network with a class per pixel is made of the name of the encoders, the inputs and the number of classes.
        classifier: the same of classes of whole images.
        optional: whether it answers for what one sensor alone has seen, and learns to.
    """

    words: str
    unet: _Made
    classifier: _Made
    optional: bool = False

    def network(self, kind: str) -> _Made:
        """How a network of one of the kinds of `LEARNERS` is made."""
        return self.unet if kind.startswith("unet") else self.classifier


def _unet(joined: type[Joined], encoder: str, inputs: Inputs, classes: int) -> ClassNetwork:
    return SpectralUNet(joined(encoder, inputs), inputs, classes)


def _classifier(joined: type[Joined], encoder: str, inputs: Inputs, classes: int) -> ClassNetwork:
    return SpectralClassifier(joined(encoder, inputs, whole=True), inputs, classes, hidden_widths(encoder))


def _of_all_bands(encoder: str, inputs: Inputs, classes: int) -> SpectralClassifier:
    return SpectralClassifier(encoder, inputs, classes, hidden_widths(encoder))


FUSIONS: dict[str, Fusion] = {
    "early": Fusion("the bands of both behind each other, one encoder", SpectralUNet, _of_all_bands),
    "feature": Fusion("an encoder for each, joined at the deepest level", partial(_unet, Deepest), partial(_classifier, Deepest)),
    "all_levels": Fusion("an encoder for each, joined at every level", partial(_unet, AllLevels), partial(_classifier, AllLevels)),
    "gated": Fusion("an encoder for each, weighed at every level by a gate", GatedUNet, GatedClassifier, optional=True),
    "mean_of_heads": Fusion("a network for each, and the mean of what they say", partial(MeanOfHeads, SpectralUNet),
                            partial(MeanOfHeads, _of_all_bands), optional=True),
}
