"""The definition: its numbers are METHODOLOGY's, its ranges are enforced, its fingerprint is stable."""

import dataclasses
import math
import pickle
import tomllib

import numpy as np
import pytest

import kifactors as kf
from kifactors.definition import (
    CapexIntensity,
    Composite,
    FactorDefinition,
    Scaling,
    Screening,
    SupplierTies,
    Time,
    TrailingTwelveMonths,
)
from kifactors.errors import DefinitionError, KifactorsError

# The numbers of METHODOLOGY, by section; only fx_max_age_days is not stated there.
METHODOLOGY = {
    "time": {"lag_days": 1, "max_age_days": 550, "tie_expiry_days": 550, "fx_max_age_days": 31},
    "ttm": {
        "year_days_low": 350,
        "year_days_high": 380,
        "quarter_days_low": 80,
        "quarter_days_high": 100,
        "span_tolerance_days": 10,
        "gap_tolerance_days": 10,
        "match_days": 20,
    },
    "capex_intensity": {
        "min_revenue": 10_000_000.0,
        "capex_to_revenue": 0.45,
        "abnormal_capex": 0.25,
        "capex_pool_share": 0.15,
        "guided_capex": 0.15,
    },
    "supplier_ties": {
        "delta": 0.5,
        "tolerance": 1e-10,
        "max_tiers": None,
        "default_flow_share": 1.0,
        "scope_weight_ai": 1.0,
        "scope_weight_data_center": 0.8,
        "scope_weight_broad": 0.0,
        "uncovered": "unknown",
        "ai_revenue": 0.75,
        "demand_growth": 0.25,
    },
    "scaling": {
        "method": "sparse",
        "clip": 5.0,
        "dense_clip": 3.0,
        "winsorize_low": 0.01,
        "winsorize_high": 0.99,
        "min_assets": 3,
    },
    "composite": {
        "capex_intensity": 0.40,
        "supplier_ties": 0.45,
        "index_membership": 0.15,
        "role_threshold": 0.02,
    },
    "screening": {
        "enter_percentile": 80.0,
        "stay_percentile": 65.0,
        "max_weight": 0.04,
        "compute_every": "month",
        "reconstitute_every": "quarter",
    },
}
DEFAULT_FINGERPRINT = "944a5fcb694afca59331d52fd2caf28a"
CHOICES = {
    "uncovered": "zero",
    "method": "dense",
    "compute_every": "day",
    "reconstitute_every": "year",
    "max_tiers": 2,
    "winsorize_high": 0.95,
    "enter_percentile": 90.0,
}


def other(name, value):
    """Return another allowed value of a parameter."""
    if name in CHOICES:
        return CHOICES[name]
    return value + 1 if isinstance(value, int) else value * 0.75 or 0.5


def refusal(make):
    with pytest.raises(DefinitionError) as caught:
        make()
    return str(caught.value)


def test_defaults_are_those_of_the_methodology():
    assert dataclasses.asdict(FactorDefinition()) == METHODOLOGY
    assert FactorDefinition().supplier_ties.scope_weights() == {"ai": 1.0, "data_center": 0.8, "broad": 0.0}


# TOML -----------------------------------------------------------------------------------------------------


def test_the_default_makes_a_round_trip():
    text = FactorDefinition().to_toml()
    assert FactorDefinition.from_toml(text) == FactorDefinition()
    written = tomllib.loads(text)
    assert written.pop("format") == 1
    assert written == {
        part: {name: value for name, value in values.items() if value is not None}
        for part, values in METHODOLOGY.items()
    }


@pytest.mark.parametrize(
    "definition",
    [
        FactorDefinition(supplier_ties=SupplierTies(max_tiers=0, uncovered="zero", tolerance=1e-15)),
        FactorDefinition(capex_intensity=CapexIntensity(min_revenue=1e21)),
        FactorDefinition(supplier_ties=SupplierTies(delta=1 / 3)),
        FactorDefinition(composite=Composite(capex_intensity=0.0, supplier_ties=1.0, index_membership=0.0)),
        FactorDefinition(supplier_ties=SupplierTies(delta=np.float64(0.25))),
    ],
    ids=["tiers", "large", "third", "one-pillar", "numpy"],
)
def test_every_definition_makes_a_round_trip(definition):
    again = FactorDefinition.from_toml(definition.to_toml())
    assert again == definition
    assert again.fingerprint() == definition.fingerprint()


def test_every_parameter_says_what_it_means():
    lines = [line for line in FactorDefinition().to_toml().splitlines()[2:] if "=" in line]
    assert len(lines) == sum(map(len, METHODOLOGY.values()))
    assert all(len(line.split("  # ")[1]) > 10 for line in lines)


def test_an_absent_number_is_a_comment_that_can_be_uncommented():
    text = FactorDefinition().to_toml()
    (line,) = (line for line in text.splitlines() if "max_tiers" in line)
    assert line.startswith("# max_tiers = 2  # ")
    uncommented = text.replace("# max_tiers", "max_tiers")
    assert FactorDefinition.from_toml(uncommented) == FactorDefinition(
        supplier_ties=SupplierTies(max_tiers=2)
    )


@pytest.mark.parametrize("text", ["", "format = 1", "[time]", "[supplier_ties]\ndelta = 0.5"])
def test_what_is_left_out_keeps_its_default(text):
    assert FactorDefinition.from_toml(text) == FactorDefinition()


def test_one_line_changes_one_parameter():
    got = FactorDefinition.from_toml("[time]\nlag_days = 2")
    assert got == FactorDefinition(time=Time(lag_days=2))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[tiem]\nlag_days = 1", ["no table [tiem]", "it has time, ttm, capex_intensity"]),
        ("[time]\nlag = 1", ["[time] has no key 'lag'", "it has lag_days, max_age_days"]),
        ("delta = 0.5", ["no table [delta]"]),
        ("time = 3", ["time = 3 stands alone", "write a table [time]"]),
        ("[[time]]\nlag_days = 1", ["stands alone", "[time]"]),
        ("format = 2", ["[format] 2 is not known", "reads format 1"]),
        ('format = "1"', ["[format] '1' is not known"]),
        ("format = true", ["[format] True is not known"]),
        ("[time\nlag_days = 1", ["not valid TOML", "line 1"]),
        ("[time]\nlag_days = 1\nlag_days = 2\n", ["not valid TOML", "line 3"]),
        ("[time]\nlag_days = ", ["not valid TOML"]),
        ("[supplier_ties]\ndelta = 1.5", ["SupplierTies.delta = 1.5 is not allowed", ">= 0 and < 1"]),
    ],
)
def test_a_wrong_text_is_told_what_is_allowed(text, parts):
    message = refusal(lambda: FactorDefinition.from_toml(text))
    for part in parts:
        assert part in message


def test_a_file_is_read(tmp_path):
    path = tmp_path / "definition.toml"
    wanted = FactorDefinition(supplier_ties=SupplierTies(delta=0.25))
    path.write_text(wanted.to_toml(), encoding="utf-8")
    assert FactorDefinition.read(path) == FactorDefinition.read(str(path)) == wanted


@pytest.mark.parametrize("content", [None, "folder", b"\xff\xfe", b"[time]\nlag = 1", b"[time"])
def test_a_file_that_cannot_be_used_is_named(tmp_path, content):
    path = tmp_path / "definition.toml"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    assert str(path) in refusal(lambda: FactorDefinition.read(path))


# Ranges ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "name", "value", "allowed"),
    [
        (Time, "lag_days", -1, "a whole number >= 0"),
        (Time, "max_age_days", 0, "a whole number >= 1"),
        (Time, "tie_expiry_days", 0, "a whole number >= 1"),
        (Time, "fx_max_age_days", -1, "a whole number >= 0"),
        (TrailingTwelveMonths, "year_days_low", 299, "a whole number >= 300 and <= 365"),
        (TrailingTwelveMonths, "year_days_low", 366, "a whole number >= 300 and <= 365"),
        (TrailingTwelveMonths, "year_days_high", 364, "a whole number >= 365 and <= 430"),
        (TrailingTwelveMonths, "quarter_days_low", 92, "a whole number >= 60 and <= 91"),
        (TrailingTwelveMonths, "quarter_days_high", 90, "a whole number >= 91 and <= 120"),
        (TrailingTwelveMonths, "match_days", 61, "a whole number >= 0 and <= 60"),
        (CapexIntensity, "min_revenue", -1.0, "a number >= 0"),
        (CapexIntensity, "guided_capex", -0.1, "a number >= 0"),
        (SupplierTies, "delta", 1.0, "a number >= 0 and < 1"),
        (SupplierTies, "delta", -0.1, "a number >= 0 and < 1"),
        (SupplierTies, "tolerance", 0.0, "a number >= 1e-15 and <= 0.001"),
        (SupplierTies, "max_tiers", -1, "a whole number >= 0"),
        (SupplierTies, "scope_weight_broad", 1.1, "a number >= 0 and <= 1"),
        (SupplierTies, "uncovered", "0", "one of 'unknown', 'zero'"),
        (Scaling, "method", "robust", "one of 'sparse', 'dense'"),
        (Scaling, "clip", 0.0, "a number >= 0.1"),
        (Scaling, "winsorize_low", 0.6, "a number >= 0 and <= 0.5"),
        (Scaling, "winsorize_high", 0.4, "a number >= 0.5 and <= 1"),
        (Scaling, "min_assets", 1, "a whole number >= 2"),
        (Composite, "role_threshold", 1.1, "a number >= 0 and <= 1"),
        (Screening, "enter_percentile", 101.0, "a number >= 0 and <= 100"),
        (Screening, "compute_every", "hour", "one of 'day', 'week', 'month'"),
        # wrong types
        (Time, "lag_days", True, "a whole number"),
        (Time, "lag_days", 1.0, "a whole number"),
        (Time, "lag_days", "1", "a whole number"),
        (Time, "lag_days", None, "a whole number"),
        (SupplierTies, "delta", True, "a number"),
        (SupplierTies, "delta", "0.5", "a number"),
        (SupplierTies, "delta", None, "a number"),
        (SupplierTies, "delta", math.nan, "a number"),
        (SupplierTies, "max_tiers", False, "a whole number"),
        (SupplierTies, "max_tiers", 1.0, "a whole number"),
        (SupplierTies, "uncovered", None, "one of"),
        (CapexIntensity, "min_revenue", math.inf, "a number >= 0"),
        (Scaling, "method", 1, "one of"),
    ],
)
def test_a_value_outside_its_range_is_told_the_range(part, name, value, allowed):
    message = refusal(lambda: part(**{name: value}))
    assert f"{part.__name__}.{name} = {value!r} is not allowed; expected {allowed}" in message


@pytest.mark.parametrize(("part", "name"), [("capex_intensity", "min_revenue"), ("time", "lag_days")])
def test_a_number_that_no_machine_holds_is_refused(part, name):
    assert f".{name} = " in refusal(lambda: FactorDefinition.from_toml(f"[{part}]\n{name} = 1{'0' * 400}"))


def test_the_ends_of_a_range_are_inside():
    assert SupplierTies(delta=0, max_tiers=0, scope_weight_broad=1).delta == 0.0
    assert TrailingTwelveMonths(year_days_low=365, year_days_high=365).year_days_low == 365


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (
            lambda: FactorDefinition(composite=Composite(capex_intensity=0.5)),
            "weights add to 1.1; they must add to 1",
        ),
        (lambda: FactorDefinition(composite=Composite(index_membership=0.0)), "weights add to 0.85"),
        (
            lambda: FactorDefinition(capex_intensity=CapexIntensity(capex_to_revenue=0.0)),
            "capex_to_revenue needs a weight",
        ),
        (lambda: FactorDefinition(supplier_ties=SupplierTies(ai_revenue=0.0)), "ai_revenue needs a weight"),
        (
            lambda: FactorDefinition(screening=Screening(stay_percentile=81.0)),
            "stay_percentile must not exceed",
        ),
        (lambda: FactorDefinition(time=3), "FactorDefinition.time is a int; expected Time(...)"),
        (lambda: FactorDefinition(time=Scaling()), "is a Scaling; expected Time"),
        (lambda: FactorDefinition.from_toml("[composite]\nsupplier_ties = 0.5"), "they must add to 1"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(make, part):
    assert part in refusal(make)


def test_weights_of_thirds_add_to_one():
    third = 1 / 3
    FactorDefinition(composite=Composite(capex_intensity=third, supplier_ties=third, index_membership=third))


def test_the_error_is_the_one_callers_expect():
    assert issubclass(DefinitionError, ValueError)
    assert issubclass(DefinitionError, KifactorsError)


# Fingerprint ----------------------------------------------------------------------------------------------


def test_the_fingerprint_of_the_default_stays():
    assert FactorDefinition().fingerprint() == DEFAULT_FINGERPRINT
    assert FactorDefinition.from_toml("").fingerprint() == DEFAULT_FINGERPRINT


@pytest.mark.parametrize(
    ("part", "name"), [(part, name) for part, values in METHODOLOGY.items() for name in values]
)
def test_every_parameter_but_screening_changes_the_fingerprint(part, name):
    default = FactorDefinition()
    changes = {name: other(name, METHODOLOGY[part][name])}
    if part == "composite" and name != "role_threshold":
        rest = next(n for n in ("supplier_ties", "index_membership") if n != name)
        changes[rest] = METHODOLOGY[part][rest] + METHODOLOGY[part][name] - changes[name]
    changed = dataclasses.replace(default, **{part: dataclasses.replace(getattr(default, part), **changes)})
    assert changed != default
    assert (changed.fingerprint() == DEFAULT_FINGERPRINT) == (part == "screening")


def test_the_fingerprint_does_not_depend_on_how_a_number_is_written():
    written = FactorDefinition.from_toml("[capex_intensity]\nmin_revenue = 10_000_000\n[scaling]\nclip = 5\n")
    assert written.fingerprint() == DEFAULT_FINGERPRINT
    assert isinstance(written.scaling.clip, float)


# Values ---------------------------------------------------------------------------------------------------


def test_a_definition_is_frozen():
    definition = FactorDefinition()
    with pytest.raises(dataclasses.FrozenInstanceError):
        definition.time = Time(lag_days=2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        definition.time.lag_days = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        del definition.time
    assert definition.fingerprint() == DEFAULT_FINGERPRINT


def test_a_definition_is_a_value():
    one, again = FactorDefinition(), pickle.loads(pickle.dumps(FactorDefinition()))
    assert one == again
    assert len({one, again, FactorDefinition(time=Time(lag_days=2))}) == 2


def test_a_copy_with_a_change_is_checked_too():
    refusal(lambda: dataclasses.replace(SupplierTies(), delta=2.0))


def test_a_path_in_place_of_a_definition_is_refused():
    with pytest.raises(
        KifactorsError, match=r"definition is a str; expected a FactorDefinition. Read a file"
    ):
        kf.AIInfrastructureExposure("definition.toml")


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("Time", "lag_days"),
        ("Time", "max_age_days"),
        ("Time", "tie_expiry_days"),
        ("Time", "fx_max_age_days"),
        ("SupplierTies", "max_tiers"),
    ],
)
@pytest.mark.parametrize("value", [10**9, 2**63, 2**70])
def test_numbers_no_calendar_holds_are_refused(part, name, value):
    """Days are counted in 32 bits: "never", written as a billion days, would come round to the past."""
    with pytest.raises(
        DefinitionError, match=rf"{name} = {value} is not allowed; expected a whole number .* <= "
    ):
        getattr(kf.definition, part)(**{name: value})
