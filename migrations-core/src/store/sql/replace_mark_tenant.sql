DO $migrate$ BEGIN
    UPDATE %tenants% AS t
    SET (version, digest, schema_oid, in_flight_version, in_flight_statement, in_flight_file, in_flight_text) = ROW(
        CASE WHEN t.schema_oid = %oid% THEN t.version ELSE %version% END,
        CASE WHEN t.schema_oid = %oid% THEN t.digest ELSE %digest% END,
        %oid%, %mark%
    )
    WHERE schema_name = %schema%
        AND (t.in_flight_version, t.in_flight_statement, t.in_flight_file, t.in_flight_text)
            IS NOT DISTINCT FROM %from%;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the plan is out of date' USING ERRCODE = '%out_of_date%';
    END IF;
END $migrate$
