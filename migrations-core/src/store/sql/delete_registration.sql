DELETE FROM %tenants% WHERE schema_name = %schema%
