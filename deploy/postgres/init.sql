-- The databases beside `dagster`, which the image creates: each program migrates its own.
CREATE DATABASE mlflow;
CREATE DATABASE mlflow_auth;
CREATE DATABASE predictions;
