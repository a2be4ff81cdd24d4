"""How each task is learned: the keys are those of `engine.tasks.TASKS`, where a network learns the task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ...progress import Progress
from ..cards import Inputs
from ..datasets.dataset import Dataset
from ..runs.fusing import GAUSSIAN
from ..tasks import require
from .finetuning.classification import Classification
from .finetuning.defaults import OF_SERIES, OF_TILES_IN_TIME, Defaults
from .finetuning.fields import FieldSegmentation
from .finetuning.labelled_tiles import LabelledMethod
from .finetuning.segmentation import Segmentation
from .finetuning.series import SeriesMethod, TilesInTimeMethod
from .networks.class_networks import ClassificationNetwork, ClassNetwork, SegmentationNetwork
from .networks.field_network import FieldUNet
from .networks.fitted import NearestNeighbours, PixelProbe
from .networks.gaussian import GaussianClassifier
from .networks.patch_encoders import hidden_widths
from .networks.series import SeriesClassifier, SeriesNetwork
from .networks.series_start import chosen_series_encoder, chosen_tile_encoder, start_series
from .networks.spectral import DeepSpectralClassifier, SpectralClassifier, SpectralUNet
from .networks.starting_weights import Matched, start_from
from .networks.utae import TileSeriesNetwork


@dataclass(frozen=True)
class Learner:
    """What learns a task.

    Attributes:
        networks: kind of network, in run.json, → how one with new weights is made of encoder, what it sees, and number of classes. New runs take the
            first; the others are of runs that are older.
        method: loss, answers and what is counted.
        shared: kind of network whose layers tasks may share; empty: none.
        fitted: mode that takes no step of gradient descent → kind of network, where it is not the first.
        encoder: starting weights, the encoder that was asked for, names of the bands, progress → the encoder; None: one of images.
        start: how starting weights are taken over.
        usual: how to train where nothing is asked for; None: as `defaults.defaults` says.
        deep: kind of network of encoders that have layers behind them, see `patch_encoders.HIDDEN`.
        gaussian: kind of network that sees likelihoods of the classes at the incidence angle, where there is one.
    """

    networks: dict[str, Callable[[str, Inputs, int], ClassNetwork]]
    method: type[LabelledMethod]
    shared: str
    fitted: dict[str, str] = field(default_factory=dict)
    encoder: Callable[[str | None, str | None, list[str], Progress], str] | None = None
    start: Callable[..., Matched] = start_from
    usual: Defaults | None = None
    deep: str | None = None
    gaussian: str | None = None

    def kind(self, mode: str, encoder: str, incidence_angle: str = "") -> str:
        """The kind of network that a new run of a mode and an encoder has, and of a way to treat the incidence angle."""
        if incidence_angle == GAUSSIAN and self.gaussian:
            return self.gaussian
        return self.fitted.get(mode) or (self.deep if self.deep and hidden_widths(encoder) else next(iter(self.networks)))


_PIXELS = Learner({"unet above a regression": SpectralUNet, "unet": SegmentationNetwork, "linear on features": PixelProbe}, Segmentation,
                  "unet", {"probe": "linear on features"})
_TILES = Learner({"classifier above a regression": SpectralClassifier, "deep classifier above a regression": DeepSpectralClassifier,
                  "classifier with likelihoods": GaussianClassifier, "classifier": ClassificationNetwork, "nearest neighbours": NearestNeighbours},
                 Classification, "classifier", {"knn": "nearest neighbours", "probe": "classifier above a regression"},
                 deep="deep classifier above a regression", gaussian="classifier with likelihoods")
_FIELDS = Learner({"field unet above a regression": FieldUNet, "unet": SegmentationNetwork, "linear on features": PixelProbe},
                  FieldSegmentation, "unet", {"probe": "linear on features"})
_SERIES = Learner({"series network above a regression": SeriesNetwork, "series classifier": SeriesClassifier}, SeriesMethod, "series classifier",
                  encoder=chosen_series_encoder, start=start_series, usual=OF_SERIES)
_TILES_IN_TIME = Learner({"U-TAE above a regression": TileSeriesNetwork}, TilesInTimeMethod, "", encoder=chosen_tile_encoder, start=start_series,
                         usual=OF_TILES_IN_TIME)
LEARNERS: dict[str, Learner] = {"segmentation": _PIXELS, "fields": _FIELDS, "scene": _TILES, "patch": _TILES, "multilabel": _TILES,
                                "series": _SERIES, "tiles in time": _TILES_IN_TIME}


def learner_of(dataset: Dataset, otherwise: str = "") -> Learner:
    """What learns the task of a dataset.

    Args:
        dataset: with labels.
        otherwise: what else can be done with another one, in words.

    Raises:
        DataError: nothing does.
    """
    require(dataset, LEARNERS, "fine-tuning", otherwise)
    return LEARNERS[dataset.task]
