SELECT id, version, display_name, metadata, status, (extract(epoch FROM created_at) * 1000000)::int8,
    (extract(epoch FROM migrated_at) * 1000000)::int8
FROM %tenants% WHERE schema_name = %new%
