INSERT INTO %tenant_domains% AS d (domain, tenant_id, is_primary) VALUES ($2, $1, $3)
ON CONFLICT (domain) DO UPDATE SET is_primary = d.is_primary OR excluded.is_primary
WHERE d.tenant_id = excluded.tenant_id
RETURNING 1
