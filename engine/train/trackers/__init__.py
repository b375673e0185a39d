"""Reporting a run to TensorBoard, Weights & Biases or SwanLab, so that none of them can hurt the run."""

from engine.train.trackers.base import RunInfo, Tracker
from engine.train.trackers.build import TRACKER_NAMES, TrackerName, build_trackers
from engine.train.trackers.composite import Trackers

__all__ = ["TRACKER_NAMES", "RunInfo", "Tracker", "TrackerName", "Trackers", "build_trackers"]
