SELECT schema_name::text FROM %tenants% WHERE %which%
