SELECT id FROM %tenants% WHERE schema_name = $1::text::name FOR UPDATE
