UPDATE %tenants% SET last_error = $1 WHERE schema_name = $2::text::name
