"""What an attempt is known by, and what is agreed on when it is authorised."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve

from astpp_billing.calls import Agreement, Approved, CallAttempt, HoldPolicy, Parties, agreed, agreed_carrier
from astpp_billing.calls.record import MAX_SECONDS, MAX_TEXT
from astpp_billing.errors import InvalidValue
from astpp_billing.hierarchy import Account, Kind, Path, ResellerModel
from astpp_billing.ledger import HeldLevel, Hold
from astpp_billing.testing.worlds import START, call

ATTEMPT = CallAttempt(switch_id="a:b", leg_uuid="c", number="44", account="1")


def path() -> Path:
    admin = Account(id=1, number="admin", kind=Kind.ADMIN, currency="USD", rate_group="termination")
    agent = Account(
        id=2,
        number="agent",
        kind=Kind.RESELLER,
        model=ResellerModel.COMMISSION,
        commission_percent="12.50",
        parent_id=1,
        currency="USD",
    )
    buyer = Account(id=3, number="buyer", kind=Kind.CUSTOMER, parent_id=2, currency="USD", rate_group="retail")
    return buyer, agent, admin


CARRIER = Account(id=9, number="carrier", kind=Kind.PROVIDER, currency="USD", rate_group="old")


def hold(carrier: Account | None = None) -> Hold:
    terms = Agreement.of("44", Parties(path(), carrier), START + timedelta(microseconds=1), 90)
    return Hold(
        key="call:a:b",
        account_id=3,
        fingerprint="",
        placed_at=START,
        expires_at=START + timedelta(seconds=1),
        levels=(HeldLevel(3, 7),),
        terms=terms.text(),
    )


def test_an_attempt_has_the_key_of_its_record() -> None:
    assert ATTEMPT.key == call("1", switch="a:b", leg="c").key


@pytest.mark.parametrize(
    "fields",
    [
        {"switch_id": ""},
        {"leg_uuid": "x" * (MAX_TEXT + 1)},
        {"number": "\ud800"},
        {"switch_id": "%" * MAX_TEXT, "leg_uuid": "l" * MAX_TEXT},
        {"number": None},
        {"at": datetime(2026, 1, 1)},  # noqa: DTZ001 (that is the point)
    ],
)
def test_an_attempt_that_can_never_be_right_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        evolve(ATTEMPT, **fields)


def test_a_repeat_is_told_by_all_that_is_decided_by() -> None:
    others = [{"number": "45"}, {"account": "2"}, {"user": "1"}, {"address": "1"}, {"provider": "1"}, {"at": START}]
    prints = [evolve(ATTEMPT, **fields).fingerprint() for fields in ({}, *others)]  # type: ignore[arg-type]

    assert len(set(prints)) == 7
    assert evolve(ATTEMPT, caller="Jane").fingerprint() == ATTEMPT.fingerprint()
    local = START.astimezone(UTC)
    assert evolve(ATTEMPT, at=local).fingerprint() == evolve(ATTEMPT, at=START).fingerprint()


def test_what_is_reserved_is_what_the_hold_reserves() -> None:
    assert Approved(90, hold()).levels == (HeldLevel(3, 7),)


@pytest.mark.parametrize("name", ["slice_seconds", "longest_seconds", "grace_seconds"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, MAX_SECONDS + 1])
def test_a_policy_is_whole_seconds_that_can_be(name: str, value: Any) -> None:
    with pytest.raises(InvalidValue, match=name):
        HoldPolicy(**{name: value})


def test_the_terms_of_a_hold_are_kept_as_text() -> None:
    for carrier in (None, CARRIER):
        agreement = Agreement.of("44", Parties(path(), carrier), START, 90)
        assert Agreement.read(agreement.text()) == agreement


def test_of_an_unchanged_path_the_path_itself_was_agreed_on() -> None:
    now = path()
    restored = agreed(hold(), now)

    assert restored == (now, START + timedelta(microseconds=1))
    assert restored is not None
    assert all(one is other for one, other in zip(restored[0], now, strict=True))


def test_what_prices_depend_on_is_put_back_and_nothing_else() -> None:
    buyer, agent, admin = path()
    changed = (
        evolve(buyer, rate_group="dear", own_rate_group="mine", name="Jane"),
        evolve(agent, model=ResellerModel.DISTRIBUTOR, commission_percent=0, rate_group="wholesale"),
        evolve(admin, rate_group=None),
    )

    assert agreed(hold(), changed) == ((evolve(buyer, name="Jane"), agent, admin), START + timedelta(microseconds=1))


def test_nothing_was_agreed_with_other_sellers() -> None:
    buyer, agent, admin = path()

    assert agreed(hold(), (buyer.under(1), admin)) is None
    assert agreed(hold(), (buyer.under(4), evolve(agent, id=4), admin)) is None
    assert agreed(evolve(hold(), terms=""), (buyer, agent, admin)) is None


def test_a_carrier_has_the_rates_that_it_had_and_another_one_its_own() -> None:
    changed, other = evolve(CARRIER, rate_group="new"), evolve(CARRIER, id=10, number="other")

    assert agreed_carrier(hold(CARRIER), changed) == CARRIER
    assert agreed_carrier(hold(CARRIER), other) is other
    assert agreed_carrier(hold(CARRIER), None) is None
    assert agreed_carrier(hold(), changed) is changed
    assert agreed_carrier(evolve(hold(CARRIER), terms=""), changed) is changed
