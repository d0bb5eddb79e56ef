"""What every aTES service has in common: settings, database, identity, web application, processes, look.

Services import from here; nothing here imports a service. Events are the business of `messaging`.
"""
