"""The supplier network: who is central, who depends on whom, and the graph itself for other tools and for people."""

from kifactors.network._centrality import Centrality, centrality
from kifactors.network._graph import SupplyGraph, graph

__all__ = ["Centrality", "SupplyGraph", "centrality", "graph"]
