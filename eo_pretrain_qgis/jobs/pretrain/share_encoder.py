"""Share encoder: run or imported encoder → a folder from which others start by name."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...errors import JobError
from ...progress import Progress
from .. import training
from ..spec import Job, Result, folder_output, text, weights
from ..suggestions import LICENCES, sensor_of

#: Characters of what is told.
LONGEST = 1000


@dataclass(frozen=True)
class ShareEncoder(Job):
    """Puts an encoder that you trained or imported into a folder from which other people and machines can start by its name.

    The folder holds weights.safetensors, catalog.json with their size and SHA-256, and card.md: what they were trained on, bands, scaling, licence,
    and the scores of the run where it has some. No folder of this machine is named in it. The encoder alone is shared: a decoder that the run has,
    too, stays behind.

    Others copy the folder into their folder of models (the setting, or EOPRETRAIN_MODELS) and write “catalogue:” and the name as starting weights. Or
    put weights.safetensors on a server and give its address here: then catalog.json alone is enough, and the file is downloaded when it is wanted,
    after the licence was shown. A file with another checksum is refused.

    A licence must be given. Weights learned from data that may not be passed on, or not be used for everything, may be bound by that; ask the owner
    of the data.
    """

    title = "Share encoder"
    group = "2 Pretrain"
    tags = ("publish", "weights", "catalogue", "model card", "safetensors", "checksum", "SHA-256", "licence")
    engine = "train"
    for_others = True
    results = {"weights": Result("file", "Weights of the encoder"), "card": Result("file", "Card of the encoder"),
               "starting_weights": Result("text", "What others give as starting weights"),
               "sha256": Result("text", "SHA-256 of the weights"), "megabytes": Result("number", "Size of the weights, in megabytes")}

    source: str = weights("Encoder", help="The folder of a run or of an imported encoder, or its encoder.safetensors.")
    catalogue_name: str = text("Name", help="Small letters and digits with _ between, such as institute_resnet18_s2. Others write catalogue: "
                                            "and this name.")
    licence: str = text("Licence", **LICENCES, help="Of the weights, such as CC-BY-4.0, Apache-2.0 or “internal use only”.")
    label: str = text("Title", default=None, help="For people. Empty: the name.")
    data: str = text("Trained on", default=None, help="Which images, of where and when, and whose. Empty: the names of the datasets.")
    address: str = text("Address", default=None, advanced=True,
                        help="Where weights.safetensors will be, beginning with https://. Empty: it only lies in the folder.")
    sensor: str = text("Sensor", default=None, advanced=True, **sensor_of("source"), help="Of a run with an encoder for each of two sensors: which.")
    paper: str = text("Paper", default=None, advanced=True, help="Where the weights are described.")
    project: str = text("Project", default=None, advanced=True, help="Address of the code or of the project.")
    output: str = folder_output("Folder to share", fresh=True, help="A new or empty folder.")

    def check(self) -> None:
        if not re.fullmatch("[a-z0-9]+(_[a-z0-9]+)*", self.catalogue_name) or len(self.catalogue_name) > 100:
            raise JobError(f"“Name” (catalogue_name) is “{self.catalogue_name}”, but must be of small letters and digits with _ between, and at most "
                           "100 of them.")
        if self.address and not re.fullmatch("https?://[!-~]+", self.address):
            raise JobError(f"“Address” (address) is “{self.address}”, but must begin with https:// and hold no blanks.")
        if not self.licence.strip():
            raise JobError("“Licence” (licence) is empty. Say what others may do with the weights, such as CC-BY-4.0.")
        for name in ("licence", "label", "data", "paper", "project", "address"):
            if len(text := getattr(self, name) or "") > LONGEST:
                raise JobError(f"“{self.parameters()[name].label}” ({name}) has {len(text)} characters. Give at most {LONGEST}; of a long licence "
                               "give the name or the address.")

    def run(self, progress: Progress) -> dict:
        progress.at(0, training.LOADING)
        from ...engine.learning.networks.encoder_sharing import About, share_encoder

        told = {name: " ".join((getattr(self, name) or "").split()) for name in ("licence", "data", "paper", "project")}  # each is a line
        about = About(self.catalogue_name, title=" ".join((self.label or "").split()), address=self.address, sensor=self.sensor, **told)
        return share_encoder(self.source, self.output, about, progress)
