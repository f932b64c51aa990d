"""The Open Resource Broker on this engine: ``pip install repo-engine[orb]``.

The broker finds it by its entry point. Its configuration says:

    "storage": {
      "strategy": "repo_engine",
      "repo_engine_strategy": {"store": "sqlite:/srv/orb/state.db"}
    }

Nothing here is imported until the broker asks for it.
"""
