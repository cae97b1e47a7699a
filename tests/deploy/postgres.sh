# Does what the entrypoint of PostgreSQL's image does.
set -eu
data=/var/lib/postgresql/data
chown -R postgres "$data" /run/postgresql
as() { setpriv --reuid postgres --regid postgres --init-groups "$@"; }
if [ ! -s "$data/PG_VERSION" ]; then
  install -o postgres -m 400 "$POSTGRES_PASSWORD_FILE" /tmp/password
  as initdb -D "$data" --encoding UTF8 --locale C.UTF-8 --auth scram-sha-256 --username "$POSTGRES_USER" --pwfile /tmp/password >/dev/null
  export PGHOST=/run/postgresql PGUSER="$POSTGRES_USER" PGPASSWORD="$(cat "$POSTGRES_PASSWORD_FILE")"
  as pg_ctl -D "$data" -w -o "-c listen_addresses='' -k /run/postgresql" start >/dev/null
  as createdb "$POSTGRES_DB"
  as psql -q -d "$POSTGRES_DB" -f /docker-entrypoint-initdb.d/init.sql
  as pg_ctl -D "$data" -w stop >/dev/null
fi
exec setpriv --reuid postgres --regid postgres --init-groups postgres -D "$data" -k /run/postgresql
