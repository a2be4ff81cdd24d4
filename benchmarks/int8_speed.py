"""Whether int8 maps faster than bfloat16: one U-Net in OpenVINO in float32, in bfloat16, and with its encoder and decoder in int8.

Static quantisation by onnxruntime: weights int8 by channel, activations uint8, as QuantizeLinear and DequantizeLinear, which OpenVINO runs in int8.
Scaling, whitening, statistics, the regression, the first layer and those at full resolution stay as they are. Calibrated on images like those timed.
Ways take turns, so that a busy machine is busy for all. Printed are rates on one core, and the share of pixels with another class than in float32.
With a run the network is that of the run, calibrated on training tiles, and its mean IoU on the validation tiles is printed, too; without one it has
random weights, and the share is of networks of this form and of no map.
Run: OMP_NUM_THREADS=1 python -m benchmarks.int8_speed [--run RUN] [--side 512] [--rounds 5] [--csv docs/evidence/data]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import openvino
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from scipy.ndimage import gaussian_filter

from benchmarks.figures import Figures
from benchmarks.network_cost import spectral_unet
from eo_pretrain_qgis.engine.datasets.dataset import IGNORE
from eo_pretrain_qgis.engine.even_sample import even_sample
from eo_pretrain_qgis.engine.learning.export import Probabilities, to_onnx
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.networks.class_networks import ClassNetwork
from eo_pretrain_qgis.engine.runs.calibrating import as_given

BANDS, SEED, TILES = 4, 1, 32
#: Operators of the encoder and the decoder that are quantised: convolutions alone, or also what lies between them.
WAYS = {"int8, convolutions": ("Conv",), "int8, all of encoder and decoder": ("Conv", "Add", "MaxPool", "Resize", "Concat")}
KEPT = "network.encoder.conv1."


class Images(CalibrationDataReader):
    """Images one after the other."""

    def __init__(self, port: str, images: list[np.ndarray]) -> None:
        self.left: Iterator[dict[str, np.ndarray]] = iter([{port: image} for image in images])

    def get_next(self) -> dict[str, np.ndarray] | None:
        """See `CalibrationDataReader`."""
        return next(self.left, None)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--run", type=Path, help="a run of classes of pixels that kept a network with ResNet-18, on one sensor")
    arguments.add_argument("--side", type=int, default=512)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--csv", type=Path, help="folder for int8_speed.csv")
    asked = arguments.parse_args()
    network, calibrated_on, timed = of_run(asked.run, asked.side) if asked.run else random(asked.side)
    port = network.seen.name
    content = to_onnx(Probabilities(network).eval(), {port: len(network.seen.bands)}, network.stride, "resnet18")
    networks = {"float32": (content, "f32"), "bfloat16": (content, "bf16")}
    for name, operators in WAYS.items():
        networks[name] = (quantised(content, operators, Images(port, calibrated_on)), "f32")
        networks[f"{name}, rest bfloat16"] = (networks[name][0], "bf16")
    found = Figures("precision", "figure")
    rates(networks, {port: timed}, asked.rounds, found)
    if asked.run:
        scores(networks, asked.run, found)
    for row in found.rows:
        print(f"  {row['precision']:60} {row['value']:>8} {row['figure']}")
    if asked.csv:
        found.write(asked.csv / "int8_speed.csv")


def random(side: int) -> tuple[ClassNetwork, list[np.ndarray], np.ndarray]:
    """A network, images to calibrate it on, and one to time it with, each (1, band, y, x)."""
    torch.manual_seed(SEED)
    network, _ = spectral_unet("resnet18", BANDS)
    with torch.no_grad():
        network.segmentation_head[0].weight.normal_(0, 1)  # else it adds nothing to the regression
    rng = np.random.default_rng(SEED)
    images = [image_like(rng, side) for _ in range(4)]
    return network, images[:3], images[3]


def of_run(folder: Path, side: int) -> tuple[ClassNetwork, list[np.ndarray], np.ndarray]:
    """The same of a run: training tiles, and these side by side."""
    run = Run.open(str(folder))
    network, dataset = run.load_network(torch.device("cpu")), run.open_dataset()
    tiles = even_sample(dataset.showing("training", network.seen), TILES)
    images = [image for _, given, _ in as_given(dataset, network.seen, network.stride, tiles) for image in given.values()]
    many = -(-side // images[0].shape[-1])
    rows = np.concatenate(images)[np.arange(many**2) % len(tiles)]
    beside = rows.reshape(many, many, *rows.shape[1:]).transpose(2, 0, 3, 1, 4).reshape(1, rows.shape[1], many * rows.shape[2], -1)
    return network, images, np.ascontiguousarray(beside[..., :side, :side])


def rates(networks: dict[str, tuple[bytes, str]], image: dict[str, np.ndarray], rounds: int, found: Figures) -> None:
    """Rates in turns, and which classes differ from those in float32."""
    shape = next(iter(image.values())).shape
    requests = {name: compiled(*each, shape) for name, each in networks.items()}
    seconds: dict[str, list[float]] = {name: [] for name in requests}
    answers = {}
    for number in range(rounds + 1):
        for name, request in requests.items():
            began = time.perf_counter()
            request.infer(image)
            if number:
                seconds[name].append(time.perf_counter() - began)
            answers[name] = request.get_output_tensor(0).data.argmax(1)
    usual = float(np.median(seconds["bfloat16"]))
    for name, times in seconds.items():
        found.add(name, "million pixels per second", value=shape[2] * shape[3] / 1e6 / float(np.median(times)))
        found.add(name, "times the rate of bfloat16", value=usual / float(np.median(times)), form=".2f")
        found.add(name, "other class than in float32 [%]", value=100 * float((answers[name] != answers["float32"]).mean()), form=".2f")


def scores(networks: dict[str, tuple[bytes, str]], folder: Path, found: Figures) -> None:
    """Mean IoU on the validation tiles of a run."""
    run = Run.open(str(folder))
    network, dataset = run.load_network(torch.device("cpu")), run.open_dataset()
    tiles, count = dataset.showing("validation", network.seen), len(dataset.classes)
    for name, each in networks.items():
        matrix, requests = np.zeros((count, count), np.int64), {}
        for some, given, cut in as_given(dataset, network.seen, network.stride, tiles):
            shape = next(iter(given.values())).shape
            request = requests.setdefault(shape, compiled(*each, shape))
            request.infer(given)
            classes, labels = request.get_output_tensor(0).data[(..., *cut)].argmax(1), dataset.labels(some)
            known = labels != IGNORE
            matrix += np.bincount(labels[known].astype(int) * count + classes[known], minlength=count**2).reshape(count, count)
        truth, said, both = matrix.sum(1), matrix.sum(0), np.diag(matrix)
        seen = truth > 0
        found.add(name, "mean IoU [%]", value=100 * float((both[seen] / (truth + said - both)[seen]).mean()), form=".2f")


def image_like(rng: np.random.Generator, side: int) -> np.ndarray:
    """An image (1, band, y, x) with patches of all sizes."""
    layers = [sum(gaussian_filter(rng.normal(size=(side, side)), sigma) * sigma for sigma in (1, 4, 16)) for _ in range(BANDS)]
    return (1500 + 300 * np.stack(layers)[None]).clip(1, 10_000).astype(np.float32)


def quantised(content: bytes, operators: tuple[str, ...], images: Images) -> bytes:
    """The network with those operators of its encoder and decoder in int8."""
    model = onnx.load_model_from_string(content)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)
        quantize_static(source, target, images, quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QUInt8,
                        weight_type=QuantType.QInt8, nodes_to_quantize=inner(model, operators))
        return target.read_bytes()


def inner(model: onnx.ModelProto, operators: tuple[str, ...]) -> list[str]:
    """Names of nodes of the encoder and the decoder, between the first of these convolutions and the last."""
    ours = [number for number, node in enumerate(model.graph.node) if node.op_type == "Conv"
            and node.input[1].startswith(("network.encoder.", "network.decoder.")) and not node.input[1].startswith(KEPT)]
    between = model.graph.node[ours[0]:ours[-1] + 1]
    convolutions = {model.graph.node[number].name for number in ours}
    return [node.name for node in between if node.op_type in operators and (node.op_type != "Conv" or node.name in convolutions)]


def compiled(content: bytes, precision: str, shape: tuple[int, ...]) -> openvino.InferRequest:
    """The network ready on one core."""
    core = openvino.Core()
    model = core.read_model(content)
    model.reshape(list(shape))
    settings = {"INFERENCE_PRECISION_HINT": precision, "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": 1, "ENABLE_CPU_PINNING": False}
    return core.compile_model(model, "CPU", settings).create_infer_request()


if __name__ == "__main__":
    main()
