"""Runs the migrations on the connection that ``tables.migrate`` hands over, in its transaction."""

from alembic import context

from resources.predictions.tables import METADATA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
