"""The generated files are data, not modules: most of them cannot be imported."""

collect_ignore_glob = ["rejected/*", "warned/*"]
