INSERT INTO %leases% (name, holder, expires_at)
VALUES ('unfinished', %hidden%, clock_timestamp() + interval '%seconds% seconds')
ON CONFLICT (name, holder) DO UPDATE SET expires_at = excluded.expires_at
