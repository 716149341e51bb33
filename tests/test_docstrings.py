"""The examples of the docstrings are the hand-computed tests: run every one of them."""

import doctest
import importlib
import pkgutil

import numpy as np
import polars as pl
import pytest

import kifactors as kf
from kifactors._kernels._backend import LEVELS
from kifactors._kernels._cpu import supported

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


# Packages of kernels that this processor cannot run refuse to be imported.
FOREIGN = {f"kifactors._kernels.{level}" for level in LEVELS[1:]} - {
    f"kifactors._kernels.{level}" for level in supported()
}


def _examples():
    names = [m.name for m in pkgutil.walk_packages(kf.__path__, "kifactors.") if ".cli" not in m.name]
    for name in ["kifactors", *(name for name in names if name not in FOREIGN)]:
        module = importlib.import_module(name)
        # Compiled modules have no source to read examples from.
        if not (module.__file__ or "").endswith(".py"):
            continue
        for test in doctest.DocTestFinder().find(
            module, globs={**vars(module), "kf": kf, "pl": pl, "np": np}
        ):
            if test.examples:
                yield pytest.param(test, id=test.name)


EXAMPLES = list(_examples())


@pytest.mark.parametrize("test", EXAMPLES)
def test_docstring_example(test):
    report: list[str] = []
    result = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=report.append)
    assert result.failed == 0, "".join(report)


# The functions that state a formula of METHODOLOGY; each shows it on numbers one can check by hand.
FORMULAS = (
    "kifactors.asof._fundamentals.trailing_twelve_months",
    "kifactors.asof._statements.ai_capex_share",
    "kifactors.asof._statements.capex_guidance",
    "kifactors.composite.combine",
    "kifactors.cross_section._rank.rank",
    "kifactors.cross_section._style.composite_standardize",
    "kifactors.cross_section._style.dense_standardize",
    "kifactors.cross_section._style.neutralize",
    "kifactors.cross_section._style.sparse_standardize",
    "kifactors.graph.propagate",
    "kifactors.network._centrality.centrality",
    "kifactors.pillars._capex_intensity.capex_intensity",
    "kifactors.pillars._index_membership.economic_exposure",
    "kifactors.pillars._index_membership.index_membership",
    "kifactors.pillars._supplier_ties.supplier_ties",
    "kifactors.scenarios._elasticities.elasticities",
    "kifactors.scenarios._scenario.scenario",
)


def test_every_formula_has_an_example():
    assert set(FORMULAS) <= {param.id for param in EXAMPLES}
