INSERT INTO %history% (version, name, applied_on, checksum)
VALUES (%version%, %name%, to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), '%checksum%')
