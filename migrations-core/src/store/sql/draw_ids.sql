SELECT nextval(pg_get_serial_sequence($1, 'id')::regclass) FROM generate_series(1, $2) ORDER BY 1
