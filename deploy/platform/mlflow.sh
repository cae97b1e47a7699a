# Becomes an MLflow server that answers nobody without a password, on every address of its container.
set -eu
umask 077
if [ "${#MLFLOW_TRACKING_PASSWORD}" -lt 12 ] || [ "$MLFLOW_TRACKING_PASSWORD" = password1234 ]; then
  echo "MLFLOW_TRACKING_PASSWORD is MLflow's own or shorter than 12 characters: make secrets" >&2
  exit 1
fi
export MLFLOW_AUTH_CONFIG_PATH=/tmp/basic_auth.ini MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
cat > "$MLFLOW_AUTH_CONFIG_PATH" <<INI
[mlflow]
default_permission = READ
database_uri = $MLFLOW_AUTH_STORE
admin_username = $MLFLOW_TRACKING_USERNAME
admin_password = $MLFLOW_TRACKING_PASSWORD
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
INI
exec mlflow server --app-name basic-auth --host 0.0.0.0 --port 5000 --workers 1 \
  --backend-store-uri "$MLFLOW_STORE" --artifacts-destination "$MLFLOW_ARTIFACTS" --allowed-hosts "$MLFLOW_HOSTS"
