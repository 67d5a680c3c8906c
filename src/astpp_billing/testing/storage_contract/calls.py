"""The contract on calls, what was used, what is seen of accounts and calls at once, and commands that were done."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from attrs import evolve

from astpp_billing.calls import MAX_TEXT, CallRecord, CallStatus, UnratedReason
from astpp_billing.errors import AlreadyExists, NotFound, StorageBusy
from astpp_billing.hierarchy import Account, Endpoint, EndpointKind, Kind
from astpp_billing.invoicing import InvoiceConfig
from astpp_billing.ledger import Used
from astpp_billing.money import MAX_MICROS
from astpp_billing.ports import Changes, Command, Storage
from astpp_billing.testing.storage_contract.base import (
    AT,
    MICROSECOND,
    SECOND,
    TEXTS,
    Base,
    admin,
    call,
    customer,
    hold,
    place,
    refill,
    reseller,
    retry_call,
    save_call,
)

DAY = date(2025, 3, 1)


class CallsContract(Base):
    """Calls, figures of days, `look`, and commands."""

    def test_every_field_of_a_call_comes_back(self, storage: Storage) -> None:
        """In a later transaction; what is None stays None, and what is empty stays empty."""
        with storage.begin() as work:
            buyer = admin(work)
            full = call(
                "leg 🦊",
                CallStatus.UNRATED,
                account_id=buyer.id,
                reason=UnratedReason.NO_RATE,
                detail="no rate for 4812345",
                account="a",
                user="u",
                address="2001:db8::1",
                caller="+48 1",
                dialled="sip:é@example",
                hangup_cause="NORMAL_CLEARING",
                provider="p",
            )
            bare = call("bare", account="", user=None, address="", provider=None)
            save_call(work, full)
            save_call(work, bare)
        with storage.begin() as work:
            assert work.find_call(full.key) == full
            assert work.find_call(bare.key) == bare
            assert work.find_call("call:s1:other") is None

    def test_a_call_that_was_not_answered(self, storage: Storage) -> None:
        """It has no instant of answer."""
        record = CallRecord(switch_id="s", leg_uuid="l", number="1", started_at=AT, ended_at=AT, seconds=0)
        with storage.begin() as work:
            entry = call("x", account_id=admin(work).id)
            missed = type(entry)(record=record, status=CallStatus.RATED, settled_at=AT)
            save_call(work, missed)
            assert work.find_call(missed.key) == missed

    def test_a_call_is_kept_once(self, storage: Storage) -> None:
        """`AlreadyExists` for a call that is kept already, rated or not."""
        with storage.begin() as work:
            kept = [call("a"), call("b", CallStatus.UNRATED, reason=UnratedReason.NO_RATE)]
            save_call(work, *kept)
            for entry in (kept[0], call("a", CallStatus.UNRATED), call("b")):
                with pytest.raises(AlreadyExists):
                    save_call(work, call("new"), entry)

            assert work.calls() == kept

    def test_an_unrated_call_can_be_replaced(self, storage: Storage) -> None:
        """By a rated one, or by one that could not be rated for another reason."""
        with storage.begin() as work:
            buyer = admin(work)
            save_call(work, call("leg", CallStatus.UNRATED, reason=UnratedReason.UNKNOWN_ACCOUNT, detail="who?"))
            still = call("leg", CallStatus.UNRATED, reason=UnratedReason.NO_RATE, account_id=buyer.id)
            retry_call(work, still)
            assert work.calls() == [still]
            settled = call("leg", CallStatus.RATED, account_id=buyer.id, micros=12)
            retry_call(work, settled)
        with storage.begin() as work:
            assert work.calls() == [settled]
            assert work.calls(CallStatus.UNRATED) == []

    def test_a_rated_call_is_never_replaced(self, storage: Storage) -> None:
        """`StorageBusy`, as somebody else has settled it meanwhile; `NotFound` for a call that is not kept."""
        with storage.begin() as work:
            settled, other = call("leg", micros=5), call("other", CallStatus.UNRATED)
            save_call(work, settled, other)
            with pytest.raises(StorageBusy):
                retry_call(work, call("other"), call("leg", micros=6))
            with pytest.raises(NotFound):
                retry_call(work, call("other"), call("LEG"))

            assert work.calls() == [settled, other]

    def test_calls_come_in_the_order_of_their_start(self, storage: Storage) -> None:
        """To the microsecond; at the same instant by key. Of one status, or all."""
        with storage.begin() as work:
            late = call("a", start=AT + MICROSECOND)
            second, first = call("c", CallStatus.UNRATED), call("b")
            for entry in (late, second, first):
                save_call(work, entry)

            assert work.calls() == [first, second, late]
            assert work.calls(CallStatus.RATED) == [first, late]
            assert work.calls(CallStatus.UNRATED) == [second]
            assert Counter(entry.record.leg_uuid for entry in work.calls()) == Counter("abc")

    @pytest.mark.parametrize("text", TEXTS)
    def test_texts_of_a_call_come_back_as_they_are(self, storage: Storage, text: str) -> None:
        """Whatever a switch has sent."""
        sent = text[:MAX_TEXT]
        entry = call("leg", detail=text, caller=sent, dialled=sent, user=sent)
        with storage.begin() as work:
            save_call(work, entry)
        with storage.begin() as work:
            assert work.calls() == [entry]

    def test_what_was_used_adds_up_for_each_day(self, storage: Storage) -> None:
        """Of each account by itself, in one save or many."""
        with storage.begin() as work:
            one, two = admin(work, "one"), admin(work, "two")
            work.save(Changes(used={(one.id, DAY): Used(5, 1, 60), (two.id, DAY): Used(7, 1, 61)}))
            work.save(Changes(used={(one.id, DAY): Used(0, 1, 30)}))
        with storage.begin() as work:
            work.save(Changes(used={(one.id, DAY): Used(MAX_MICROS - 5, 2, 10**9)}))
        with storage.begin() as work:
            assert work.used(one.id, DAY, date(2025, 3, 2)) == {DAY: Used(MAX_MICROS, 4, 10**9 + 90)}
            assert work.used(two.id, DAY, date(2025, 3, 2)) == {DAY: Used(7, 1, 61)}

    def test_what_was_used_is_read_by_ranges_of_days(self, storage: Storage) -> None:
        """From the first day up to, and without, the last; days without calls are left out."""
        with storage.begin() as work:
            one = admin(work)
            days = {date(2024, 2, 29): 1, date(2024, 3, 1): 2, date(2024, 3, 3): 3, date(2025, 1, 1): 4}
            work.save(Changes(used={(one.id, day): Used(micros, 1, 1) for day, micros in days.items()}))

            def micros(since: date, until: date) -> list[int]:
                found = work.used(one.id, since, until)
                return [found[day].micros for day in sorted(found)]

            assert micros(date(2024, 2, 29), date(2024, 3, 3)) == [1, 2]
            assert micros(date(2024, 3, 1), date(2024, 3, 4)) == [2, 3]
            assert micros(date(1970, 1, 1), date(2100, 1, 1)) == [1, 2, 3, 4]
            assert micros(date(2024, 3, 2), date(2024, 3, 3)) == micros(date(2024, 3, 1), date(2024, 3, 1)) == []

    def test_looking_finds_accounts_with_all_above_them(self, storage: Storage) -> None:
        """By number or by what stands for them, several at once; with their wallets and what they print."""
        with storage.begin() as work:
            top = admin(work)
            agent = reseller(work, top, "agent")
            one, two, beside = (customer(work, parent, name) for parent, name in ((agent, "1"), (top, "2"), (top, "3")))
            work.add_endpoint(Endpoint(EndpointKind.USER, "1001", two.id))
            work.add_endpoint(Endpoint(EndpointKind.ADDRESS, "1001", beside.id))
            config = InvoiceConfig(account_id=top.id, company="Acme")
            work.save_invoice_config(config)
            work.save_invoice_config(InvoiceConfig(account_id=beside.id, company="Beside"))
            work.update_account(evolve(agent, name="Agent"))
        with storage.begin() as work:
            user, stranger = (EndpointKind.USER, "1001"), (EndpointKind.USER, "1002")
            seen = work.look(numbers=["1", "1", "nobody"], endpoints=[user, stranger])
            named = evolve(agent, name="Agent")

            assert seen.accounts == {top.id: top, agent.id: named, one.id: one, two.id: two}
            assert seen.wallets == {account_id: work.wallet(account_id) for account_id in seen.accounts}
            assert [seen.wallets[each.id].epoch for each in (top, agent)] == [0, 1]
            assert seen.configs == {top.id: config}
            assert seen.endpoints == {user: two.id}
            assert not seen.calls
            assert not seen.holds

    def test_looking_finds_calls_and_holds_by_their_key(self, storage: Storage) -> None:
        """Several at once, in whatever state; not by a key that only looks alike."""
        with storage.begin() as work:
            buyer = admin(work)
            refill(work, buyer)
            rated, unrated = call("a"), call("b", CallStatus.UNRATED)
            save_call(work, rated, unrated, call("c"))
            reserved = hold(unrated.key, buyer, (buyer, 5))
            assert place(work, reserved)
            seen = work.look(keys=[rated.key, unrated.key, "call:s1:A", "call:S1:a", "no call's key", unrated.key])

            assert seen.calls == {rated.key: rated, unrated.key: unrated}
            assert seen.holds == {unrated.key: reserved}
            assert not seen.accounts
            assert not seen.wallets

    def test_looking_for_nothing_or_for_very_much(self, storage: Storage) -> None:
        """Finds nothing, or all of it."""
        with storage.begin() as work:
            top = admin(work)
            buyers = {each.id: each for each in (customer(work, top, f"c{index}") for index in range(300))}
            entries = {each.key: each for each in (call(f"leg {index}") for index in range(300))}
            save_call(work, *entries.values())
            nothing = work.look()
            assert not any((nothing.accounts, nothing.wallets, nothing.calls, nothing.holds))
            seen = work.look(keys=list(entries), numbers=[each.number for each in buyers.values()])

            assert seen.accounts == {top.id: top} | buyers
            assert seen.calls == entries

    def test_looking_at_parents_that_form_a_cycle_comes_to_an_end(self, storage: Storage) -> None:
        """Each account is there once; what it means is not the storage's business."""
        with storage.begin() as work:
            one = reseller(work, admin(work), "one")
            two = reseller(work, one, "two")
            work.update_account(evolve(one, parent_id=two.id))

            assert set(work.look(numbers=["one"]).accounts) == {one.id, two.id}

    def test_looking_at_a_provider(self, storage: Storage) -> None:
        """It has nobody above it."""
        with storage.begin() as work:
            provider = work.add_account(Account(number="p", kind=Kind.PROVIDER, currency="USD"))

            assert work.look(numbers=["p"]).accounts == {provider.id: provider}

    def test_a_command_is_noted_once(self, storage: Storage) -> None:
        """With every field; `AlreadyExists` for its key again. A posting may have the same one."""
        with storage.begin() as work:
            refill(work, admin(work))
            done = Command(key="refill admin", fingerprint="f", at=AT + MICROSECOND, result='{"é": "🦊"}')
            bare = Command(key="K" * 512, fingerprint="f", at=AT)
            assert work.find_command(done.key) is None
            work.add_command(done)
            work.add_command(bare)
            with pytest.raises(AlreadyExists):
                work.add_command(evolve(done, at=AT + SECOND))
        with storage.begin() as work:
            assert work.find_command(done.key) == done
            assert work.find_command(bare.key) == bare
            assert work.find_command("k" * 512) is None
