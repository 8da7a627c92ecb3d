"""Door-scene simulator: a camera above a door, people passing it, and what is true of them."""

from __future__ import annotations

from edge.scene.scene import SCENE_LINE, Scene, SceneCrossing, SceneFrame

__all__ = ["SCENE_LINE", "Scene", "SceneCrossing", "SceneFrame"]
