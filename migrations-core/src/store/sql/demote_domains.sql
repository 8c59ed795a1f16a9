UPDATE %tenant_domains% SET is_primary = false WHERE tenant_id = $1 AND is_primary AND domain <> $2 AND $3
