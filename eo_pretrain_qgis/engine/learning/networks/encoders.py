"""Encoders by name: those of segmentation-models-pytorch, with the prefix “tu-” those of timm, and ours for small patches."""

from __future__ import annotations

import difflib

import segmentation_models_pytorch as smp
import timm
import torch
from torch import nn

from ....errors import DataError, ModelError, first_line
from . import patch_encoders

#: Names of the encoders of series, see `networks.series`; the first is the usual one. On validation points of Arkansas and California, with 20 or
#: 100 labels per class, the two are level: each adds 0.00 to 0.02 to the regression. L-TAE has a quarter of the weights and a third of the time.
LSTM, LTAE, PRESTO, GALILEO = "lstm", "ltae", "presto", "galileo"
OF_SERIES = (LTAE, LSTM, PRESTO, GALILEO)
#: Of dated tiles, see `networks.utae`.
UTAE = "utae"
OF_TILES_IN_TIME = (UTAE,)
TIMM = "tu-"
NAME = "library_name"  # attribute of an encoder built here, with the name it was asked for by
SIDE_FOR_ALL = 32  # pixels; encoders halve an image five times, so that of smaller ones the deepest kernels may have less than they need


class BareEncoder(nn.Module):
    """A network that is nothing but an encoder."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder


def check_encoder_name(name: str) -> None:
    """Refuses a name no library knows, and encoders of series.

    Raises:
        ModelError: with the nearest name there is.
    """
    if name in (*OF_SERIES, *OF_TILES_IN_TIME):
        raise ModelError(f"The encoder “{name}” sees series of dates, and these are images. Choose an encoder of images such as resnet18, or weights "
                         "of one.")
    prefix, known = (TIMM, timm.list_models()) if name.startswith(TIMM) else ("", [*smp.encoders.get_encoder_names(), *patch_encoders.NAMES])
    plain = name.removeprefix(TIMM)
    if plain not in known and not (prefix and timm.is_model(plain)):
        near = [prefix + found for found in difflib.get_close_matches(plain, known, 1)]
        if not near and plain in timm.list_models():
            near = [TIMM + plain]
        hint = f"Did you mean “{near[0]}”?" if near else "Choose one such as resnet18, efficientnet-b0 or tu-convnext_atto."
        raise ModelError(f"There is no encoder “{name}”. {hint}")


def check_view_side(encoder: str, bands: int, side: int) -> None:
    """Refuses views that are too small for an encoder, by trying one; tiles are padded where they are seen whole, views are not.

    Args:
        encoder: name, see `check_encoder_name`.
        bands: number of bands.
        side: of the views, pixels.

    Raises:
        DataError: at some depth a view is smaller than a kernel of the encoder.
        ModelError: see `build_encoder`.
    """
    if side < SIDE_FOR_ALL and (error := trouble(build_encoder(encoder, bands), bands, side)):
        raise DataError(f"Views of {side} px are too small for the encoder “{encoder}” ({error}). "
                        f"Choose views of {SIDE_FOR_ALL} px or more, or another encoder such as resnet18.")


def check_tile_side(encoder: str, bands: int, side: int, what: str) -> None:
    """Refuses an encoder that halves tiles, which it sees whole, more often than they can be halved.

    Args:
        encoder: name, see `check_encoder_name`.
        bands: number of bands.
        side: of the tiles, pixels.
        what: they are called, in the plural.

    Raises:
        DataError: naming an encoder that fits.
        ModelError: see `build_encoder`.
    """
    if other := patch_encoders.fitting(encoder, side):
        fit = patch_encoders.poolings_that_fit(side)
        raise DataError(f"The encoder “{encoder}” halves {what} more often than {side} px can be halved: {fit} times at most. Choose {other} or "
                        f"{patch_encoders.SMALL}, or make larger {what}.")
    if side < SIDE_FOR_ALL and (error := trouble(build_encoder(encoder, bands), bands, side)):
        raise DataError(f"{what.capitalize()} of {side} px are too small for the encoder “{encoder}” ({error}). Choose resnet18 or "
                        f"{patch_encoders.SMALL}, or make larger {what}.")


def trouble(encoder: nn.Module, bands: int, side: int) -> str:
    """What an encoder says of images of so many pixels where it cannot take them; empty where it can. Its mode is restored afterwards."""
    modes = {module: module.training for module in encoder.modules()}
    device = next((parameter.device for parameter in encoder.parameters()), torch.device("cpu"))
    try:
        with torch.no_grad():
            encoder.eval()(torch.zeros(1, bands, side, side, device=device))
    except RuntimeError as error:
        return first_line(error)
    finally:
        for module, mode in modes.items():
            module.training = mode
    return ""


def build_unet(encoder: str, bands: int, classes: int) -> smp.Unet:
    """A U-Net with new weights: an encoder of any name, five levels deep, and the decoder of segmentation-models-pytorch.

    Args:
        encoder: name, see `check_encoder_name`.
        bands: number of input bands.
        classes: number of output channels.

    Raises:
        ModelError: when the name is unknown or the encoder cannot be the encoder of a U-Net for that many bands.
    """
    check_encoder_name(encoder)
    if encoder in patch_encoders.NAMES:
        raise ModelError(f"The encoder “{encoder}” is for classes of whole patches, and a class per pixel needs one that halves an image five times. "
                         "Choose one such as resnet18 or vgg16_bn.")
    try:
        # Weights are files the user gives: asking the library for them would go to the network.
        unet = smp.Unet(encoder, encoder_weights=None, in_channels=bands, classes=classes)
        probe = torch.zeros(1, bands, 2 * unet.encoder.output_stride, 2 * unet.encoder.output_stride)
        with torch.no_grad():
            unet.eval()(probe)
        setattr(unet.encoder, NAME, encoder)
    except (ValueError, RuntimeError, TypeError, KeyError, IndexError, AttributeError, AssertionError) as error:
        raise ModelError(f"The encoder “{encoder}” cannot serve in a U-Net for {bands} band(s) ({first_line(error)}). "
                         "Choose a convolutional one such as resnet18, efficientnet-b0 or tu-convnext_atto.") from None
    return unet.train()


def build_encoder(name: str, bands: int) -> nn.Module:
    """An encoder with new weights, five levels deep, as `build_unet` has it inside; gives its levels, the deepest last.

    Args:
        name: see `check_encoder_name`.
        bands: number of input bands.

    Raises:
        ModelError: when the name is unknown or the encoder cannot be built for that many bands.
    """
    check_encoder_name(name)
    try:
        encoder = (patch_encoders.build(name, bands) if name in patch_encoders.NAMES else
                   smp.encoders.get_encoder(name, in_channels=bands, depth=5, weights=None))
        setattr(encoder, NAME, name)
        return encoder
    except (ValueError, RuntimeError, TypeError, KeyError, IndexError, AttributeError, AssertionError) as error:
        raise ModelError(f"The encoder “{name}” cannot be built for {bands} band(s) ({first_line(error)}). "
                         "Choose a convolutional one such as resnet18, efficientnet-b0 or tu-convnext_atto.") from None


def is_depthwise(name: str) -> bool:
    """Whether an encoder, by its name, convolves each band by itself, as MobileNets and EfficientNets do.

    Processors learn such in float32 three times as fast as in bfloat16: EfficientNet-Lite0 at 48 px 162 against 56 images per second of one core with
    AVX-512 BF16 (`docs/evidence/training-speed.md`).
    """
    if name in (*OF_SERIES, *OF_TILES_IN_TIME, *patch_encoders.NAMES):
        return False
    return any(isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1 for module in build_encoder(name, 3).modules())


def input_weight(encoder: nn.Module, bands: int) -> str:
    """Name of the tensor in the encoder's state dict that the bands enter by: the first kernel with `bands` input channels."""
    return next(name for name, tensor in encoder.state_dict().items() if tensor.ndim == 4 and tensor.shape[1] == bands)
