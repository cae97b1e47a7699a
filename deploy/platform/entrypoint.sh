# Becomes the given command, with each secret in the environment under the name of its file.
set -eu
for secret in /run/secrets/*; do
  [ -f "$secret" ] || continue
  export "$(basename "$secret")=$(cat "$secret")"
done
exec "$@"
