"""One golden copy and one private cluster for all tests of the stand-in; an instance a test."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from lpse_ops.lab.standin import golden, seed
from tests.lab.standin.host import Cluster, Instance, Local, cluster_folder
from tests.support.ports import free_port

NewInstance = Callable[..., Instance]


@pytest.fixture(scope="session")
def golden_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("golden") / "production.tar"
    golden.build(path)
    return path


@pytest.fixture(scope="session")
def cluster(golden_copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A migrated database with ten tenders in it (1001-1003 and 1006-1008 take offers) and no documents."""
    with cluster_folder() as folder:
        made = Cluster(folder, free_port())
        made.create()
        try:
            instance = Instance(golden_copy, tmp_path_factory.mktemp("first"), made.port)
            result = instance.spse4("migration")
            assert result.returncode == 0, result.stdout
            at = datetime.now().replace(microsecond=0)
            opened = seed.load(
                Local(made), "here", tenders=10, documents=0, at=at, tree=str(instance.documents), user="root"
            )
            assert opened == [1001, 1002, 1003, 1006, 1007, 1008]
            yield made
        finally:
            made.stop()


@pytest.fixture
def new_instance(golden_copy: Path, cluster: Cluster, tmp_path: Path) -> Iterator[NewInstance]:
    made: list[Instance] = []

    def make(**settings: str) -> Instance:
        home = tmp_path / f"home{len(made)}"
        home.mkdir()
        database_port = int(settings.pop("database_port", cluster.port))
        made.append(
            Instance(
                golden_copy,
                home,
                database_port,
                {name.replace("__", "."): value for name, value in settings.items()},
            )
        )
        return made[-1]

    yield make
    for instance in made:
        instance.stop()


@pytest.fixture
def instance(new_instance: NewInstance) -> Instance:
    """An instance that is not started."""
    return new_instance()


@pytest.fixture
def running(instance: Instance) -> Instance:
    """A started instance."""
    instance.start()
    return instance
