SELECT t.id, t.schema_name::text, t.display_name, t.metadata::text, t.status, t.version, t.created_at, t.migrated_at,
    t.last_error,
    coalesce((SELECT array_agg(d.domain ORDER BY d.is_primary DESC, d.domain) FROM %tenant_domains% d
              WHERE d.tenant_id = t.id), '{}'::text[]),
    coalesce((SELECT array_agg(d.is_primary ORDER BY d.is_primary DESC, d.domain) FROM %tenant_domains% d
              WHERE d.tenant_id = t.id), '{}'::bool[]),
    CASE WHEN EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = t.schema_name AND n.oid = t.schema_oid)
         THEN t.digest END,
    t.known_as
FROM %members%
%which%
