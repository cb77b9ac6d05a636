"""What MLflow must find in the environment when it is imported: no account, no network but the store's, no pickle.

`models` sets it as soon as any of its modules is imported, so no module of the project can import MLflow without it.
Imports nothing.
"""

import os

_DEFAULTS = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # A server that does not answer is given up after half a minute, not after four.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
    "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",
}


def set_defaults() -> None:
    """Set each variable that the user has not set."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
