UPDATE %tenants% SET schema_name = %new%, status = 'active', created_at = clock_timestamp() WHERE schema_name = %old%
