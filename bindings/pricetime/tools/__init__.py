"""What is done with a venue file from a shell: verify, log, export, trim, migrate.

Each module gives one sub-command, and none but `trim` and `migrate` writes to the file. `audit/` is
what `verify` does.
"""
