"""What can be asked: all jobs, in the order of the toolbox."""

from .check_engine import CheckEngine
from .create_crop_dataset import CreateCropDataset
from .create_land_cover_dataset import CreateLandCoverDataset
from .create_pretraining_dataset import CreatePretrainingDataset
from .create_road_dataset import CreateRoadDataset
from .create_sample import CreateSample
from .create_sea_ice_dataset import CreateSeaIceDataset
from .create_training_dataset import CreateTrainingDataset
from .describe_dataset import DescribeDataset
from .discover_topics import DiscoverTopics
from .evaluate_model import EvaluateModel
from .export_dataset import ExportDataset
from .export_model import ExportModel
from .finetune import Finetune
from .import_dataset import ImportDataset
from .import_encoder import ImportEncoder
from .inspect_model import InspectModel
from .install_engine import InstallEngine
from .predict_map import PredictMap
from .pretrain_barlow_twins import PretrainBarlowTwins
from .pretrain_inpainting import PretrainInpainting
from .pretrain_multitask import PretrainMultitask
from .pretrain_translation import PretrainTranslation
from .split_dataset import SplitDataset
from .suggest_labels import SuggestLabels

JOBS = {
    job.name(): job
    for job in (
        CreateSample, CreateTrainingDataset, CreateRoadDataset, CreateLandCoverDataset, CreateSeaIceDataset, CreateCropDataset,
        CreatePretrainingDataset, ImportDataset, ExportDataset, SplitDataset, DescribeDataset, SuggestLabels, DiscoverTopics,
        PretrainInpainting, PretrainBarlowTwins, PretrainTranslation, PretrainMultitask, ImportEncoder,
        Finetune, EvaluateModel, ExportModel, InspectModel,
        PredictMap,
        InstallEngine, CheckEngine,
    )
}
