DO $migrate$ BEGIN
    IF NOT pg_try_advisory_xact_lock(%key%) OR EXISTS (
        SELECT FROM %leases% WHERE name = %name% AND holder <> %holder% AND expires_at > clock_timestamp()
    ) THEN
        RAISE EXCEPTION 'another process has the lease' USING ERRCODE = '%busy%';
    END IF;
    DELETE FROM %leases% WHERE name = %name%;
    INSERT INTO %leases% (name, holder, expires_at)
    VALUES (%name%, %holder%, clock_timestamp() + interval '%seconds% seconds');
END $migrate$
