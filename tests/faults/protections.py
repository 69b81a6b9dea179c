"""The protections that `make mutants` takes away one at a time, and the tests that must notice."""

from tests.faults.protections_of_hosts import OF_HOSTS
from tests.faults.protections_of_runs import OF_RUNS

PROTECTIONS = (*OF_RUNS, *OF_HOSTS)
