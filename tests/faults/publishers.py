"""Publish again and again, each time in a process that kills itself before another of its writes; tell what readers see."""

import json
import os
import signal
import sys

from dag_publisher.publish import current_release
from dag_publisher.shelf import Shelf
from dag_publisher.store import Store
from tests.publishing import Proxy, package, released

OLD = {"shop_a": "one", "shop_gone": "one"}
NEW = {"shop_a": "two", "shop_b": "two"}


def killed_before(number: int, bucket: str) -> bool:
    """Publish the new files in a process of its own that dies before that write; return whether it died."""
    child = os.fork()
    if child == 0:
        left = [number]

        def before(_: str) -> None:
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

        released(Shelf(Proxy(Store(bucket), before), "dev", "shop"), **NEW)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def told(shop: Shelf, *, died: bool) -> dict[str, object]:
    """Say whether what is current is whole, and is the old or the new release."""
    found = shop.contents(current_release(shop))
    which = {"old": package(**OLD).contents, "new": package(**NEW).contents}
    mirror = {one.key.rpartition("/")[2] for one in shop.listed("dags/")}
    return {"died": died, "sees": [name for name, files in which.items() if files == found], "mirror": sorted(mirror)}


def main() -> None:
    """Kill a publisher at each of its writes in turn; after each, the next one has to end what was begun."""
    shop = Shelf(Store(sys.argv[1]), "dev", "shop")
    for number in range(1, 40):
        released(shop, **OLD)
        died = killed_before(number, sys.argv[1])
        seen = told(shop, died=died)
        released(shop, **NEW)
        sys.stdout.write(json.dumps({**seen, "then": told(shop, died=False)}) + "\n")
        if not died:
            break


if __name__ == "__main__":
    main()
