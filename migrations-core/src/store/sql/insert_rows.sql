INSERT INTO %history% (version, name, applied_on, checksum)
SELECT version, name, to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), checksum
FROM (VALUES %rows%) AS recorded (version, name, checksum)
