SELECT version::int8, name::text, checksum::text FROM %history% ORDER BY version
