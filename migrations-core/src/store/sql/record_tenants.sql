UPDATE %tenants% AS t
SET version = %version%, digest = %digest%, schema_oid = planned.oid, migrated_at = clock_timestamp(), last_error = NULL
FROM unnest(%names%, %oids%) AS planned (name, oid)
WHERE t.schema_name = planned.name
