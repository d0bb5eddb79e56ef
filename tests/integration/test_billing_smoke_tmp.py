from random import Random
import time
from tests.billing_house import *
def test_smoke(migrated):
    house=House(migrated("billing"))
    h=history(Random(1),people=5,tasks=20)
    house.handle(*h.events)
    house.handle(*h.events)
    assert house.problems()==[]
    for r in house.rows("select kind,count(*),sum(amount_cents) from ledger_transactions t join ledger_entries e on e.transaction_id=t.id and balance_after_cents is not null group by 1"): print(r)
    for r in house.rows("select day,status,fees_cents,rewards_cents,version from days"): print(r)
    big=history(Random(2),people=100,tasks=1500)
    t=time.perf_counter(); n=0
    ev=big.events
    for i in range(0,len(ev),200):
        house.handle(*ev[i:i+200])
    dt=time.perf_counter()-t
    print(len(ev), "events", len(ev)/dt, "ev/s", (big.fees+big.rewards)/dt, "postings/s")
    t=time.perf_counter(); print(house.problems(), time.perf_counter()-t)
