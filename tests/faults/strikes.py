"""The faults of a campaign: each makes one thing go wrong around one hop of a consumer that has something to do."""

import random
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from common.core.nouns import Consumer
from common.ledger.database import transaction
from common.ledger.rings import due
from common.pipelines.kinds import KINDS, consumers
from devstack.folder import StateFolder
from tests.faults.plan import STEPS, inside
from tests.faults.proxy import Proxy, seeded
from tests.faults.services import await_return, strike
from tests.faults.tally import Tally
from tests.faults.workers import Outcome, Plan, Workers, job
from tests.world import World

OWNER = "dag/run/task/-1"
FORGIVEN = 3  # deaths over one hop before it is left alone: after the fifth its batch would rightly be parked
PATIENCE = 10.0
BETWEEN_SERVICES = 65.0  # seconds; the supervisor restarts at once what has been well for a minute
LOOKS = ("look.before", "look.after", "look.deleted")
# Where a frozen worker holds no lock that others would wait for.
FREEZE = ("stage.before", "stage.after", "manifest.after", "publish.before")


@dataclass
class Scene:
    """Everything a fault needs."""

    forks: Workers
    between: Proxy
    folder: StateFolder
    chance: random.Random
    tally: Tally
    open_points: list[str]
    world: World
    deaths: dict[str, int] = field(default_factory=dict)
    deliveries: set[str] = field(default_factory=set)  # messages that were counted
    last_service: float = field(default_factory=time.monotonic)

    def busy(self) -> list[Consumer]:
        """List the hops that have something to do."""
        known = {consumer.name: consumer for consumer in consumers(self.world.domain)}
        with transaction() as connection:
            return [known[name] for name in due(connection, known)]

    def fetching(self) -> list[Consumer]:
        """List the consumers that fetch from sources."""
        return consumers(self.world.domain, "ingest")

    def run(
        self, consumer: Consumer, plan: Plan = (), env: Mapping[str, str] | None = None, owner: str = OWNER
    ) -> Outcome:
        """Let one worker do a consumer's hops."""
        return self.forks.run(job(consumer.name, owner), env or self.world.env, plan)

    def look(self, plan: Plan = ()) -> Outcome:
        """Let one worker look at raw."""
        return self.forks.run({"do": "look", "domain": self.world.domain}, self.world.env, plan)

    def count(self, outcome: Outcome, point: str) -> None:
        """Count a death, where it was one."""
        if outcome.killed:
            self.tally.kills[point] += 1
            if point in self.open_points:
                self.open_points.remove(point)

    def claimable(self, consumer: Consumer) -> int:
        """Tell how many batches the consumer's next claim has."""
        ((open_hop, width, waiting),) = self.world.rows(
            "SELECT (SELECT jsonb_array_length(batches) FROM hop WHERE consumer = c.name AND state = 'open'), width, "
            "(SELECT count(*) FROM batch b WHERE c.inputs ? b.asset AND NOT EXISTS "
            "(SELECT FROM receipt r WHERE r.consumer = c.name AND r.batch = b.id)) "
            f"FROM consumer c WHERE name = '{consumer.name}'",
            "ledger",
        )
        return int(open_hop if open_hop is not None else min(width, waiting))


def kill_at(scene: Scene, consumer: Consumer, step: str) -> None:
    """Kill a worker at a step of its hop; what only an error leads to is provoked."""
    kind = consumer.kind
    point = f"{kind}:{step}"
    die = {"at": point, "do": "kill"}
    if step in LOOKS and kind == "landing":
        if step == "look.deleted":
            scene.count(scene.run(consumer, [{"at": f"{kind}:settle.before", "do": "kill"}]), f"{kind}:settle.before")
        scene.count(scene.look([die]), point)
        return
    plan: Plan = [die]
    if step.startswith("narrow"):
        if not KINDS[kind].ordered and scene.claimable(consumer) < 2:  # it would rightly be parked
            return
        plan = [{"at": f"{kind}:stage.after", "do": "data"}, die]
    elif step.startswith("release"):
        plan = [{"at": f"{kind}:publish.before", "do": "raise"}, die]
    scene.count(scene.run(consumer, plan), point)


def killed_at_a_point(scene: Scene, consumer: Consumer) -> None:
    """At a point of this kind of hop where nobody died yet, or at any."""
    kind = consumer.kind
    fresh = [point.split(":")[1] for point in scene.open_points if point.startswith(f"{kind}:")]
    kill_at(scene, consumer, scene.chance.choice(fresh or [*STEPS, *inside(kind)]))


def killed_at_a_time(scene: Scene, consumer: Consumer) -> None:
    """At whatever moment."""
    worker = scene.forks.start(job(consumer.name, OWNER), scene.world.env)
    time.sleep(scene.chance.random() * 0.6)
    scene.count(worker.kill(), f"{consumer.kind}:any time")


def raised(scene: Scene, consumer: Consumer) -> None:
    """An error of the disk, of the machine, or one that nobody knows."""
    steps = ("stage.before", "stage.after", "audit.after", "publish.before", "publish.after", "record.during")
    point = f"{consumer.kind}:{scene.chance.choice(steps)}"
    scene.run(consumer, [{"at": point, "do": scene.chance.choice(("raise", "disk", "error"))}])


def bad_store(scene: Scene, consumer: Consumer) -> None:
    """A store that answers badly."""
    kinds = ("500", "503", "slow", "cut", "lost", "refuse")
    scene.between.choose = seeded(scene.chance.randrange(10**6), kinds, 0.06)
    before = scene.between.made.total()
    scene.run(consumer, env={**scene.world.env, "AWS_ENDPOINT_URL": scene.between.url})
    scene.tally.faults["bad answer of the store"] += scene.between.made.total() - before


def at_once(scene: Scene, consumer: Consumer) -> None:
    """Three runs of one consumer at once, one of which is killed."""
    started = [scene.forks.start(job(consumer.name, owner), scene.world.env) for owner in (OWNER, "second", "third")]
    time.sleep(scene.chance.random() * 0.4)
    victim = scene.chance.choice(started)
    for worker in started:
        outcome = worker.kill() if worker is victim else worker.wait()
        scene.count(outcome, f"{consumer.kind}:any time")


def finish(scene: Scene, consumer: Consumer) -> None:
    """Let an undisturbed worker do the hop, as soon as the lease of whoever died over it has ended."""
    deadline = time.monotonic() + PATIENCE
    while scene.run(consumer).result.get("leased_by") and time.monotonic() < deadline:
        time.sleep(0.2)


def zombie(scene: Scene, consumer: Consumer) -> None:
    """A worker frozen past its lease, which goes on after another has done its work."""
    kind = consumer.kind
    point = f"{kind}:{scene.chance.choice(FREEZE)}"
    worker = scene.forks.start(job(consumer.name, "zombie"), scene.world.env, [{"at": point, "do": "stop"}])
    if worker.frozen():
        finish(scene, consumer)
    worker.signal(signal.SIGCONT)
    worker.wait()


def dead_service(name: str, how: signal.Signals) -> Callable[[Scene, Consumer], None]:
    """A service that dies while a hop is at work, and comes back."""

    def act(scene: Scene, consumer: Consumer) -> None:
        if time.monotonic() - scene.last_service < BETWEEN_SERVICES:
            killed_at_a_time(scene, consumer)
            return
        worker = scene.forks.start(job(consumer.name, OWNER), scene.world.env)
        time.sleep(scene.chance.random() * 0.4)
        restarts = strike(scene.folder, name, how)
        worker.wait()
        await_return(scene.folder, name, restarts)
        scene.last_service = time.monotonic()
        scene.tally.faults[f"death of {name}"] += 1

    return act


# What may go wrong, and how often in a hundred.
STRIKES: tuple[tuple[str, int, Callable[[Scene, Consumer], None]], ...] = (
    ("kill", 68, killed_at_a_point),
    ("kill", 12, killed_at_a_time),
    ("error", 6, raised),
    ("bad store", 5, bad_store),
    ("runs at once", 4, at_once),
    ("zombie", 1, zombie),
    ("postgres", 2, dead_service("postgres", signal.SIGKILL)),
    ("object store", 2, dead_service("s3", signal.SIGTERM)),
)


def one_more(scene: Scene, consumer: Consumer) -> None:
    """Let one thing go wrong; a consumer that was struck too often is first left to finish."""
    if scene.deaths.get(consumer.name, 0) >= FORGIVEN:
        finish(scene, consumer)
        scene.deaths[consumer.name] = 0
        return
    scene.deaths[consumer.name] = scene.deaths.get(consumer.name, 0) + 1
    first = bool(scene.open_points) and any(point.startswith(f"{consumer.kind}:") for point in scene.open_points)
    name, _, act = STRIKES[0] if first else scene.chance.choices(STRIKES, [weight for _, weight, _ in STRIKES])[0]
    act(scene, consumer)
    scene.tally.faults[name] += name in ("error", "runs at once", "zombie", "kill")
