"""The private names of Dagster that the platform uses, in one place, so that an upgrade of Dagster breaks in one place.

Each is here because no public name does the same, as of Dagster 1.13. Everything else comes from ``import dagster``.
"""

from dagster._core.definitions.partitions.partitioned_schedule import UnresolvedPartitionedAssetScheduleDefinition
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._core.scheduler.instigation import SensorInstigatorData
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord
from dagster._core.storage.tags import RUN_KEY_TAG
from dagster._serdes import ConfigurableClassData

__all__ = [
    "RUN_KEY_TAG",
    "AssetCheckExecutionRecord",
    "CheckRunHealthResult",
    "ConfigurableClassData",
    "SensorInstigatorData",
    "UnresolvedPartitionedAssetScheduleDefinition",
    "WorkerStatus",
]

# AssetCheckExecutionRecord: an evaluation with its id, run and partition. The public
# get_latest_asset_check_evaluation_record returns one too, but the newest only, and the class has no public name.

# CheckRunHealthResult, WorkerStatus: what a launcher answers to the run monitoring. DefaultRunLauncher, which answers
# nothing, is public; the types of the answer are not.

# ConfigurableClassData: what a part of the instance that dagster.yaml names is told about its configuration.

# RUN_KEY_TAG: tag of a run with the run key of the request that it was made for. dg.RunRequest takes the key, and there
# is no public way to ask whether its run exists.

# SensorInstigatorData: when a sensor last looked. instance.all_instigator_state() is public, the type of its data
# is not.

# UnresolvedPartitionedAssetScheduleDefinition: what dg.build_schedule_from_partitioned_job returns for a job of assets.
