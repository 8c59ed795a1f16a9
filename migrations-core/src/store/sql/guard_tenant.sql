DO $migrate$ %declare%BEGIN
    -- A registry that an older binary created and that is not migrated yet has no such table.
    IF to_regclass(%leases_name%) IS NOT NULL THEN
        IF EXISTS (SELECT FROM %leases% WHERE name = 'shared' AND expires_at > clock_timestamp()) THEN
            RAISE EXCEPTION 'another run is about to change the registry or the shared schema'
                USING ERRCODE = '%fleet_busy%';
        END IF;
    END IF;
    IF NOT pg_try_advisory_xact_lock_shared(%fleet%) THEN
        RAISE EXCEPTION 'another run is changing the registry or the shared schema' USING ERRCODE = '%fleet_busy%';
    END IF;
    IF NOT pg_try_advisory_xact_lock(%tenant%) THEN
        RAISE EXCEPTION 'another run holds the lock of this tenant' USING ERRCODE = '%tenant_busy%';
    END IF;
    IF %stale% THEN
        RAISE EXCEPTION 'the plan is out of date' USING ERRCODE = '%out_of_date%';
    END IF;
%body%END $migrate$
