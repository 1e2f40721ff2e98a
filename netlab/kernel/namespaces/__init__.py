"""Network namespaces: names, entering one, settings below /proc/sys."""
