INSERT INTO %leases% (name, holder, expires_at)
VALUES ('shared', $1, clock_timestamp() + $2::float8 * interval '1 second')
ON CONFLICT (name, holder) DO UPDATE SET expires_at = excluded.expires_at
