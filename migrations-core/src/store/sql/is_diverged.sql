(
        SELECT count(*) > 0 AND count(*) FILTER (WHERE NOT is_known) >= count(*) FILTER (WHERE is_known)
        FROM %latest_tenants% AS latest
    )
