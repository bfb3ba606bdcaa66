"""Chaos: runs, people, a database, gateways and clocks at random, and a judge over what they left behind."""
