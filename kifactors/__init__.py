"""AI infrastructure exposure."""
from kifactors import schema
