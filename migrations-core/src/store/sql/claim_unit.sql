DO $migrate$ BEGIN
    IF NOT pg_try_advisory_xact_lock(%key%) THEN
        RAISE EXCEPTION 'another session is running a unit for this schema' USING ERRCODE = '%busy%';
    END IF;
    IF EXISTS (
        SELECT FROM %table% AS t
        WHERE %row% AND NOT (t.in_flight_version, t.in_flight_statement, t.in_flight_file, t.in_flight_text)
            IS NOT DISTINCT FROM %from%
    ) THEN
        RAISE EXCEPTION 'the plan is out of date' USING ERRCODE = '%out_of_date%';
    END IF;
END $migrate$
