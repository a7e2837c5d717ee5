"""The stand-ins for services that others host, as one application for a container."""

import os
from pathlib import Path

from fastapi import FastAPI

from devstack.standins.slack import Mailbox, create_app


def app() -> FastAPI:
    """Build the application from the environment: STANDINS_FOLDER, STANDINS_URL, STANDINS_TOKEN."""
    box = Mailbox(Path(os.environ["STANDINS_FOLDER"]), os.environ["STANDINS_URL"])
    return create_app(box, os.environ["STANDINS_TOKEN"])
