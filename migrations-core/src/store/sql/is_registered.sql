EXISTS (SELECT FROM %tenants% WHERE schema_name = %schema%)
