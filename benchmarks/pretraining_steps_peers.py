"""TorchGeo's part of pretraining_steps.py: started with the Python of an environment that has it; reads numbers of steps, answers in JSON.

TorchGeo's SemanticSegmentationTask is trained by Lightning's trainer as its documentation has it, on the arrays of our dataset, which a loader
with workers reads. Nothing is logged, validated or kept.
"""

import json
import os
import sys
import time
from pathlib import Path

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchgeo.trainers import SemanticSegmentationTask

FOLDER, ENCODER, BATCH, DEVICE, WORKERS, THREADS, PRECISION = Path(sys.argv[1]), sys.argv[2], *sys.argv[3:]
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what the libraries print


class Arrays(Dataset):
    """The training tiles, as TorchGeo's datasets give samples."""

    def __init__(self):
        self.images, self.labels = (np.load(next(FOLDER.glob(f"{name}-*.npy")), mmap_mode="r") for name in ("images", "labels"))

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return {"image": torch.from_numpy(self.images[index].astype(np.float32) / 10000), "mask": torch.from_numpy(self.labels[index].astype(np.int64))}


class Task(SemanticSegmentationTask):
    """TorchGeo's, without the schedule that waits for a validation loss."""

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=self.hparams["lr"])


def main():
    torch.set_num_threads(int(THREADS))
    data, batch = Arrays(), int(BATCH)
    task = Task(model="unet", backbone=ENCODER, weights=None, in_channels=data.images.shape[1], task="multiclass", num_classes=2,
                loss="ce", ignore_index=255, lr=1e-4)
    for line in sys.stdin:
        steps = int(line)
        loader = DataLoader(data, batch_size=batch, sampler=RandomSampler(data, num_samples=steps * batch, replacement=True), num_workers=int(WORKERS))
        trainer = lightning.Trainer(max_epochs=1, accelerator="gpu" if DEVICE == "cuda" else "cpu", devices=1, logger=False, enable_checkpointing=False,
                                    enable_progress_bar=False, enable_model_summary=False, precision="bf16-mixed" if PRECISION == "bfloat16" else "32-true")
        began, busy = time.perf_counter(), sum(os.times()[:4])
        trainer.fit(task, loader)
        ANSWERS.write(json.dumps({"images": steps * batch, "seconds": time.perf_counter() - began, "busy": sum(os.times()[:4]) - busy}) + "\n")
        ANSWERS.flush()


if __name__ == "__main__":
    main()
