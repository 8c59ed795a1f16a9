INSERT INTO %sets% AS t (name, schema_name, schema_oid, version, digest, migrated_at)
VALUES (%name%, %schema%, %oid%, %version%, %digest%, clock_timestamp())
ON CONFLICT (name) DO UPDATE
SET schema_name = excluded.schema_name, schema_oid = excluded.schema_oid, version = excluded.version,
    digest = excluded.digest,
    in_flight_version = CASE WHEN %is_over% THEN NULL ELSE t.in_flight_version END,
    in_flight_statement = CASE WHEN %is_over% THEN NULL ELSE t.in_flight_statement END,
    in_flight_file = CASE WHEN %is_void% THEN NULL ELSE t.in_flight_file END,
    in_flight_text = CASE WHEN %is_void% THEN NULL ELSE t.in_flight_text END,
    migrated_at = excluded.migrated_at
