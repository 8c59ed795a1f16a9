INSERT INTO events (happened_on, kind) SELECT DATE '2023-06-01' + 100 * n, 'login' FROM generate_series(0, 4) n;
