"""Discover topics: images → map of latent topics, without labels and without features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import JobError
from .. import mapping, masking, tiling
from ..spec import Job, Result, choice, extent, file_output, image, integer, raster_output, text, vector_output
from ..tiling import DELIVERED


@dataclass(frozen=True)
class DiscoverTopics(Job):
    """Finds what occurs together in an image, without labels: a map of topics, their shares per document, and change between two dates.

    Every square of 4 × 4 pixels becomes a word: the plain values of its channels, named after the nearest of a dictionary that k-means
    learns. Squares of 256 × 256 pixels are the documents, and latent Dirichlet allocation finds topics, mixtures of words that occur
    together in documents. Each word then gets the topic that is most probable in its document. This is DLR's way to look into sea-ice
    scenes in HH and HV (Karmakar, Dumitru and Datcu 2021), for any image.

    Topics carry no names. Look at their words and documents in the report and name them in the legend; good topics are a quick way to find
    places worth labelling, not a classification with a known accuracy. With a second date the dictionary and the topics are learned from
    both dates together; the layer of documents then holds the Jensen-Shannon distance between the dates (0 alike, 1 nothing in common).

    Use backscatter in dB, not linear, or write channels such as 10*log10(b1). Backscatter falls with the incidence angle, so the topics of a
    wide scene may follow the angle more than the ground: give the angle as one more raster and take its slope out, as in HH + 0.2*(b3 - 35).
    An image of any size is read in strips, in memory that does not grow with it.
    """

    title = "Discover topics"
    group = "1 Prepare data"
    tags = ("LDA", "latent Dirichlet allocation", "unsupervised", "clustering", "sea ice", "change detection", "visual words")
    results = {"topics": Result("number", "Topics that were learned"),
               "documents_count": Result("number", "Documents, the squares that have a topic"),
               "perplexity": Result("number", "Perplexity per word of the documents learned from; lower is better"),
               "changed_share": Result("number", "Share of the documents whose main topic differs between the two dates, 0 to 1")}

    images: list = image("Image", help="One raster with all bands, or the bands of one scene as several rasters, such as HH and HV." + DELIVERED)
    second_images: list = image("Second date", optional=True, help="The same bands on the same grid at another date.")
    channels: str = text("Channels", default=None,
                         help="Formulas of bands, separated by commas: HH, (HH+HV)/2, HH-HV. A band is called by its name, or b1, b2, … by its "
                              "number. Empty takes these three for HH and HV (or VV and VH), else every band.")
    topic_count: int = integer("Topics", default=11, minimum=2, maximum=200, help="How many kinds of ground the map tells apart.")
    words: int = integer("Words in the dictionary", default=50, minimum=2, maximum=2000, advanced=True,
                         help="How many kinds of small squares are told apart.")
    word_size: int = integer("Word size [px]", default=4, minimum=1, maximum=64, advanced=True, help="Edge of the small squares; a pixel of the map.")
    document_size: int = integer("Document size [px]", default=256, minimum=8, maximum=4096, advanced=True,
                                 help="A multiple of the word size. Smaller documents give more of them and finer topics.")
    clouds: str = masking.known_from("Words under cloud and shadow have no topic.", advanced=True)
    cloud_masks: list = masking.masks_of_dates("One of the image and, of a second date, one of that.", advanced=True)
    extent: dict = extent("Extent", optional=True, advanced=True, help="Only this part is mapped. Empty: all of the image.")
    nodata: float = mapping.nodata()
    scaling: str = choice("Scaling of the channels", {"none": "None: the channels' own units", "standard": "Standard: every channel counts the same"},
                          default="none", advanced=True, help="Take the standard for channels of different units.")
    sample: int = integer("Words the dictionary is learned from", default=200000, minimum=1000, maximum=5000000, advanced=True,
                          help="A number of small squares, drawn at random.")
    seed: int = tiling.seed()
    output: str = raster_output("Topics map", help="One pixel per word.")
    documents: str = vector_output("Documents with their topic shares", optional=True,
                                   help="Squares with the fields topic (the largest) and topic_1, topic_2, … (shares). With a second date also those "
                                        "of that date (topic_b, …), the differences, and change, the distance between the dates.")
    report: str = file_output("Report", "html", optional=True, help="Top words and telling documents of each topic, as pictures.")
    second_map: str = raster_output("Topics map of the second date", optional=True, created=False, advanced=True, help="With the same topics.")
    change: str = raster_output("Change of topic", optional=True, created=False, advanced=True,
                                help="1 where the topic of a word differs between the dates.")

    def check(self) -> None:
        masking.check(self.clouds, self.cloud_masks, 2 if self.second_images else 1)
        if self.document_size % self.word_size:
            raise JobError(f"A document of {self.document_size} px cannot be cut into words of {self.word_size} px. Choose a document size that is "
                           f"a multiple of {self.word_size}, such as {-(-self.document_size // self.word_size) * self.word_size}.")
        if not self.second_images and (self.second_map or self.change):
            raise JobError("A change map needs two dates. Give the “Second date”, or leave its outputs empty.")

    def run(self, progress: Any) -> dict[str, Any]:
        progress.at(0, "Opening the images")
        from ...engine.datasets.cloud_masks import Clouds
        from ...engine.topics.maps import Asked, discover, open_pictures, write_documents
        from ...engine.topics.report import write_report

        asked = Asked(self.topic_count, self.words, self.word_size, self.document_size, self.sample, self.scaling, self.seed,
                      Clouds(self.clouds, tuple(self.cloud_masks or ())))
        dates = [self.images, *([self.second_images] if self.second_images else [])]
        pictures, layout, grid = open_pictures(dates, self.channels or "", self.extent, self.nodata, asked, progress)
        maps = [self.output, self.second_map][:len(dates)]
        found = discover(pictures, layout, grid, asked, maps, self.change, progress.part(0, 0.95))
        if self.documents:
            write_documents(self.documents, found, progress)
        if self.report:
            progress.at(0.97, "Writing the report")
            write_report(self.report, found)
        names = ("output", "documents", "report", "second_map", "change")
        written = {name: getattr(self, name) for name in names if getattr(self, name)}
        change = {} if found.changed is None else {"changed_share": round(found.changed, 4)}
        return {**written, "topics": len(found.topics), "documents_count": layout.documents,
                "perplexity": round(found.topics.perplexity, 3), **change}
