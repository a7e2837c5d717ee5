"""A thousand deaths: random files through the real hops under random faults, compared with an undisturbed world.

Run by `make faults [N=1000] [SEED=...] [DOMAIN=ecommerce|telecoms]`, without DOMAIN on both, one after the other. Every
point is struck at least once: of every kind of hop in the shop, of those by which telecoms differs in telecoms. Exits
non-zero where a row or message is lost or doubled, a promise is broken, or a point was missed; leaves
var/faults/report.json and report-telecoms.json.
"""

import os
import random
import secrets
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

os.environ.setdefault("AIRFLOW_HOME", str(Path(__file__).resolve().parents[2] / "var" / "faults" / "airflow"))
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")

from devstack.folder import state_folder
from devstack.stack import running
from tests.faults import messages
from tests.faults.domains import SUBJECTS, Subject
from tests.faults.evidence import Evidence, judge
from tests.faults.proxy import proxy
from tests.faults.strikes import OWNER, Scene, finish, one_more
from tests.faults.tally import VAR, Tally, write_section
from tests.faults.workers import workers
from tests.world import World

KILLS_A_ROUND, ROUNDS_A_WORLD, RECOVERIES = 50, 4, 6


def main() -> int:
    """Run the campaign on each domain and write what was found."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1] else 1000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 and sys.argv[2] else secrets.randbelow(10**6)
    names = [sys.argv[3]] if len(sys.argv) > 3 and sys.argv[3] else list(SUBJECTS)
    say(f"seed {seed}: at least {wanted} kills in each of {', '.join(names)}")
    state = VAR / "stack"
    with running(state, services=("postgres", "s3", "standins")) as stack:
        return max(run_on(SUBJECTS[name](seed), Tally(seed, wanted, name), stack, state) for name in names)


def run_on(subject: Subject, tally: Tally, stack: Mapping[str, str], state: Path) -> int:
    """Run the campaign on a domain; gives the exit code."""
    tally.points = subject.points
    campaign(subject, tally, stack, state)
    tally.write(tally.path)
    write_section(tally.report())
    for line in tally.said:
        say(line)
    say(f"{subject.domain}, seed {tally.seed}: {tally.killed} kills, {tally.lost} rows lost, {tally.doubled} doubled")
    say(f"{tally.messages} messages told, {tally.repeats} of them shown again under the same delivery id")
    return 1 if tally.failed else 0


def say(line: str) -> None:
    """Tell whoever waits."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def campaign(subject: Subject, tally: Tally, stack: Mapping[str, str], state: Path) -> None:
    """Go round after round until enough have died and every point was struck."""
    folder, chance, left = VAR / "worlds" / secrets.token_hex(4), random.Random(tally.seed), list(subject.points)
    folder.mkdir(parents=True)
    with workers(stack, folder / "workers") as forks, proxy(stack["AWS_ENDPOINT_URL"]) as between:
        while not tally.failed and (tally.killed < tally.wanted or (tally.missed and tally.rounds < 2 * most(tally))):
            scene = partial(Scene, forks, between, state_folder(state), chance, tally, left)
            one_pair_of_worlds(subject, tally, scene, stack, folder / str(tally.rounds))
        tally.said += [f"nobody was ever killed at {point}" for point in tally.missed]


def one_pair_of_worlds(
    subject: Subject, tally: Tally, scene_of: Callable[[World], Scene], stack: Mapping[str, str], folder: Path
) -> None:
    """Some rounds in one pair of worlds; a table of hundreds of commits would make each kill dear."""
    impatient = {**stack, "WATERSHED_LEASE_SECONDS": "3"}
    folder.mkdir()
    with subject.pair(stack, impatient, folder) as (calm, struck):
        scene, landed, rows, batches = scene_of(struck), 0, tally.rows, tally.batches
        for number in range(ROUNDS_A_WORLD):
            subject.begin((calm, struck), number)
            landed = one_round(subject, scene, calm, landed)
            found = verdict(scene, calm)
            tally.rows, tally.batches = rows + found[0], batches + found[1]
            tally.write(tally.path)  # whoever ends the campaign early still has what was found
            say(
                f"round {tally.rounds}: {tally.killed} kills, {tally.rows} rows equal, {tally.messages} messages told, {len(tally.missed)} points to go"
            )
            if tally.failed or (tally.killed >= tally.wanted and not tally.missed):
                return


def most(tally: Tally) -> int:
    """Give the rounds that the wanted kills should take."""
    return max(6, tally.wanted // KILLS_A_ROUND)


def one_round(subject: Subject, scene: Scene, calm: World, landed: int) -> int:
    """Strike until enough workers of this round have died; where nothing is left to do, more files land."""
    killed, wanted = scene.tally.killed, scene.tally.wanted
    goal = killed + min(KILLS_A_ROUND, max(1, wanted - killed, len(scene.tally.missed)))
    while scene.tally.killed < goal:
        if scene.chance.random() < messages.SHARE:
            before = scene.tally.killed
            messages.strike(scene)
            goal += scene.tally.killed - before  # a round has its deaths of hops beside
        busy = scene.busy()
        if not busy or scene.chance.random() < 0.05:
            landed += 1
            subject.land((calm, scene.world), f"r{scene.tally.rounds}-{landed}")
            scene.look()
            for fetching in scene.fetching():  # only its own look knows whether a source has more
                one_more(scene, fetching)
            continue
        kinds = {point.partition(":")[0] for point in scene.open_points}
        unstruck = [one for one in busy if one.kind in kinds]
        enough = scene.tally.killed >= scene.tally.wanted  # all that is still asked for is the points
        if kinds and not unstruck and (enough or scene.chance.random() < 0.5):
            finish(scene, scene.chance.choice(busy))  # the kinds that are left come after this one
            continue
        one_more(scene, scene.chance.choice(unstruck or busy))
    return landed


def verdict(scene: Scene, calm: World) -> tuple[int, int]:
    """Let both worlds come to rest and compare them; gives how many rows and batches there are."""
    tally, forks = scene.tally, scene.forks
    flow = {"do": "flow", "domain": calm.domain, "owner": OWNER}
    calmed = forks.run(flow, calm.env)
    for _ in range(RECOVERIES):
        rested = forks.run(flow, scene.world.env)
        if rested.code == 0 and not rested.result["given_way"] and not scene.busy():
            break
    tally.said += [f"round {tally.rounds + 1}: {line}" for line in messages.judge(scene)]
    ask = {"do": "gather", "domain": calm.domain}
    expected, found = forks.run(ask, calm.env), forks.run(ask, scene.world.env)
    tally.rounds += 1
    for outcome in (calmed, rested, expected, found):
        if outcome.code:
            tally.said.append(f"round {tally.rounds}: {outcome}")
            return 0, 0
    evidence = Evidence.told(found.result)
    judged = judge(Evidence.told(expected.result), evidence, found.result["broken"])
    tally.lost, tally.doubled = judged.lost, judged.doubled
    ((batches,),) = scene.world.rows("SELECT count(*)::int FROM batch", "ledger")
    tally.said += [f"round {tally.rounds}: {line}" for line in judged.said]
    scene.deaths.clear()
    return evidence.rows, int(batches)


if __name__ == "__main__":
    sys.exit(main())
