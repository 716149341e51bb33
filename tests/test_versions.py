"""What a bug report should say."""

import kifactors as kf
from kifactors import _kernels


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
