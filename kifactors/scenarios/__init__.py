"""What if: shocks to spending, shares and ties of one date, and what assumptions do to ranks.

`kf.scenario` prepares a date, `Scenario.shock` answers; `kf.sensitivity` varies the definition and the assumed inputs.
"""

from kifactors.scenarios._elasticities import Elasticities
from kifactors.scenarios._result import Shocked
from kifactors.scenarios._scenario import Scenario, scenario
from kifactors.scenarios._sensitivity import GRID, Sensitivity, sensitivity
from kifactors.scenarios._shock import Shock

__all__ = ["GRID", "Elasticities", "Scenario", "Sensitivity", "Shock", "Shocked", "scenario", "sensitivity"]
