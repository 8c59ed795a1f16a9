INSERT INTO %tenants% (id, schema_name, tenant_name, status) OVERRIDING SYSTEM VALUE
VALUES (%id%, %schema%, %known_as%, %status%)
