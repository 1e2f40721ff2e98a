"""Obstacles: what can end packets on a node besides nftables' rules, routes and neighbours.

A file for each kind; `obstacles` reads them all, of one node, when something is left to explain.
"""

from netlab.kernel.obstacles.obstacle import Obstacle, ObstacleKind
from netlab.kernel.obstacles.read import grown, obstacles

__all__ = ["Obstacle", "ObstacleKind", "grown", "obstacles"]
