"""Obstacles: what can end packets on a node besides nftables' rules, routes and neighbours.

A file for each kind; `read.obstacles` reads them all, of one node, when something is left to explain. The
types alone are loaded with the package: most commands read none.
"""

from netlab.kernel.obstacles.obstacle import Obstacle, ObstacleKind

__all__ = ["Obstacle", "ObstacleKind"]
