SELECT in_flight_version, in_flight_statement, in_flight_file, in_flight_text,
    schema_name = %schema%
        AND coalesce(schema_oid = (SELECT oid FROM pg_namespace WHERE nspname = %schema%), true)
FROM %table% WHERE %row%
