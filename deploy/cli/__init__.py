"""`./ates`, the operator's command line. Each command is a file here and is listed in `__main__.py`."""
