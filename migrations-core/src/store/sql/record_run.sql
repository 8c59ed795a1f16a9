WITH durable AS MATERIALIZED (SELECT set_config('synchronous_commit', 'on', true))
INSERT INTO %runs% (
    started_at, binary_version, outcome, shared_applied, created, migrated, failed, busy, failures
)
SELECT clock_timestamp() - $1::float8 * interval '1 microsecond', $2, $3, $4, $5, $6, $7, $8, $9
FROM durable
