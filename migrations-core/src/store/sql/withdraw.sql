DELETE FROM %leases% WHERE name = 'shared' AND (holder = $1 OR expires_at < clock_timestamp())
