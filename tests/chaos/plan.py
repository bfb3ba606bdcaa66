"""How much of everything happens in a phase, and whose dice decide when."""

import dataclasses
import random


@dataclasses.dataclass
class Plan:
    """One phase. Every actor has dice of its own, so what one of them does depends on the seed alone; when it meets
    the others is up to the machine."""

    name: str
    seed: int
    seconds: float  # of the storm; settling comes on top
    jobs: int
    kills: int
    daemons: int = 4
    killers: int = 6  # threads that start runs and kill them
    steady: int = 4  # threads whose runs live, or get a signal or a wrong clock
    frozen: int = 12  # runs that are stopped at any one time
    frozen_s: tuple = (21, 60)  # for how long: no request may start 20 s after its claim, and the lease is 35 s
    frozen_within_s: float = 1e9  # from the beginning; after the storm its end is waited for
    crowds: int = 40  # times that many runs come through PgBouncer at once
    crowd: int = 20
    restarts: int = 20
    failovers: int = 6
    terminations: int = 120  # of harpsweep's backends, a few at a time
    clock_steps: int = 0  # of the database's clock
    waits_for_leases: bool = True  # at the end; False: an update ends them, once all runs are gone
    settle_s: float = 330  # for everything to become final at the end

    def dice(self, actor):
        return random.Random(f"{self.seed} {self.name} {actor}")

    def moments(self, actor, count):
        """So many moments of the storm, in order."""
        dice = self.dice(f"moments {actor}")
        return sorted(dice.uniform(0.03, 0.97) * self.seconds for _ in range(count))


def short(seed):
    """What bin/check has time for."""
    return [Plan("short", seed, seconds=16, jobs=1600, kills=120, daemons=2, killers=3, steady=3, frozen=4,
                 frozen_s=(20.5, 21.5), frozen_within_s=2, crowds=1, restarts=1, failovers=1, terminations=6, waits_for_leases=False,
                 settle_s=30)]


def full(seed, jobs, kills, minutes):
    """Two phases within so many minutes; the clock of the second one's database is stepped."""
    scale = minutes / 28
    return [
        Plan("storm", seed, seconds=1140 * scale, frozen_within_s=1100 * scale, jobs=jobs * 19 // 20, kills=kills * 19 // 20,
             crowds=max(1, round(50 * scale)), restarts=max(1, round(26 * scale)), failovers=max(1, round(8 * scale)),
             terminations=round(160 * scale)),
        Plan("clock", seed, seconds=150 * scale, jobs=jobs - jobs * 19 // 20, kills=kills - kills * 19 // 20, daemons=2,
             killers=4, steady=3, frozen=4, frozen_s=(21, 40), frozen_within_s=120 * scale,
             crowds=max(1, round(4 * scale)),
             restarts=max(1, round(3 * scale)), failovers=1, terminations=round(16 * scale),
             clock_steps=max(3, round(30 * scale)))]
