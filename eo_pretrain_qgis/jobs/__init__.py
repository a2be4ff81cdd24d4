"""What can be asked: all jobs, in the order of the toolbox."""

from .assess.assess_map import AssessMap
from .assess.plan_assessment import PlanAssessment
from .map.compute_embeddings import ComputeEmbeddings
from .map.map_crop_types import MapCropTypes
from .map.map_field_boundaries import MapFieldBoundaries
from .map.map_from_points import MapFromPoints
from .map.map_land_cover import MapLandCover
from .map.map_roads import MapRoads
from .map.map_sea_ice import MapSeaIce
from .map.map_series import MapSeries
from .map.predict_map import PredictMap
from .prepare_data.create_crop_dataset import CreateCropDataset
from .prepare_data.create_field_dataset import CreateFieldDataset
from .prepare_data.create_land_cover_dataset import CreateLandCoverDataset
from .prepare_data.create_pretraining_dataset import CreatePretrainingDataset
from .prepare_data.create_road_dataset import CreateRoadDataset
from .prepare_data.create_sea_ice_dataset import CreateSeaIceDataset
from .prepare_data.create_training_dataset import CreateTrainingDataset
from .prepare_data.describe_dataset import DescribeDataset
from .prepare_data.discover_topics import DiscoverTopics
from .prepare_data.export_dataset import ExportDataset
from .prepare_data.fetch_roads import FetchRoads
from .prepare_data.find_scenes import FindScenes
from .prepare_data.import_dataset import ImportDataset
from .prepare_data.mask_clouds import MaskClouds
from .prepare_data.split_dataset import SplitDataset
from .prepare_data.suggest_labels import SuggestLabels
from .pretrain.import_encoder import ImportEncoder
from .pretrain.pretrain_barlow_twins import PretrainBarlowTwins
from .pretrain.pretrain_inpainting import PretrainInpainting
from .pretrain.pretrain_multitask import PretrainMultitask
from .pretrain.pretrain_translation import PretrainTranslation
from .pretrain.share_encoder import ShareEncoder
from .start_here.check_engine import CheckEngine
from .start_here.create_sample import CreateSample
from .start_here.install_engine import InstallEngine
from .start_here.remove_engine import RemoveEngine
from .train.compare_pretraining import ComparePretraining
from .train.evaluate_model import EvaluateModel
from .train.export_model import ExportModel
from .train.finetune import Finetune
from .train.inspect_model import InspectModel

JOBS = {
    job.name(): job
    for job in (
        InstallEngine, CheckEngine, CreateSample, RemoveEngine,
        FindScenes, MaskClouds,
        CreateTrainingDataset, FetchRoads, CreateRoadDataset, CreateLandCoverDataset, CreateSeaIceDataset, CreateCropDataset, CreateFieldDataset,
        CreatePretrainingDataset,
        ImportDataset, ExportDataset, SplitDataset, DescribeDataset, SuggestLabels, DiscoverTopics,
        PretrainInpainting, PretrainBarlowTwins, PretrainTranslation, PretrainMultitask, ImportEncoder, ShareEncoder,
        Finetune, EvaluateModel, ComparePretraining, ExportModel, InspectModel,
        MapFromPoints, PredictMap, MapSeries, MapLandCover, MapCropTypes, MapRoads, MapSeaIce, MapFieldBoundaries, ComputeEmbeddings,
        PlanAssessment, AssessMap,
    )
}
