SELECT t.schema_name::text FROM %tenants% t JOIN %tenant_domains% d ON d.tenant_id = t.id WHERE d.domain = $1
