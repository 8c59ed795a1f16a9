SELECT t.known_as FROM %members% JOIN %tenant_domains% d ON d.tenant_id = t.id WHERE d.domain = $1
