EXISTS (
        SELECT FROM %tenants% WHERE schema_name = %schema% OR coalesce(tenant_name, schema_name::text) = %known_as%
    )
