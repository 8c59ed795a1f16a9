DO $migrate$ BEGIN
    -- A schema that refinery migrated before has no row yet.
    INSERT INTO %sets% AS t (
        name, schema_name, version, digest, schema_oid,
        in_flight_version, in_flight_statement, in_flight_file, in_flight_text
    )
    VALUES (%name%, %schema%, %version%, %digest%, %oid%, %mark%)
    ON CONFLICT (name) DO UPDATE
    SET schema_name = excluded.schema_name,
        (version, digest, schema_oid, in_flight_version, in_flight_statement, in_flight_file, in_flight_text) = ROW(
            CASE WHEN t.schema_oid = %oid% THEN t.version ELSE %version% END,
            CASE WHEN t.schema_oid = %oid% THEN t.digest ELSE %digest% END,
            %oid%, %mark%
        )
    WHERE (t.in_flight_version, t.in_flight_statement, t.in_flight_file, t.in_flight_text)
        IS NOT DISTINCT FROM %from%;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the plan is out of date' USING ERRCODE = '%out_of_date%';
    END IF;
END $migrate$
