"""A calendar of events, and servers that work first come, first served: all that the simulation stands on."""

import heapq


class Events:
    """What happens when. Of what happens at the same moment, the first that was noted comes first."""

    def __init__(self):
        self.now = 0.0
        self._calendar = []
        self._number = 0

    def at(self, moment, call, argument=None):
        self._number += 1
        heapq.heappush(self._calendar, (moment, self._number, call, argument))

    def run(self, until):
        calendar, pop = self._calendar, heapq.heappop
        while calendar and calendar[0][0] <= until:
            self.now, _, call, argument = pop(calendar)
            call(argument)
        self.now = until


class Servers:
    """So many servers alike with one queue. As nobody overtakes, it is known at once when somebody who comes
    will be done; the caller has to come in order of time, which events see to."""

    def __init__(self, count):
        self._free = [0.0] * count  # a heap: when each is free
        self._asked = 0.0

    def serve(self, now, seconds):
        """When a piece of work that comes now and takes so long is done."""
        start = self._free[0]
        if start < now:
            start = now
        self._asked += seconds
        heapq.heapreplace(self._free, start + seconds)
        return start + seconds

    def worked(self, now):
        """Seconds of work done up to now, by all of them."""
        return self._asked - sum(free - now for free in self._free if free > now)

    def __len__(self):
        return len(self._free)
