DO $migrate$ BEGIN
    IF EXISTS (SELECT FROM %leases% WHERE name = 'shared' AND expires_at > clock_timestamp()) THEN
        RAISE EXCEPTION 'another run is about to change the registry or the shared schema'
            USING ERRCODE = '%fleet_busy%';
    END IF;
    IF NOT pg_try_advisory_xact_lock_shared(%fleet%) THEN
        RAISE EXCEPTION 'another run is changing the registry or the shared schema' USING ERRCODE = '%fleet_busy%';
    END IF;
    IF NOT (SELECT bool_and(pg_try_advisory_xact_lock(%tenant%)) FROM unnest(%names%) AS name) THEN
        RAISE EXCEPTION 'another run holds the lock of one of these tenants' USING ERRCODE = '%tenant_busy%';
    END IF;
    IF (
        SELECT count(*)
        FROM unnest(%names%, %oids%) AS planned (name, oid)
        JOIN %tenants% t ON t.schema_name = planned.name
        JOIN pg_namespace n ON n.nspname = planned.name AND n.oid = planned.oid
        WHERE t.digest IS NOT DISTINCT FROM %digest%
    ) <> %count% THEN
        RAISE EXCEPTION 'the plan is out of date' USING ERRCODE = '%out_of_date%';
    END IF;
    IF EXISTS (SELECT FROM %tenants% WHERE schema_name = ANY (%names%) AND in_flight_version IS NOT NULL) THEN
        RAISE EXCEPTION 'one of these tenants has a migration that is half done' USING ERRCODE = '%half_done%';
    END IF;
END $migrate$
