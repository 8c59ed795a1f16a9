"""Creates the tenants that are named, each with its schema."""

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup()

from customers.models import Client  # noqa: E402

for schema in sys.argv[1:]:
    Client(schema_name=schema, name=schema).save()
