# Starts the service in its container: on every address, since it is alone there, and so that it ends within the ten seconds
# that an engine gives it. numba reads machine code only from a folder that it may write to, and the image is
# read-only: without the copy each start would compile for seconds.
set -eu
cp -Rp /app/kernels "$NUMBA_CACHE_DIR"
exec bentoml serve /bento --host 0.0.0.0 --port "${HOUSING_PORT:-3100}" \
    --timeout-keep-alive 75 --timeout-graceful-shutdown 2 "$@"
