INSERT INTO %tenants% (schema_name, status) VALUES (%schema%, %status%)
