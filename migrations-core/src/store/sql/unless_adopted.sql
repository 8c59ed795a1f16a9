DO $migrate$ BEGIN
    IF NOT EXISTS (
        SELECT FROM %tenants%
        WHERE schema_name = %schema% AND coalesce(tenant_name, schema_name::text) = %known_as%
    ) THEN
        RAISE EXCEPTION 'another session registered the schema or the name' USING ERRCODE = '%out_of_date%';
    END IF;
END $migrate$
