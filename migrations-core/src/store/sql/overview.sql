WITH tenant AS MATERIALIZED (
    SELECT t.id, t.schema_name, t.known_as, t.version, t.digest, t.schema_oid, n.oid, t.status, t.last_error,
           %is_spare% AS is_spare,
           t.digest IS NOT DISTINCT FROM $1 AND n.oid IS NOT DISTINCT FROM t.schema_oid AS is_current
    FROM %members% LEFT JOIN pg_namespace n ON n.nspname = t.schema_name
    WHERE ($2::text[] IS NULL OR t.known_as = ANY ($2::text[])) AND NOT %is_unfinished%
)
SELECT 'set' AS kind, NULL::int8 AS id, wanted.name, s.version, s.digest, s.schema_oid, n.oid,
       current_setting('standard_conforming_strings'), NULL::text, NULL::text
FROM (VALUES ('registry', $3::text::name), ('shared', $4::text::name)) AS wanted (name, schema_name)
LEFT JOIN %sets% s ON s.name = wanted.name AND s.schema_name = wanted.schema_name
LEFT JOIN pg_namespace n ON n.nspname = wanted.schema_name
UNION ALL
SELECT 'count', count(*) FILTER (WHERE NOT is_spare), NULL,
       count(*) FILTER (WHERE NOT is_spare AND NOT is_current),
       count(*) FILTER (WHERE is_current AND last_error IS NOT NULL), NULL, NULL, NULL, NULL, NULL FROM tenant
UNION ALL
SELECT 'spares', count(*), NULL, count(*) FILTER (WHERE NOT is_current), NULL, NULL, NULL, NULL, NULL, NULL
FROM tenant WHERE is_spare
UNION ALL
SELECT 'missing', NULL, wanted.name, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM (VALUES ('tenant_domains'), ('runs'), ('leases')) AS wanted (name)
WHERE to_regclass(format('%I.%I', $3::text, wanted.name)) IS NULL
UNION ALL
SELECT 'unfinished', count(*), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM %tenants% t WHERE %is_unfinished%
UNION ALL
SELECT 'diverged', count(*) FILTER (WHERE NOT is_known), max(name) FILTER (WHERE NOT is_known), count(*), NULL, NULL, NULL,
       NULL, NULL, NULL
FROM %latest_tenants% AS latest
UNION ALL
SELECT 'extension', NULL, name, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM unnest($9::text[]) AS wanted (name) WHERE NOT EXISTS (SELECT FROM pg_extension WHERE extname = name::name)
UNION ALL
(SELECT 'absent', NULL, name, NULL, NULL, NULL, NULL, NULL, NULL, NULL
 FROM unnest($5::text[]) WITH ORDINALITY AS wanted (name, place)
 WHERE NOT EXISTS (SELECT FROM %members% WHERE t.known_as = wanted.name) ORDER BY place)
UNION ALL
(SELECT 'tenant', id, schema_name::text, version, digest, schema_oid, oid, status, last_error, known_as
 FROM tenant WHERE id > $6 AND ($7 OR NOT is_current) ORDER BY id LIMIT $8)
