CREATE UNLOGGED TABLE cache (key text PRIMARY KEY, value bytea) WITH (fillfactor = 70, autovacuum_enabled = false);
ALTER TABLE cache SET (fillfactor = 90), ALTER COLUMN value SET STORAGE EXTERNAL;
CLUSTER cache USING cache_pkey;
TRUNCATE cache;
