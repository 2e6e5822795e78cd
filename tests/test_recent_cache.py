"""What is kept without a lock: the latest few, also where threads put and get at once."""

import sys
import threading

from foldnet.recent_cache import RecentCache


def test_the_one_asked_for_longest_ago_goes_first():
    kept = RecentCache(3)
    for key in "abc":
        kept.put(key, key.upper())
    assert kept.get("a") == "A"
    kept.put("d", "D")
    assert [kept.get(key) for key in "abcd"] == ["A", None, "C", "D"]
    kept.put("e", "E")
    assert [kept.get(key) for key in "acde"] == [None, "C", "D", "E"]
    assert len(kept) == 3


def test_a_value_put_again_takes_the_others_place():
    kept = RecentCache(2)
    for value in (1, 2):
        kept.put("a", value)
    kept.put("b", 3)
    assert (kept.get("a"), kept.get("b"), len(kept)) == (2, 3, 2)


def test_threads_at_once():
    kept, wrong = RecentCache(4), []

    def work(own):
        for i in range(2000):
            key = (own + i) % 9
            value = kept.get(key)
            if value not in (None, key * 10) or len(kept) > 4:
                wrong.append((key, value))
            kept.put(key, key * 10)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong
