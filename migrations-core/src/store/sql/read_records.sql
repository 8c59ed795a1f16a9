SELECT wanted.name, t.version, t.digest, t.schema_oid, n.oid, t.schema_name IS NOT NULL,
    EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = $2::text::name),
    t.in_flight_version
FROM unnest($1::text[]) WITH ORDINALITY AS wanted (name, place)
LEFT JOIN %tenants% t ON t.schema_name = wanted.name::name
LEFT JOIN pg_namespace n ON n.nspname = wanted.name::name
ORDER BY wanted.place
