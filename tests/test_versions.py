"""What a bug report should say."""

import subprocess
import sys

import pytest

import kifactors as kf
from kifactors import _kernels
from kifactors._kernels import _backend


def test_versions_name_the_kernels(capsys):
    kf.show_versions()
    shown = dict(
        line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if "levels" not in line
    )
    assert shown["kernels"] == _kernels.level()
    assert shown["kifactors"] == kf.__version__
    assert shown["threads"] == str(_kernels.thread_count())
    assert _kernels.available_levels()[0] == "baseline"


def test_a_package_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr("kifactors.versions.PACKAGES", ("no-such-package",))
    assert kf.versions.versions()["no-such-package"] == "not installed"


WALK = """
import importlib, pkgutil, kifactors
for module in pkgutil.walk_packages(kifactors.__path__, "kifactors."):
    try:
        importlib.import_module(module.name)
    except ImportError as error:
        assert "this processor has no" in str(error), error
"""


def test_every_module_can_be_walked_on_any_processor():
    """Documentation tools import all there is; kernels for another processor must refuse, not stop the process."""
    subprocess.run([sys.executable, "-c", WALK], check=True)


@pytest.mark.parametrize("level", _backend.LEVELS[1:])
def test_a_level_this_processor_lacks_is_refused(monkeypatch, level):
    monkeypatch.setattr(_backend, "supported", lambda: ())
    with pytest.raises(ImportError, match=level):
        _backend.require(level)
    with pytest.raises(kf.KifactorsError, match="this build on this processor has baseline"):
        _backend.using(level).__enter__()
