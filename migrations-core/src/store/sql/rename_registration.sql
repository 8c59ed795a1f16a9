UPDATE %tenants% SET schema_name = %new%, tenant_name = %known_as%, status = 'active', created_at = clock_timestamp() WHERE schema_name = %old%
