INSERT INTO %tenants% (id, schema_name, status) OVERRIDING SYSTEM VALUE VALUES (%id%, %schema%, %status%)
