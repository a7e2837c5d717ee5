"""The ledger's tables are what its migrations make, and applying again does no harm."""

from concurrent.futures import ThreadPoolExecutor

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from common.ledger.database import engine, migrate
from common.ledger.tables import metadata
from common.upkeep.apply import apply
from tests.world import World


def test_migrations_make_exactly_the_tables_of_the_code(world: World) -> None:
    with engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_migrations_go_down_and_up(world: World) -> None:
    from alembic import command

    from common.ledger.database import alembic_config

    with engine().begin() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    assert world.rows("SELECT count(*) FROM pg_tables WHERE tablename = 'hop'", "ledger") == [(0,)]
    migrate()
    assert world.rows("SELECT count(*) FROM hop", "ledger") == [(0,)]


def test_applying_twice_at_once_makes_everything_once(world: World) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(apply), pool.submit(apply)
        assert first.result() == second.result() != []
    assert world.rows("SELECT count(*) FROM watershed.load_token") == [(5,)]


def test_a_ledger_of_the_first_release_keeps_its_refusals_and_names_them_as_a_rebuilt_one_would(world: World) -> None:
    from alembic import command

    from common.ledger.database import alembic_config

    world.land("transactions/1.csv", b"customer_id,date,number_of_cds,dollar_value\nshort\n00001,19970101,1,-1\n")
    world.flow("bronze", "silver")
    named = world.rows("SELECT id, reason, count FROM refusal ORDER BY id", "ledger")
    with engine().begin() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
    assert {row[0] for row in world.rows("SELECT id FROM refusal", "ledger")} == {1, 2}
    migrate()
    assert world.rows("SELECT id, reason, count FROM refusal ORDER BY id", "ledger") == named
    assert not any(counts.taken for counts in world.flow("bronze", "silver").values())
