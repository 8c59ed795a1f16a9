SELECT count(*) FILTER (WHERE digest = $1), count(*) FROM %tenants% WHERE %is_spare%
