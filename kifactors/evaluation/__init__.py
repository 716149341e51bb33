"""Does it work? Scores against what was earned after them, with honest statistics."""

from kifactors.evaluation._audit import LookAheadAudit, audit_look_ahead
from kifactors.evaluation._bootstrap import Bootstrap
from kifactors.evaluation._evaluate import evaluate
from kifactors.evaluation._evaluation import FRAMES, Evaluation
from kifactors.evaluation._factor_returns import MARKET, factor_mimicking_weights, factor_returns
from kifactors.evaluation._fama_macbeth import fama_macbeth
from kifactors.evaluation._hac import MeanTest, hac_mean, newey_west_bandwidth, newey_west_lag
from kifactors.evaluation._limits import PriceFacts
from kifactors.evaluation._multiple import HARVEY_LIU_ZHU, adjusted_p
from kifactors.evaluation._sharpe import (
    SharpeMoments,
    deflated_sharpe,
    expected_maximum_sharpe,
    minimum_track_record,
    probabilistic_sharpe,
    sharpe_of,
)
from kifactors.evaluation._trials import Trials

__all__ = [
    "FRAMES",
    "HARVEY_LIU_ZHU",
    "MARKET",
    "Bootstrap",
    "Evaluation",
    "LookAheadAudit",
    "MeanTest",
    "PriceFacts",
    "SharpeMoments",
    "Trials",
    "adjusted_p",
    "audit_look_ahead",
    "deflated_sharpe",
    "evaluate",
    "expected_maximum_sharpe",
    "factor_mimicking_weights",
    "factor_returns",
    "fama_macbeth",
    "hac_mean",
    "minimum_track_record",
    "newey_west_bandwidth",
    "newey_west_lag",
    "probabilistic_sharpe",
    "sharpe_of",
]
