INSERT INTO %tenants% (schema_name, tenant_name, status) VALUES (%schema%, %known_as%, %status%)
