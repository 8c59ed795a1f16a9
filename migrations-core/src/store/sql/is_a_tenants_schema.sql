    IF EXISTS (SELECT FROM %tenants% WHERE schema_name = %schema%) THEN
        RAISE EXCEPTION 'schema % belongs to a tenant', %schema% USING ERRCODE = '%code%';
    END IF;
