"""``python -m birdnet_deploy``: the same command line as ``birdnet-deploy``."""

from birdnet_deploy.cli.main import entry

if __name__ == "__main__":
    entry()
