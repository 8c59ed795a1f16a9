UPDATE %tenants% AS t
SET version = %version%, digest = %digest%, schema_oid = %oid%,
    in_flight_version = CASE WHEN %is_over% THEN NULL ELSE t.in_flight_version END,
    in_flight_statement = CASE WHEN %is_over% THEN NULL ELSE t.in_flight_statement END,
    in_flight_file = CASE WHEN %is_void% THEN NULL ELSE t.in_flight_file END,
    in_flight_text = CASE WHEN %is_void% THEN NULL ELSE t.in_flight_text END,
    migrated_at = clock_timestamp(), last_error = NULL
WHERE schema_name = %schema%
